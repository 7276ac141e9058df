"""What an acte or a PES in error tells to whoever must act, and what one that goes on waits for: what both share."""

from dataclasses import dataclass

COLLECTIVITE = "la collectivité"
EXPLOITANT = "l'exploitant de la plate-forme"
PREFECTURE = "la préfecture"
DGFIP = "la DGFiP"
PLATE_FORME = "la plate-forme"
AGENT = "un agent télétransmetteur"
ARCHIVISTE = "le logiciel de l'archiviste"
SAE = "le système d'archivage"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a transaction is in error, as an agent may read it: a stable code (docs/errors.md), cause, who, remedy."""

    code: str
    cause: str
    who: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a transaction waits for, and from whom."""

    who: str
    what: str
