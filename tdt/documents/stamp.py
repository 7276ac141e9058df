"""The stamp on a PDF: what it says, where it should be, and the task of a child that puts it there."""

from dataclasses import dataclass
from typing import Literal

from tdt.documents.child import Task

PDF_ENCRYPTED, PDF_UNREADABLE = "TAMPON_PDF_CHIFFRE", "TAMPON_PDF_ILLISIBLE"
"""Codes of Refused: why this document cannot be stamped."""

Position = Literal["top-left", "top-right", "bottom-left", "bottom-right"]


@dataclass(frozen=True, slots=True)
class StampOrder:
    """What to put on the first file; the second receives the result."""

    lines: tuple[str, ...]
    position: Position
    x: float
    y: float
    pages: Literal["all", "first"]
    logo: str
    opacity: float


@dataclass(frozen=True, slots=True)
class Stamped:
    """What was done: pages stamped, pages that grew by a band, whether the file had to be repaired, is signed, and
    whether the logo could be drawn."""

    pages: int
    bands: int
    repaired: bool
    signed: bool
    logo: bool


STAMP = Task("tdt.documents.pdf.stamp", "stamp", StampOrder, Stamped)
