"""What is told of a flow that was compared with the schemas in force: would the Guichet XML take it?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["checked", "no_schema", "too_much"]
NO_SCHEMA = "Aucun schéma de la DGFiP n'est en vigueur sur la plate-forme : le flux n'a pas été comparé au schéma."
NOT_DESCRIBED = "Les schémas en vigueur ne décrivent pas cette sorte de flux : il n'a pas été comparé au schéma."
TOO_MUCH = "Le flux n'a pas pu être comparé aux schémas : le lire demande trop de mémoire ou de temps."


@dataclass(frozen=True, slots=True)
class SetSaid:
    """What a set in force says. Not `known`: it does not describe this sort of flow."""

    name: str
    known: bool
    faults: int
    more: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """`conforms`: None when no set could say."""

    root: str
    sets: Sequence[SetSaid]
    controls: int
    findings: Sequence[Mapping[str, object]]

    @property
    def followed(self) -> list[str]:
        """The sets that it follows."""
        return [one.name for one in self.sets if one.known and one.faults == 0]

    @property
    def verdict(self) -> Literal["passed", "refused", "not_applicable"]:
        """Would the DGFiP take it? One version that it follows is enough; a control is broken in all of them."""
        if self.findings:
            return "refused"
        return "passed" if self.followed else "not_applicable"

    @property
    def faults(self) -> int:
        """Of the version that it follows best."""
        return min((one.faults for one in self.sets if one.known), default=0)

    def plain(self) -> dict[str, object]:
        """As JSON."""
        return {
            "state": "checked" if any(one.known for one in self.sets) else "no_schema",
            "message": self._message(),
            "root": self.root.rpartition("}")[2],
            "sets": [
                {
                    "name": one.name,
                    "described": one.known,
                    "conforms": one.known and one.faults == 0,
                    "faults": one.faults,
                    "more": one.more,
                }
                for one in self.sets
            ],
            "conforms_to": self.followed,
            "faults": self.faults,
            "controls": self.controls,
            "findings": list(self.findings),
        }

    def _message(self) -> str:
        compared = self._compared()
        if not self.findings:
            return compared
        levels = list(dict.fromkeys(str(one["level"]) for one in self.findings))
        refused = "tout le flux" if "flux" in levels else ", ".join(LOST[level] for level in levels)
        return f"{compared} Le Guichet XML refuserait {refused} : {_count(self.faults + self.controls, 'défaut')}."

    def _compared(self) -> str:
        if self.followed:
            return f"Conforme au schéma {' et '.join(self.followed)}."
        known = [one.name for one in self.sets if one.known]
        if known:
            return f"Non conforme au schéma {' ni au '.join(known)}."
        return NOT_DESCRIBED if self.sets else NO_SCHEMA


LOST = {
    "bordereau": "un bordereau ou plus",
    "PJ": "une pièce jointe ou plus",
    "facture": "les factures",
    "marché": "un marché ou plus",
}
"""What the DGFiP refuses with a fault of each level, below the flow."""


def failed(cause: str, tries: int) -> dict[str, object]:
    """The report on a flow that could not be read in a child."""
    return {"state": "too_much", "message": TOO_MUCH, "cause": cause, "tries": tries, "findings": []}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number > 1 else "")
