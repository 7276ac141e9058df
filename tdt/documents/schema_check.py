"""Check a flow of any size in constant memory: its controls, and each set of schemas that is in force.

One pass says which sets it follows. Only if it follows none is it read again, to say where: the validator tells no
line while it is fed, so the chunks with a fault are then given to it tag by tag.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree

from tdt.documents.schema_archive import unpack
from tdt.documents.schema_set import ROOTS, compile_schema
from tdt.documents.schemas import ActiveSet, Checked, CheckOrder, SetVerdict
from tdt.domain.helios.controls import Controls
from tdt.domain.helios.findings import MOST_FINDINGS, Finding, merge
from tdt.domain.helios.scan import Scan
from tdt.domain.helios.schema_words import join_findings, not_xml, say, unknown_root
from tdt.domain.helios.shortening import Shortener
from tdt.domain.xml import XmlError, local_name

CHUNK = 1 << 18
MOST_FAULTS = 2000
"""Counted of one set: libxml2 keeps them all in memory."""
TAGS = re.compile(rb"[^>]*>|[^>]+\Z")
ALLER = "PES_Aller"


class _Sink:
    """The target of a parser that builds nothing: only the validator listens."""

    def close(self) -> None:
        """The end."""


@dataclass(slots=True)
class _Validator:
    """A set that follows the reading; `chunks` are those in which it found a fault."""

    schema: etree.XMLSchema
    faults: int = 0
    chunks: list[int] = field(default_factory=list)
    _parser: etree.XMLParser | None = None

    def begin(self) -> None:
        self.faults = 0
        self._parser = etree.XMLParser(
            target=_Sink(),  # type: ignore[arg-type]  # the stubs want methods that need not be there
            schema=self.schema,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        )

    def feed(self, piece: bytes) -> list[str]:
        """What is wrong with this piece, in the words of libxml2."""
        if self._parser is None or self.faults >= MOST_FAULTS:
            return []
        try:
            self._parser.feed(piece)
        except etree.XMLSyntaxError as error:
            raise XmlError(error.msg or str(error)) from error
        log = self._parser.feed_error_log
        if len(log) == self.faults:
            return []
        told = [entry.message for entry in list(log)[self.faults :]]
        self.faults = len(log)
        return told


def check_flow(order: CheckOrder, files: Sequence[int]) -> Checked:
    """The task."""
    flow, archives = files[0], files[1:]
    members = [unpack(_whole(archive)) for archive in archives]
    root = _root_of(flow)
    known = {
        number: _Validator(compile_schema(members[number], active.roots[root]))
        for number, active in enumerate(order.sets)
        if root in active.roots
    }
    controls = Controls(order.sent)
    broken = _pass(flow, controls, list(known.values()))
    told = list(controls.findings) if local_name(root) == ALLER else []
    sets = [_verdict(active, known.get(number), broken is not None) for number, active in enumerate(order.sets)]
    best = min(known.values(), key=lambda one: one.faults, default=None)
    if broken is not None:
        schema = [broken]
    elif best is None:
        schema = [unknown_root(root)] if _is_foreign(root, order.sets) else []
    else:
        schema = _locate(flow, best) if best.faults else []
    findings = merge(schema, told)[:MOST_FINDINGS]
    count = controls.total if told else 0
    return Checked(root, sets, count, [one.plain() for one in findings])


def _is_foreign(root: str, sets: Sequence[ActiveSet]) -> bool:
    """A root that no version has, or has in another namespace; one that these sets happen not to describe is not."""
    described = {local_name(one) for active in sets for one in active.roots}
    return bool(sets) and (local_name(root) in described or local_name(root) not in ROOTS)


def _verdict(active: ActiveSet, validator: _Validator | None, broken: bool) -> SetVerdict:
    if validator is None:
        return SetVerdict(active.name, known=False, faults=0)
    faults = max(validator.faults, 1) if broken else validator.faults
    return SetVerdict(active.name, known=True, faults=faults, more=validator.faults >= MOST_FAULTS)


def _pass(flow: int, controls: Controls, validators: Sequence[_Validator]) -> Finding | None:
    """Read it once; what is not XML ends the reading, and is told."""
    shortener = Shortener()
    scan = Scan(controls, shortener.line_of)
    for one in validators:
        one.begin()
    try:
        for number, chunk in enumerate(_chunks(flow)):
            piece = shortener.feed(chunk)
            scan.feed(piece)
            for one in validators:
                if one.feed(piece):
                    one.chunks.append(number)
        scan.close()
    except XmlError as error:
        return not_xml(str(error), scan.failure_line, scan.last())
    controls.close()
    return None


def _locate(flow: int, validator: _Validator) -> list[Finding]:
    """Where the first faults stand: those of each chunk that has some, tag by tag."""
    shortener, bad, found = Shortener(), set(validator.chunks), list[Finding]()
    scan = Scan(Controls(), shortener.line_of, prompt=True)
    validator.begin()
    for number, chunk in enumerate(_chunks(flow)):
        piece = shortener.feed(chunk)
        # a tag may begin in the chunk before
        for part in TAGS.findall(piece) if number in bad or number + 1 in bad else [piece]:
            scan.feed(part)
            told = [say(message, scan.line, scan.last(), scan.tag_where) for message in validator.feed(part)]
            found += join_findings(told)
        if len(found) > 2 * MOST_FINDINGS:
            break
    return found


def _root_of(flow: int) -> str:
    """The name of its root, if the beginning is XML."""
    scan = Scan(Controls())
    try:
        for chunk in _chunks(flow):
            for part in TAGS.findall(chunk):
                scan.feed(part)
                if scan.root:
                    return scan.root
    except XmlError:
        pass
    return ""


def _chunks(file: int) -> Iterator[bytes]:
    offset = 0
    while chunk := os.pread(file, CHUNK, offset):
        yield chunk
        offset += len(chunk)


def _whole(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
