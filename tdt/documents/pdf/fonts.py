"""How wide the characters of a font are: enough of its dictionary to know where a text ends. Too wide rather than too
narrow: a place that is held for a text is only not used."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from struct import unpack
from typing import Any

import pikepdf
from reportlab.pdfbase import pdfmetrics

from tdt.documents.pdf.geometry import number

UNKNOWN = 1.0
"""Em, for a character whose width cannot be known."""
ASCENT, DESCENT = 1.05, -0.4
"""Of any font, in em: readers of text limit what fonts say of themselves to about that."""


@dataclass(frozen=True, slots=True)
class Font:
    """Widths in em by code, and how many bytes a code has."""

    width: Callable[[int], float]
    code_bytes: int = 1
    ascent: float = ASCENT
    descent: float = DESCENT
    vertical: bool = False

    def measure(self, text: bytes) -> tuple[float, int, int]:
        """The widths of its characters together, how many they are, and how many of them are spaces that Tw widens."""
        if self.code_bytes == 1:
            return sum(map(self.width, text)), len(text), text.count(b" ")
        count = len(text) // 2
        return sum(map(self.width, unpack(f">{count}H", text[: 2 * count]))), count, 0


class Widths(dict[int, float]):
    """By code; a code that is not there has the width that the font gives to all such."""

    def __init__(self, known: Iterable[tuple[int, float]], otherwise: float):
        super().__init__(known)
        self._otherwise = otherwise

    def __missing__(self, code: int) -> float:
        return self._otherwise


ANY_FONT = Font(lambda _: UNKNOWN)


def read_font(font: Any) -> Font:
    """Of its dictionary; a font that cannot be read is taken for a wide one."""
    if not isinstance(font, pikepdf.Dictionary):
        return ANY_FONT
    kind = str(font.get("/Subtype"))
    if kind == "/Type0":
        return _composite(font)
    if kind == "/Type3":
        return _type3(font)
    return Font(_simple(font, 0.001))


def _simple(font: Any, unit: float) -> Callable[[int], float]:
    first, widths = int(number(font.get("/FirstChar"), 0)), font.get("/Widths")
    if not isinstance(widths, pikepdf.Array):
        return _standard(str(font.get("/BaseFont")).lstrip("/"))
    descriptor = font.get("/FontDescriptor")
    missing = 0.0
    if isinstance(descriptor, pikepdf.Dictionary):
        missing = number(descriptor.get("/MissingWidth"), 0.0) * abs(unit)
    known = ((first + index, abs(number(value, UNKNOWN / unit) * unit)) for index, value in enumerate(widths))
    return Widths(known, missing).__getitem__


def _standard(name: str) -> Callable[[int], float]:
    if name not in pdfmetrics.standardFonts:
        return ANY_FONT.width
    return Widths(enumerate(width / 1000 for width in pdfmetrics.getFont(name).widths), UNKNOWN).__getitem__


def _type3(font: Any) -> Font:
    matrix, box = font.get("/FontMatrix"), font.get("/FontBBox")
    scale = [number(item, 0.001) for item in matrix] if isinstance(matrix, pikepdf.Array) else [0.001, 0, 0, 0.001]
    ascent, descent = ASCENT, DESCENT
    if isinstance(box, pikepdf.Array) and len(box) == 4 and len(scale) >= 4:
        heights = sorted(number(item, 0.0) * scale[3] for item in (box[1], box[3]))
        descent, ascent = min(descent, heights[0]), max(ascent, heights[1])
    return Font(_simple(font, scale[0] or 0.001), 1, ascent, descent)


def _composite(font: Any) -> Font:
    descendants = font.get("/DescendantFonts")
    if not isinstance(descendants, pikepdf.Array) or not len(descendants):
        return ANY_FONT
    child = descendants[0]
    encoding = str(font.get("/Encoding"))
    if encoding not in ("/Identity-H", "/Identity-V") or not isinstance(child, pikepdf.Dictionary):
        # what a code is, only its CMap knows: an em for each byte is too wide for all of them
        return ANY_FONT
    default = number(child.get("/DW"), 1000.0) / 1000
    widths = Widths(_cid_widths(child.get("/W")), default)
    return Font(widths.__getitem__, 2, vertical=encoding == "/Identity-V")


def _cid_widths(entries: Any) -> Iterator[tuple[int, float]]:
    """The array W: `first [w w w]`, or `first last w`."""
    if not isinstance(entries, pikepdf.Array):
        return
    items: list[Any] = list(entries)
    index = 0
    while index + 1 < len(items):
        first, then = int(number(items[index], 0)), items[index + 1]
        if isinstance(then, pikepdf.Array):
            yield from ((first + offset, number(item, 1000.0) / 1000) for offset, item in enumerate(then))
            index += 2
            continue
        if index + 2 >= len(items):
            return
        last = min(int(number(then, 0)), 65_535)
        width = number(items[index + 2], 1000.0) / 1000
        for code in range(first, last + 1):
            yield code, width
        index += 3
