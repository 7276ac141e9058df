"""What is told of a PDF that was posted: readable by anybody to its last page, or why not."""

import io
import random
import tempfile
import zlib

import pikepdf
import pytest

from tdt.documents.inspection import Inspection, PdfOrder
from tdt.documents.pdf.inspect import inspect
from tests.pdf_files import PAGE, PDF, assemble, small_pdf

BIG = small_pdf(random.Random(1).randbytes(300_000))
MEDIA = b"/Parent 2 0 R/MediaBox[0 0 595 842]"


def told(data: bytes) -> Inspection:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return inspect(PdfOrder(), [file.fileno()])


def saved(data: bytes, **how: object) -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.save(target, **how)  # type: ignore[arg-type]
    return target.getvalue()


def one_page(page: bytes, content: bytes = b"null") -> bytes:
    return assemble([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page, content])


def flate(data: bytes) -> bytes:
    stream = b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(data), data)
    return one_page(b"<</Type/Page%s/Contents 4 0 R>>" % MEDIA, stream)


COMPRESSED = zlib.compress(PAGE * 50)
LINEAR = saved(PDF, linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)


@pytest.mark.parametrize(
    "data",
    [PDF, BIG, LINEAR, b"\xef\xbb\xbfavant\n" + PDF, flate(COMPRESSED), one_page(b"<</Type/Page%s>>" % MEDIA)],
    ids=["plain", "big", "linear", "something before", "compressed", "blank page"],
)
def test_what_anybody_can_read_passes(data: bytes) -> None:
    seen = told(data)
    assert (seen.fault, seen.pages, seen.repaired) == ("", 1, False)


def test_a_wrong_table_is_rebuilt_as_every_reader_does() -> None:
    seen = told(PDF.replace(b"startxref\n", b"startxref\n9"))
    assert (seen.fault, seen.pages, seen.repaired) == ("", 1, True)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (saved(PDF, encryption=pikepdf.Encryption(owner="o", user="u")), "password"),
        (saved(PDF, encryption=pikepdf.Encryption(owner="o", user="")), "restricted"),
        (saved(PDF, encryption=pikepdf.Encryption(owner="", user="", R=3, aes=False, metadata=False)), "restricted"),
        (BIG[:-1000], "damaged"),
        (BIG[:1000], "damaged"),
        (LINEAR[:-200], "damaged"),
        (PDF[:-20], "damaged"),
        (b"%PDF-1.4\n" + random.Random(2).randbytes(5000), "damaged"),
        (b"%PDF-1.4\n%%EOF\n", "damaged"),
        (PDF.replace(b"4 0 obj", b"4 0 xxx"), "damaged"),
        (flate(COMPRESSED[:20] + b"\xff\xff" + COMPRESSED[22:]), "damaged"),
        (flate(b"rien de compresse"), "damaged"),
        (one_page(b"<</Type/Page%s/Contents 4 0 R>>" % MEDIA, b"(un texte)"), "damaged"),
        (assemble([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R]/Count 1>>"]), "damaged"),
        (assemble([b"<</Type/Catalog>>"]), "damaged"),
        (small_pdf(pages=0), "no_page"),
        (b"", "damaged"),
    ],
)
def test_what_not_everybody_can_read_says_why(data: bytes, fault: str) -> None:
    seen = told(data)
    assert seen.fault == fault
    assert seen.detail or fault in {"restricted", "no_page"}


def test_damaged_anywhere_it_says_something() -> None:
    """Bytes changed at random: a verdict, never an exception."""
    chance = random.Random(3)
    whole = LINEAR + PDF
    for _ in range(300):
        data = bytearray(chance.choice((PDF, LINEAR, whole)))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        assert told(bytes(data)).fault in {"", "damaged", "no_page", "password", "restricted"}
