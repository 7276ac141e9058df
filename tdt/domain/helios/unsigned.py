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
END = b"\0"
"""No character of XML: nothing that stands in a document can look like the end of a piece."""


class _Content:
    """What lxml calls for each event."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.signatures = 0
        self._inside = 0
        self._blank = ""
        self._said = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._inside or tag == SIGNATURE:
            self.signatures += not self._inside
            self._inside += 1
            return
        self._end_text()
        told = (f"{name}\0{value}\0" for name, value in sorted(attributes.items()) if name != ID)
        self._tell("<", tag, "\0", *told)

    def end(self, _tag: str) -> None:
        if self._inside:
            self._inside -= 1
            return
        self._end_text()
        self._tell(">")

    def data(self, text: str) -> None:
        if self._inside:
            return
        if not self._said and not text.strip(BLANK):
            # blank text counts when the same text says something before its end
            self._blank += text
            return
        if not self._said:
            self._tell("=", self._blank)
            self._said, self._blank = True, ""
        self._tell_text(text)

    def pi(self, target: str, text: str | None) -> None:
        if not self._inside:
            self._end_text()
            self._tell("?", target, "\0", text or "")

    def comment(self, _text: str) -> None:
        """Says nothing."""

    def doctype(self, *_: object) -> None:
        raise XmlError("document type declarations are not accepted")

    def close(self) -> None:
        self._end_text()

    def _end_text(self) -> None:
        if self._said:
            self.digest.update(END)
        self._said, self._blank = False, ""

    def _tell(self, kind: str, *parts: str) -> None:
        self.digest.update(kind.encode("ascii"))
        self._tell_text("".join(parts))
        if kind != "=":
            self.digest.update(END)

    def _tell_text(self, text: str) -> None:
        self.digest.update(text.encode("utf-8"))


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
        return self._content.digest.digest()
