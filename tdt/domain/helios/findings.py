"""What the Guichet XML of the DGFiP would refuse in a flow: where, against which rule, and what to do about it."""

from dataclasses import dataclass, replace
from typing import Literal

Level = Literal["flux", "bordereau", "PJ", "facture", "marché"]
"""What the DGFiP refuses with it."""
Source = Literal["schema", "control"]
"""A violation of the XSD, or of a rule that its annotations state."""

MOST_FINDINGS = 100
"""Kept of a flow: a fault of the software stands on every line."""
LONGEST_VALUE = 100


@dataclass(slots=True)
class Where:
    """Where in the flow, as an accountant says it. Filled as the numbers are read: they come after what they name."""

    block: str = ""
    rank: int = 0
    """Of the bordereau in its file, from 1 on."""
    bordereau: str = ""
    exercice: str = ""
    piece: str = ""
    ligne: str = ""
    pj_rank: int = 0
    pj: str = ""

    def copy(self) -> "Where":
        """The same place, to be made more precise."""
        return replace(self)

    def text(self) -> str:
        """`dépense, bordereau 12 de 2026, pièce 345, ligne 1`."""
        parts = [self.block]
        if self.rank:
            number = self.bordereau or f"sans numéro (le n° {self.rank} du fichier)"
            parts.append(f"bordereau {number}" + (f" de {self.exercice}" if self.exercice else ""))
        parts += [f"pièce {self.piece}"] if self.piece else []
        parts += [f"ligne {self.ligne}"] if self.ligne else []
        if self.pj_rank:
            parts.append(f"PJ {self.pj or f'sans identifiant (la n° {self.pj_rank} du fichier)'}")
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `line` is that of the tag in the file, `element` the path from the root."""

    code: str
    source: Source
    level: Level
    line: int
    element: str
    where: Where
    found: str
    expected: str
    message: str
    remedy: str

    def plain(self) -> dict[str, object]:
        """As JSON."""
        where = self.where
        return {
            "code": self.code,
            "source": self.source,
            "level": self.level,
            "line": self.line,
            "element": self.element,
            "where": where.text(),
            "bordereau": where.bordereau,
            "exercice": where.exercice,
            "piece": where.piece,
            "ligne": where.ligne,
            "pj": where.pj,
            "found": self.found,
            "expected": self.expected,
            "message": self.message,
            "remedy": self.remedy,
        }


def clip(value: str) -> str:
    """A value of the flow, short enough to be shown."""
    return value if len(value) <= LONGEST_VALUE else value[: LONGEST_VALUE - 1] + "…"


def merge(schema: list[Finding], controls: list[Finding]) -> list[Finding]:
    """All of them by line; where both speak of one tag, the rule says more than the schema does."""
    told = {(one.line, one.element, one.where.text()) for one in controls}
    kept = [one for one in schema if (one.line, one.element, one.where.text()) not in told]
    return sorted([*kept, *controls], key=lambda one: one.line)
