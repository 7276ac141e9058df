"""A page as it is seen: its visible box, its rotation, its unit; from and to the space of its content.

*Display* space is in points, its origin is the lower left corner of the page as a reader sees it, upright.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import pikepdf

LETTER = (0.0, 0.0, 612.0, 792.0)
DEEPEST_TREE = 50
"""A page tree that is deeper goes in circles."""

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From bottom to top."""
        return self.top - self.bottom

    def meets(self, other: "Box") -> bool:
        """Whether they have more than an edge in common."""
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def grown(self, by: float) -> "Box":
        """The same with a margin."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)

    def within(self, other: "Box") -> "Box | None":
        """The part that is in another, or None."""
        if not self.meets(other):
            return None
        return Box(
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            min(self.right, other.right),
            min(self.top, other.top),
        )


def multiply(first: Matrix, then: Matrix) -> Matrix:
    """The matrix that applies `first`, then `then`."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def transformed(box: Box, by: Matrix) -> Box:
    """The smallest upright box around a transformed one."""
    a, b, c, d, e, f = by
    points = [(a * x + c * y + e, b * x + d * y + f) for x in (box.left, box.right) for y in (box.bottom, box.top)]
    return Box(
        min(x for x, _ in points), min(y for _, y in points), max(x for x, _ in points), max(y for _, y in points)
    )


@dataclass(frozen=True, slots=True)
class Geometry:
    """Of one page: its boxes in its own space, how it is turned (0, 90, 180, 270), its unit in points."""

    media: Box
    visible: Box
    rotation: int
    unit: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as seen, in points."""
        width, height = self.visible.width * self.unit, self.visible.height * self.unit
        return (height, width) if self.rotation in (90, 270) else (width, height)

    @property
    def to_page(self) -> Matrix:
        """From display space to the space of the content."""
        box, s = self.visible, 1 / self.unit
        match self.rotation:
            case 90:
                return (0.0, s, -s, 0.0, box.right, box.bottom)
            case 180:
                return (-s, 0.0, 0.0, -s, box.right, box.top)
            case 270:
                return (0.0, -s, s, 0.0, box.left, box.top)
        return (s, 0.0, 0.0, s, box.left, box.bottom)

    @property
    def to_display(self) -> Matrix:
        """From the space of the content to display space."""
        box, u = self.visible, self.unit
        match self.rotation:
            case 90:
                return (0.0, -u, u, 0.0, -box.bottom * u, box.right * u)
            case 180:
                return (-u, 0.0, 0.0, -u, box.right * u, box.top * u)
            case 270:
                return (0.0, u, -u, 0.0, box.top * u, -box.left * u)
        return (u, 0.0, 0.0, u, -box.left * u, -box.bottom * u)

    def extended(self, points: float, above: bool) -> "Geometry":
        """The same page with a band above or below what is seen."""
        width, height = self.size
        seen = Box(0.0, 0.0 if above else -points, width, height + (points if above else 0.0))
        visible = transformed(seen, self.to_page)
        media = Box(
            min(self.media.left, visible.left),
            min(self.media.bottom, visible.bottom),
            max(self.media.right, visible.right),
            max(self.media.top, visible.top),
        )
        return Geometry(media, visible, self.rotation, self.unit)


def read_geometry(page: pikepdf.Dictionary | pikepdf.Object) -> Geometry:
    """What a viewer makes of the boxes of a page, inherited, reversed or absurd ones included."""
    media = _box(inherited(page, "/MediaBox")) or Box(*LETTER)
    crop = _box(inherited(page, "/CropBox"))
    visible = (crop.within(media) if crop is not None else media) or media
    unit = number(page.get("/UserUnit"), 1.0)
    turn = number(inherited(page, "/Rotate"), 0.0)
    return Geometry(media, visible, round(turn / 90) * 90 % 360, unit if unit > 0 else 1.0)


def inherited(page: Any, name: str) -> Any:
    """An attribute of the page, or of the nearest node above that has it."""
    for node in _lineage(page):
        value = node.get(name)
        if value is not None:
            return value
    return None


def _lineage(page: Any) -> Iterator[Any]:
    node = page
    for _ in range(DEEPEST_TREE):
        if not isinstance(node, pikepdf.Dictionary):
            return
        yield node
        node = node.get("/Parent")


def _box(value: Any) -> Box | None:
    if not isinstance(value, pikepdf.Array) or len(value) != 4:
        return None
    numbers = [number(item, nan) for item in value]
    if not all(isfinite(item) for item in numbers):
        return None
    box = Box(
        min(numbers[0], numbers[2]),
        min(numbers[1], numbers[3]),
        max(numbers[0], numbers[2]),
        max(numbers[1], numbers[3]),
    )
    return box if box.width > 0 and box.height > 0 else None


def number(value: Any, otherwise: float) -> float:
    """A number of a PDF, or the default when it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return otherwise
