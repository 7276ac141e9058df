"""Validate a PES flow of any size against an official schema pack, in constant memory."""

import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

CHUNK = 1 << 18
KEPT = 1 << 16  # base64 characters of a text that the validator is shown
BASE64 = (string.ascii_letters + string.digits + "+/ \t\r\n").encode()


@dataclass(frozen=True, slots=True)
class SchemaFault:
    line: int
    column: int
    message: str


class _Shortener:
    """Drops the bulk of long base64 texts, by whole groups of four characters, and nothing else.

    Only characters of the base64 alphabet go, never markup, so the document stays well-formed and a text stays
    valid base64, or invalid, as it was; validating a text of hundreds of MB as a whole would hold it in memory.
    """

    def __init__(self) -> None:
        self._run = 0
        self._owed = 0
        self._line = 1
        self._jumps: list[tuple[int, int]] = []

    def shorten(self, chunk: bytes) -> bytes:
        """What to show the validator of this chunk: a text that fits within one chunk is not worth the trouble."""
        rest = chunk.lstrip(BASE64)
        begin = self._base64(chunk[: len(chunk) - len(rest)])
        if not rest:
            return begin
        filling = b"A" * self._owed  # completes the last group of four that was begun
        self._run, self._owed = 0, 0
        middle = rest.rstrip(BASE64)
        self._line += middle.count(b"\n")
        return begin + filling + middle + self._base64(rest[len(middle) :])

    def line_of(self, line: int) -> int:
        """Line in the original of a line in what was kept."""
        return line + sum(lost for after, lost in self._jumps if after < line)

    def _base64(self, run: bytes) -> bytes:
        room = max(0, KEPT - self._run)
        self._run += len(run)
        shown, dropped = run[:room], run[room:]
        self._line += shown.count(b"\n")
        if dropped:
            self._owed = (self._owed + len(dropped.translate(None, b" \t\r\n"))) % 4
            if lost := dropped.count(b"\n"):
                self._jumps.append((self._line, lost))
        return shown


class _Place:
    """Line and column of the last tag of what has gone by."""

    def __init__(self) -> None:
        self.line, self.column = 1, 1
        self._left = b""

    def move(self, piece: bytes) -> bytes:
        before, opening, tag = piece.rpartition(b"<")
        passed = self._left + before
        self.line += passed.count(b"\n")
        self.column = len(passed) - passed.rfind(b"\n") + (0 if b"\n" in passed else self.column - 1)
        self._left = opening + tag
        return piece


class SchemaPack:
    """The directory of a schema pack; compiled at its first use."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._schema: etree.XMLSchema | None = None

    def validate(self, path: Path) -> SchemaFault | None:
        """The first violation, if any. The flow is known to be well-formed. CPU and disk: call it from a thread."""
        found = self._first_fault(map(_Shortener().shorten, _chunks(path)))
        if found is None:
            return None
        # libxml2 does not say where when it is fed: a second reading goes tag by tag through the chunk of the fault
        bad_chunk, message = found
        shortener = _Shortener()
        place = _Place()

        def tag_by_tag() -> Iterator[bytes]:
            for number, chunk in enumerate(_chunks(path)):
                kept = shortener.shorten(chunk)
                for piece in [kept] if number < bad_chunk else re.findall(rb"[^>]*>|[^>]+$", kept):
                    yield place.move(piece)

        self._first_fault(tag_by_tag())
        return SchemaFault(shortener.line_of(place.line), place.column, message)

    def _first_fault(self, pieces: Iterable[bytes]) -> tuple[int, str] | None:
        """Number of the piece after which the first fault shows, and its text."""
        if self._schema is None:
            self._schema = etree.XMLSchema(file=str(self._aller()))
        parser = etree.XMLPullParser(
            events=("end",),
            schema=self._schema,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
        )
        number = 0
        try:
            for number, piece in enumerate(pieces):
                parser.feed(piece)
                if parser.feed_error_log:
                    return number, parser.feed_error_log[0].message
                _clear(parser)
            parser.close()
        except etree.XMLSyntaxError as error:
            return number, error.msg or str(error)
        return None

    def _aller(self) -> Path:
        found = sorted(self._directory.rglob("PES_Aller.xsd"))
        if not found:
            raise FileNotFoundError(f"no PES_Aller.xsd under {self._directory}")
        return found[0]


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _clear(parser: etree.XMLPullParser) -> None:
    """Free what has been validated, piece by piece and PJ by PJ."""
    for _, element in parser.read_events():
        if isinstance(element, etree._Element) and element.tag in ("Piece", "PJ", "Bordereau"):
            element.clear()
            parent = element.getparent()
            while parent is not None and element.getprevious() is not None:
                del parent[0]
