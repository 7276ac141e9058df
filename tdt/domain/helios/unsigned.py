"""What a PES says once its signatures are left out: two that say the same have the same digest.

Prefixes, quotes, comments, the order of attributes and blank text between elements say nothing; nor does `Id`, which
signing tools add to what they sign. Read as a stream: memory does not grow with the document.
"""

import hashlib
from collections.abc import Mapping

from lxml import etree

from tdt.domain.xml import XmlError, feed_parser

SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
ID = "Id"
BLANK = " \t\r\n"
END = "\0"
"""No character of XML: nothing that stands in a document can look like the end of a piece."""
MOST_BLANK = 1 << 20
PIECES, LONG = 1024, 4096
"""So many pieces are handed to the digest together, or up to one that is long."""


class _Content:
    """What lxml calls for each event: millions of times for a big flow."""

    def __init__(self) -> None:
        self.signatures = 0
        self._digest = hashlib.sha256()
        self._pieces: list[str] = []
        self._inside = 0
        self._blank = ""
        self._said = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._inside or tag == SIGNATURE:
            self.signatures += not self._inside
            self._inside += 1
            return
        self._end_text()
        told = "".join([f"{name}\0{value}\0" for name, value in sorted(attributes.items()) if name != ID])
        self._tell(f"<{tag}\0{told}\0")

    def end(self, _tag: str) -> None:
        if self._inside:
            self._inside -= 1
            return
        self._end_text()
        self._tell(">")

    def data(self, text: str) -> None:
        if self._inside:
            return
        if not self._said:
            # blank text counts when the same text says something before its end
            self._blank += text
            if len(self._blank) > MOST_BLANK:
                raise XmlError("too much blank text")
            if not text.strip(BLANK):
                return
            self._said, text, self._blank = True, f"={self._blank}", ""
        self._tell(text)

    def pi(self, target: str, text: str | None) -> None:
        if not self._inside:
            self._end_text()
            self._tell(f"?{target}\0{text or ''}\0")

    def comment(self, _text: str) -> None:
        """Says nothing."""

    def doctype(self, *_: object) -> None:
        raise XmlError("document type declarations are not accepted")

    def close(self) -> None:
        self._flush()

    def digest(self) -> bytes:
        return self._digest.digest()

    def _end_text(self) -> None:
        if self._said:
            self._tell(END)
            self._said = False
        self._blank = ""

    def _tell(self, piece: str) -> None:
        self._pieces.append(piece)
        if len(self._pieces) >= PIECES or len(piece) > LONG:
            self._flush()

    def _flush(self) -> None:
        self._digest.update("".join(self._pieces).encode("utf-8"))
        self._pieces.clear()


class Unsigned:
    """Feed the bytes of a document as they come, then ask. Raises XmlError."""

    def __init__(self) -> None:
        self._content = _Content()
        self._parser = feed_parser(self._content)

    @property
    def signatures(self) -> int:
        """How many signatures stand in it."""
        return self._content.signatures

    def feed(self, chunk: bytes) -> None:
        """The next bytes."""
        try:
            self._parser.feed(chunk)
        except (etree.LxmlError, ValueError, LookupError) as error:
            raise XmlError(str(error)) from error

    def close(self) -> bytes:
        """The digest of what it says."""
        try:
            self._parser.close()
        except (etree.LxmlError, ValueError, LookupError) as error:
            raise XmlError(str(error)) from error
        return self._content.digest()
