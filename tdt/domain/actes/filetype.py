"""The type of a file by its content: S2LOW never believes the name nor the type that the client gives."""

import re

PDF = "application/pdf"
XML = "text/xml"
JPEG = "image/jpeg"
PNG = "image/png"
TEXT = "text/plain"
UNKNOWN = "application/octet-stream"

_EXTENSIONS = {PDF: "pdf", XML: "xml", JPEG: "jpg", PNG: "png"}

# Readers of PDF accept anything before the header, as long as it starts within the first kilobyte.
_PDF_HEADER_WITHIN = 1024

# At the very start: what comes before makes it no XML.
_XML_DECLARATION = re.compile(rb"<\?xml\s", re.IGNORECASE)
_SVG = re.compile(rb"<\?xml[^>]*>\s*(?:<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<(?:\w+:)?svg\b", re.DOTALL | re.IGNORECASE)
# Types that ACTES does not carry, by the names that a refusal quotes (those of libmagic, which S2LOW uses).
_OTHERS = (
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"GIF8", "image/gif"),
    (b"{\\rtf", "text/rtf"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/CDFV2"),
)
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def sniff(head: bytes) -> str:
    """The MIME type that the first kilobytes of a file show."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    text = _without_byte_order_mark(head)
    if _XML_DECLARATION.match(text):
        return "image/svg+xml" if _SVG.match(text) else XML
    for magic, mime in _OTHERS:
        # an archive may hold a PDF in its first kilobyte
        if head.startswith(magic):
            return mime
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return PDF
    if _HTML.match(head):
        return "text/html"
    if head and not _NOT_TEXT.search(head):
        return TEXT
    return UNKNOWN


def extension(mime: str) -> str:
    """The extension of a document of this type in the archive, empty for a type that ACTES does not carry."""
    return _EXTENSIONS.get(mime, "")


def _without_byte_order_mark(head: bytes) -> bytes:
    if head.startswith(b"\xef\xbb\xbf"):
        return head[3:]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[:1024].decode("utf-16", "ignore").encode()
    return head
