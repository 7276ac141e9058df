"""The children that read documents, with limits far below the size of what they read."""

import random
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from tdt.documents.child import Cause, ChildFailed, Children, Limits
from tdt.documents.inspection import INSPECT, PdfOrder
from tdt.documents.signatures import DETACHED_SIGNATURE, PDF_SIGNATURES, Detached, PdfSignaturesOrder
from tests.pdf_files import assemble, small_pdf
from tests.signing import Authority, sign_apart, sign_pdf

MEMORY = 100 << 20
SIZE = 120 << 20


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    made = Children(1, Limits(memory_bytes=MEMORY, seconds=30))
    yield made
    await made.close()


@contextmanager
def opened(data: bytes) -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield file.fileno()


async def test_a_document_larger_than_their_memory_is_read_and_its_signatures_are_checked(children: Children) -> None:
    mayor = Authority("AC").person("Le maire")
    plain = small_pdf(random.Random(1).randbytes(1 << 20) * (SIZE >> 20))
    assert len(plain) > MEMORY
    with opened(sign_pdf(plain, mayor)) as file:
        seen = await children.run(INSPECT, PdfOrder(), [file])
        [signature] = (await children.run(PDF_SIGNATURES, PdfSignaturesOrder(), [file])).found
    assert (seen.fault, seen.pages) == ("", 1)
    assert (signature.intact, signature.valid, signature.covers) == (True, True, "file")
    with opened(plain) as file:
        [apart] = (await children.run(DETACHED_SIGNATURE, Detached(sign_apart(plain, mayor)), [file])).found
    assert (apart.intact, apart.valid) == (True, True)


async def test_a_page_that_swells_without_end_ends_its_child_only(children: Children) -> None:
    swollen = zlib.compress(bytes(1 << 20) * 400)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R>>"
    content = b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(swollen), swollen)
    catalog = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    with opened(assemble([*catalog, page, content])) as file, pytest.raises(ChildFailed) as caught:
        await children.run(INSPECT, PdfOrder(), [file])
    assert caught.value.cause is Cause.MEMORY
    with opened(small_pdf()) as file:
        assert (await children.run(INSPECT, PdfOrder(), [file])).fault == ""
