"""What a child says of a PDF that was posted, and the task that makes it say so."""

from dataclasses import dataclass
from typing import Literal

from tdt.documents.child import Task

Fault = Literal["", "password", "restricted", "damaged", "no_page"]


@dataclass(frozen=True, slots=True)
class PdfOrder:
    """Nothing to say yet but that the file is to be read to its end."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Why it is not readable (empty when it is), the words of the library, and what was seen.

    `repaired`: its table of objects had to be rebuilt, as every reader does.
    """

    fault: Fault = ""
    detail: str = ""
    version: str = ""
    pages: int = 0
    repaired: bool = False


INSPECT = Task("tdt.documents.pdf.inspect", "inspect", PdfOrder, Inspection)
