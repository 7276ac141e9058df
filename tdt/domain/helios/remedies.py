"""Who acts on what the DGFiP refuses, and the shape of an explanation."""

from dataclasses import dataclass

from tdt.domain.explanation import EXPLOITANT

EDITEUR = "l'éditeur du logiciel"
AGENT = "un agent de la collectivité"
ORDONNATEUR = "l'ordonnateur"
COMPTABLE = "le comptable"

WHO = (EDITEUR, AGENT, ORDONNATEUR, COMPTABLE, EXPLOITANT)


@dataclass(frozen=True, slots=True)
class Remedy:
    """A refusal in words that an agent understands; a code that nobody here knows has none."""

    cause: str
    who: str
    remedy: str

    def plain(self) -> dict[str, object]:
        """As JSON says it."""
        return {"cause": self.cause, "who": self.who, "remedy": self.remedy}
