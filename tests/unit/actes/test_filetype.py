"""The type of a file is what its first bytes show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes import filetype

XML = b'<?xml version="1.0"?><a/>'


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"%PDF-1.4\n", "application/pdf"),
        (b"\xef\xbb\xbf\n  %PDF-1.7", "application/pdf"),
        (b"\x00" * 1019 + b"%PDF-1.7", "application/pdf"),
        (b"\x00" * 1020 + b"%PDF-1.7", "application/octet-stream"),
        (XML, "text/xml"),
        (b"\xef\xbb\xbf" + XML, "text/xml"),
        (b" \r\n\t" + XML, "text/plain"),
        (b"<?XML version='1.0'?><a/>", "text/xml"),
        (XML.decode().encode("utf-16-le"), "application/octet-stream"),
        (b"<DocumentBudgetaire/>", "text/plain"),
        (b'<?xml version="1.0"?>\n<!-- a --><svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b'<?xml version="1.0"?><svgs/>', "text/xml"),
        (b"\n%PDF-1.4", "application/pdf"),
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16-le"), "text/xml"),
        ("\ufeff<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16-be"), "text/xml"),
        (XML + b"<!-- %PDF-1.4 -->", "text/xml"),
        (b"<?xmlish?>", "text/plain"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png"),
        (b"bonjour\r\n", "text/plain"),
        ("été".encode("latin-1"), "text/plain"),
        (b"", "application/octet-stream"),
    ],
)
def test_sniff(head: bytes, mime: str) -> None:
    assert filetype.sniff(head) == mime


def test_extensions() -> None:
    known = ["application/pdf", "text/xml", "image/jpeg", "image/png"]
    assert [filetype.extension(mime) for mime in known] == ["pdf", "xml", "jpg", "png"]
    assert filetype.extension("text/plain") == ""


@given(st.binary(max_size=300))
def test_any_bytes_have_a_type(head: bytes) -> None:
    assert "/" in filetype.sniff(head)


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"PK\x03\x04\x14\x00", "application/zip"),
        (b"PK\x03\x04" + b"a.pdf" + b"%PDF-1.4", "application/zip"),
        (b"{\\rtf1 %PDF-1.4", "text/rtf"),
        (b"\x1f\x8b\x08\x00", "application/gzip"),
        (b"  <!DOCTYPE html>\n<html>", "text/html"),
        (b"<HTML><p>", "text/html"),
        (b"{\\rtf1\\ansi", "text/rtf"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "application/CDFV2"),
    ],
)
def test_what_actes_does_not_carry_is_named_in_refusals(head: bytes, mime: str) -> None:
    assert filetype.sniff(head) == mime
    assert filetype.extension(mime) == ""
