"""A signed PES of 120 MB in a child that has a quarter of it: what is signed is never held, nor misread."""

import base64
import hashlib
import re
import tempfile

import pytest
from lxml import etree

from tdt.documents.child import Cause, ChildFailed, Children, Limits
from tdt.documents.signatures import PES_SIGNATURES
from tdt.domain.helios.signatures import PesSignatures, PesSignaturesOrder
from tests.pes_signing import draft, seal, sign, unsigned
from tests.signing import Authority

MEMORY = 32 << 20
BLOCK = b"QUJD" * (1 << 18)
BLOCKS = 120
MARK = b"@@CONTENT@@"


async def read(file: int, limits: Limits) -> PesSignatures:
    children = Children(1, limits)
    try:
        return await children.run(PES_SIGNATURES, PesSignaturesOrder(), [file])
    finally:
        await children.close()


def flow() -> tuple[bytes, bytes]:
    """Before and after one enormous PJ, of a flow whose bordereau and whole are signed.

    The canonical form is libxml2's of the flow without the PJ: what the PJ says is the same in it.
    """
    mayor = Authority("AC").person("Le maire")
    small = sign(unsigned("12", attached=MARK.decode()), mayor, "B12")
    before, after = etree.tostring(etree.fromstring(small), method="c14n", exclusive=True).split(MARK)
    digest = hashlib.sha256(before)
    for _ in range(BLOCKS):
        digest.update(BLOCK)
    digest.update(after)
    value = b"<ds:DigestValue>" + base64.b64encode(digest.digest()) + b"</ds:DigestValue>"
    written = draft(small, mayor, "FLUX1")
    start = written.index(b'Id="FLUX1_SIG_1"')
    whole = written[:start] + re.sub(rb"<ds:DigestValue>[^<]+</ds:DigestValue>", value, written[start:], count=1)
    first, last = seal(whole, mayor, "FLUX1_SIG_1").split(MARK)
    return first, last


async def test_a_flow_larger_than_the_memory_of_its_child() -> None:
    first, last = flow()
    with tempfile.TemporaryFile() as file:
        file.write(first)
        for _ in range(BLOCKS):
            file.write(BLOCK)
        file.write(last)
        file.flush()
        assert file.tell() > 3 * MEMORY
        found = (await read(file.fileno(), Limits(MEMORY, 60))).found
        assert [(one.scope, one.intact, one.valid, one.fault) for one in found] == [
            ("bordereau", True, True, ""),
            ("global", True, True, ""),
        ]
        file.seek(len(first) + 50_000_000)
        file.write(b"R")
        file.flush()
        found = (await read(file.fileno(), Limits(MEMORY, 60))).found
        assert [(one.scope, one.intact, one.valid) for one in found] == [
            ("bordereau", True, True),
            ("global", False, True),
        ]
        with pytest.raises(ChildFailed) as caught:
            await read(file.fileno(), Limits(MEMORY, 0.05))
        assert caught.value.cause is Cause.TIME
