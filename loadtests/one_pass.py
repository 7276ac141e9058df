"""One pass over a flow in a process of its own; prints JSON.

`tdt CONFIG NUMBER`, `iterparse FILE`, `target FILE`, `signatures FILE MIB`, `canonical FILE`.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from loadtests.processes import forget_peak, peak_resident, resident
from tdt.config_file import load
from tdt.deps import open_deps
from tdt.documents.child import Children, Limits
from tdt.documents.signatures import PES_SIGNATURES
from tdt.domain.helios.signatures import PesSignatures, PesSignaturesOrder
from tdt.domain.ids import HeliosId
from tdt.flows import helios_send

BLOCK = 1 << 20


class _Nothing:
    """A target that asks for tags and text and keeps nothing."""

    def start(self, tag: object, attrib: object) -> None: ...

    def end(self, tag: object) -> None: ...

    def data(self, data: object) -> None: ...

    def comment(self, text: object) -> None: ...

    def close(self) -> None: ...


def check(config: str, number: str) -> None:
    """The analysis as a worker runs it."""

    async def run() -> None:
        async with open_deps(load(Path(config))) as deps:
            await helios_send.analyse(deps, HeliosId(int(number)))

    asyncio.run(run())


def iterparse(path: str) -> None:
    """The usual way of reading a large document whose parts are small."""
    for _, element in etree.iterparse(path, huge_tree=True, resolve_entities=False, no_network=True):
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def target(path: str) -> None:
    """The least that can be done with a text of any size."""
    parser = etree.XMLParser(target=_Nothing(), huge_tree=True, resolve_entities=False, no_network=True)
    with Path(path).open("rb") as file:
        while block := file.read(BLOCK):
            parser.feed(block)
    parser.close()


def signatures(path: str, memory: str) -> None:
    """The task of the analysis, in a child of so many MiB."""

    async def run(file: int) -> PesSignatures:
        children = Children(1, Limits(int(memory) << 20, 600))
        try:
            return await children.run(PES_SIGNATURES, PesSignaturesOrder(), [file])
        finally:
            await children.close()

    with Path(path).open("rb") as file:
        [found] = asyncio.run(run(file.fileno())).found
    assert (found.scope, found.fault, found.intact) == ("global", "", False)


def canonical(path: str) -> None:
    """The same digest, by a tree."""
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)
    tree = etree.parse(path, parser)
    root = tree.getroot()
    root.remove(root[-1])
    digest = hashlib.sha256(etree.tostring(tree, method="c14n", exclusive=True, with_comments=False))
    assert digest.digest()


PASSES: dict[str, Callable[..., None]] = {
    "tdt": check,
    "iterparse": iterparse,
    "target": target,
    "signatures": signatures,
    "canonical": canonical,
}


def main() -> None:
    forget_peak(os.getpid())
    before, started, cpu = resident(os.getpid()), time.monotonic(), time.process_time()
    PASSES[sys.argv[1]](*sys.argv[2:])
    told = {
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "growth_mib": (peak_resident(os.getpid()) - before) / 2**20,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
