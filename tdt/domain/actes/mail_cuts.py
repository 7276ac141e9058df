"""Large attachments taken out of a mail before it is parsed: the library's parser needs nine times what it reads."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

# A line of base64 as every software writes them; long runs of lines of one length are cut out. A length
# that is a multiple of four: each line decodes alone.
_LINE = re.compile(rb"^([A-Za-z0-9+/]{60,76})\r?\n", re.MULTILINE)
_RUN = 16 << 10
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Cuts:
    """A mail without its large runs of base64. In place of each stands a line: `mark`, then its number."""

    rest: bytes
    mark: str
    runs: tuple[memoryview, ...]

    def decode(self, text: str) -> bytes | None:
        """The bytes of a base64 body out of which runs were cut; None when it is not sound."""
        out = BytesIO()
        try:
            for piece, number in self._pieces(text):
                out.write(binascii.a2b_base64("".join(piece.split()), strict_mode=True))
                if number is not None:
                    for block in _blocks(self.runs[number]):
                        out.write(binascii.a2b_base64(block))
        except (binascii.Error, ValueError, IndexError):
            return None
        return out.getvalue()

    def restore(self, data: bytes) -> bytes:
        """A body that looks like base64 and is none, as it was."""
        if not self.runs or self.mark.encode() not in data:
            return data
        return re.sub(rb"%s([0-9]{6})\r?\n?" % self.mark.encode(), lambda found: self.runs[int(found[1])], data)

    def _pieces(self, text: str) -> Iterator[tuple[str, int | None]]:
        first, *others = text.split(self.mark)
        following = [(part[:6], part[6:].removeprefix("\r").removeprefix("\n")) for part in others]
        pieces = [first, *(rest for _, rest in following)]
        numbers: list[int | None] = [*(int(number) for number, _ in following), None]
        return zip(pieces, numbers, strict=True)


def cut(raw: bytes) -> Cuts:
    """Take the large runs of base64 out of a mail."""
    mark = "TDTCUT"
    while mark.encode() in raw:
        mark += "X"
    view, kept, place = memoryview(raw), BytesIO(), 0
    runs: list[memoryview] = []
    for start, end in _find_runs(raw):
        kept.write(view[place:start])
        kept.write(f"{mark}{len(runs):06}\r\n".encode())
        runs.append(view[start:end])
        place = end
    kept.write(view[place:])
    return Cuts(kept.getvalue(), mark, tuple(runs))


def _find_runs(raw: bytes) -> Iterator[tuple[int, int]]:
    place = 0
    while (found := _LINE.search(raw, place)) is not None:
        start, line = found.start(), found.end() - found.start()
        end = start + line * _count_lines(raw, start, line)
        while end - line > start and _LINE.fullmatch(raw[end - line : end]) is None:
            end -= line  # what follows the run, and ends by chance where a line would
        place = end
        if end - start >= _RUN and len(found[1]) % 4 == 0 and _is_base64(raw, start, end, line):
            yield start, end


def _count_lines(raw: bytes, start: int, line: int) -> int:
    """How many lines of this length follow each other: one byte of each is looked at, by the megabyte."""
    count = 0
    while True:
        first = start + count * line + line - 1
        ends = raw[first : first + line * (_BLOCK // line) : line]
        good = len(ends) - len(ends.lstrip(b"\n"))
        count += good
        if good < len(ends) or not ends:
            return max(count, 1)


def _is_base64(raw: bytes, start: int, end: int, line: int) -> bool:
    """Whether there is nothing else, no line end but those of the lines, and they all end alike."""
    ending = b"\r\n" if raw[start + line - 2 : start + line] == b"\r\n" else b"\n"
    step = line * (_BLOCK // line)
    return all(
        raw[place : min(place + step, end)].translate(None, _ALPHABET)
        == ending * ((min(place + step, end) - place) // line)
        for place in range(start, end, step)
    )


def _blocks(run: memoryview) -> Iterator[memoryview]:
    """In whole lines."""
    line = bytes(run[:80]).index(b"\n") + 1
    step = line * (_BLOCK // line)
    yield from (run[start : start + step] for start in range(0, len(run), step))
