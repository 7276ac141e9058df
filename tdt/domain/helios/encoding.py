"""What a flow says of its encoding, and what its bytes show: a text test as S2LOW's, then contradictions.

ISO-8859-1 gives a character to every byte, so most mistakes cannot be proved; those that can are refused, the others
are carried as they are (bytes are never changed) and told in the report of the reading.
"""

import codecs
import re

WINDOW = 50
"""S2LOW looks for the encoding in the first 50 characters, nowhere else."""
WANTED = b"ISO-8859-1"
BOMS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""UTF-32 first: its mark in little-endian begins with that of UTF-16."""

_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_C1 = bytes(range(0x80, 0xA0))
_NOT_C1 = bytes(set(range(256)) - set(_C1))


def declared_encoding(head: bytes) -> str:
    """The name in the XML declaration, in upper case; empty when there is none."""
    for mark in BOMS:
        head = head.removeprefix(mark)
    found = _DECLARATION.match(head)
    return found[1].decode("ascii").upper() if found is not None else ""


def is_announced(head: bytes) -> bool:
    """S2LOW's test."""
    return WANTED in head[:WINDOW].upper()


def find_contradiction(head: bytes) -> str:
    """Why a flow that passes the test is in another encoding all the same; empty when nothing proves it.

    ISO-8859-10 to -16 pass, as at S2LOW: their names begin as the one that is looked for.
    """
    for mark, name in BOMS.items():
        if head.startswith(mark):
            return f"byte order mark of {name}"
    declared = declared_encoding(head)
    if not declared.startswith(WANTED.decode()):
        return f"declared encoding: {declared or 'none, so UTF-8'}"
    return ""


class ByteObserver:
    """Feed the bytes as they come; `seen` then says in which encoding they look written."""

    def __init__(self) -> None:
        self._utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._plain = True
        self._c1 = False
        self._open = False

    def feed(self, chunk: bytes) -> None:
        """Cheap on ASCII, which attachments are."""
        if not self._open and chunk.isascii():
            return
        self._plain = False
        self._c1 = self._c1 or bool(chunk.translate(None, _NOT_C1))
        if self._utf8 is None:
            return
        try:
            self._utf8.decode(chunk)
            self._open = bool(self._utf8.getstate()[0])
        except UnicodeDecodeError:
            self._utf8, self._open = None, False

    @property
    def seen(self) -> str:
        """`ASCII`, `UTF-8`, `WINDOWS-1252` (bytes that are control characters in ISO-8859-1) or `ISO-8859-1`."""
        if self._plain:
            return "ASCII"
        if self._utf8 is not None and not self._open:
            return "UTF-8"
        return "WINDOWS-1252" if self._c1 else "ISO-8859-1"
