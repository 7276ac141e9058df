"""The bordereau d'acquittement as a PDF: the task of a child that lays it out."""

from dataclasses import dataclass

from tdt.documents.child import Task
from tdt.domain.actes.bordereau import Bordereau


@dataclass(frozen=True, slots=True)
class Laid:
    """How many pages it has."""

    pages: int


LAY_OUT = Task("tdt.documents.pdf.bordereau", "lay_out", Bordereau, Laid)
