"""Where a stamp goes on a page: the corner asked for, else the nearest free place at the edges, else a band of its own.

A free place is free of texts and, if one can be had, of drawings too (a letterhead, a signature). What fills most of
the page (a scan, a background) is no reason to go elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tdt.documents.pdf.geometry import Box

GAP = 2.0
"""Points kept between the stamp and what is beside it."""
NEAREST_EDGE = 4.0
"""Points from the edge when the margin asked for is too much."""
BACKGROUND = 0.5
"""Share of the page from which a drawing is a background."""


class Corner(StrEnum):
    """Of a page as it is seen."""

    TOP_LEFT = "top-left"
    TOP_RIGHT = "top-right"
    BOTTOM_LEFT = "bottom-left"
    BOTTOM_RIGHT = "bottom-right"

    @property
    def is_top(self) -> bool:
        """Above."""
        return self in (Corner.TOP_LEFT, Corner.TOP_RIGHT)

    @property
    def is_left(self) -> bool:
        """On the left."""
        return self in (Corner.TOP_LEFT, Corner.BOTTOM_LEFT)


@dataclass(frozen=True, slots=True)
class Wish:
    """The size of a stamp, the corner where it should be, and how far from its edges, in points."""

    width: float
    height: float
    corner: Corner
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stamp goes, in display space. `band` points are added to the page for it, above or below."""

    box: Box
    band: float = 0.0
    above: bool = True


def find_place(page: tuple[float, float], wish: Wish, texts: Sequence[Box], drawings: Sequence[Box]) -> Place:
    """The first free place, in the order in which a reader would look for it."""
    wish = _fitted(page, wish)
    area = page[0] * page[1]
    ink = [box for box in drawings if box.width * box.height < BACKGROUND * area]
    for obstacles in ((*texts, *ink), texts):
        taken = [box.grown(GAP) for box in obstacles]
        for box in _candidates(page, wish, taken):
            if not any(box.meets(other) for other in taken):
                return Place(box)
    return make_band(page, wish)


def make_band(page: tuple[float, float], wish: Wish) -> Place:
    """A place that nothing can hold: beside the page, which grows. Its content keeps its place and scale."""
    wish = _fitted(page, wish)
    width, height = page
    x = wish.x if wish.corner.is_left else width - wish.x - wish.width
    band = wish.height + 2 * wish.y
    bottom = height + wish.y if wish.corner.is_top else wish.y - band
    return Place(Box(x, bottom, x + wish.width, bottom + wish.height), band, wish.corner.is_top)


def _fitted(page: tuple[float, float], wish: Wish) -> Wish:
    """On a small page, margins of 5 % at most, and a stamp no wider than what is left, nor higher than half of it."""
    width, height = page
    x, y = min(wish.x, width / 20), min(wish.y, height / 20)
    if wish.width + 2 * wish.x <= width and wish.height + 2 * wish.y <= height:
        x, y = wish.x, wish.y
    scale = min(1.0, (width - 2 * x) / wish.width, (height / 2 - y) / wish.height)
    return Wish(wish.width * scale, wish.height * scale, wish.corner, x, y)


def _candidates(page: tuple[float, float], wish: Wish, taken: Sequence[Box]) -> Iterator[Box]:
    """The corners; then along the upper and lower edges; then along the sides. The edges asked for come first."""
    width, height = page
    xs = (wish.x, width - wish.x - wish.width)
    xs = xs if wish.corner.is_left else (xs[1], xs[0])
    ys = _rows(height, wish)
    for y in ys:
        for x in xs:
            yield _at(x, y, wish)
    for y in ys:
        row = Box(0.0, y, width, y + wish.height)
        spans = [(box.left, box.right) for box in taken if box.meets(row)]
        for x in _gaps(spans, (min(xs), max(xs)), wish.width, forward=wish.corner.is_left):
            yield _at(x, y, wish)
    lowest, highest = wish.y, height - wish.y - wish.height
    for x in xs:
        column = Box(x, 0.0, x + wish.width, height)
        spans = [(box.bottom, box.top) for box in taken if box.meets(column)]
        for y in _gaps(spans, (lowest, highest), wish.height, forward=not wish.corner.is_top):
            yield _at(x, y, wish)


def _rows(height: float, wish: Wish) -> list[float]:
    """Heights of the stamp: at the margin asked for, then nearer to the edge; the edge asked for first."""
    margins = [wish.y] if wish.y <= NEAREST_EDGE else [wish.y, NEAREST_EDGE]
    top = [height - margin - wish.height for margin in margins]
    return [*top, *margins] if wish.corner.is_top else [*margins, *top]


def _at(x: float, y: float, wish: Wish) -> Box:
    return Box(x, y, x + wish.width, y + wish.height)


def _gaps(
    spans: list[tuple[float, float]], limits: tuple[float, float], length: float, forward: bool
) -> Iterator[float]:
    """Where a stretch of this length begins, between the spans; from the first limit on, or from the last one back."""
    first, last = limits
    position = first
    found: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        if low - position >= length:
            found.append((position, min(low - length, last)))
        position = max(position, high)
    if position <= last:
        found.append((position, last))
    yield from (low for low, _ in found) if forward else (high for _, high in reversed(found))
