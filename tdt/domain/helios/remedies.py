"""Who acts on what the DGFiP refuses, and the shape of an explanation."""

from dataclasses import dataclass

EDITEUR = "l'éditeur du logiciel"
AGENT = "un agent de la collectivité"
ORDONNATEUR = "l'ordonnateur"
COMPTABLE = "le comptable"
EXPLOITANT = "l'exploitant de la plate-forme"

WHO = (EDITEUR, AGENT, ORDONNATEUR, COMPTABLE, EXPLOITANT)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A refusal in words that an agent understands; a code that nobody here knows has none."""

    cause: str
    who: str
    remedy: str

    def plain(self) -> dict[str, object]:
        """As JSON says it."""
        return {"cause": self.cause, "who": self.who, "remedy": self.remedy}
