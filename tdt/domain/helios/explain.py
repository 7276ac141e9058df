"""A PES in error, told to whoever must act: a stable code, the cause, who acts, the remedy. And what is waited for.

The workflow keeps S2LOW's words, which clients show as they are. The codes are those of docs/errors.md.
"""

import re
from collections.abc import Mapping

from tdt.domain.explanation import (
    AGENT,
    ARCHIVISTE,
    COLLECTIVITE,
    DGFIP,
    EXPLOITANT,
    PLATE_FORME,
    SAE,
    Expected,
    Explanation,
)
from tdt.domain.helios.explained_refusals import OURS
from tdt.domain.helios.model import HeliosStatus as S

OTHER = "AUTRE"
"""Of words that nobody here wrote: an installation that was taken over may hold any."""

_NUMBERED = re.compile(r"Transaction [0-9]+ : ")
_PATTERNS = [(re.compile(words), Explanation(code, *told)) for code, words, *told in OURS]
_UNKNOWN = Explanation(
    OTHER, "Le message du cycle de vie dit la raison.", EXPLOITANT, "lire la raison, aider la collectivité"
)

EXPECTED: Mapping[S, Expected] = {
    S.EN_ATTENTE_D_ETRE_SIGNE: Expected(COLLECTIVITE, "signer le flux"),
    S.EN_ATTENTE_D_ETRE_TELETRANSMIS: Expected(AGENT, "confirmer la télétransmission"),
    S.POSTE: Expected(PLATE_FORME, "vérifier le flux"),
    S.EN_ATTENTE_DE_TRANSMISSION: Expected(PLATE_FORME, "transmettre à la DGFiP"),
    S.TRANSMIS: Expected(DGFIP, "rendre l'acquit, en général en quelques heures les jours ouvrés"),
    S.EN_ATTENTE_SAE: Expected(ARCHIVISTE, "venir chercher le flux"),
    S.ENVOYE_AU_SAE: Expected(SAE, "accuser réception"),
    S.REFUSE_PAR_LE_SAE: Expected(COLLECTIVITE, "lire la raison du système d'archivage, puis archiver de nouveau"),
    S.ERREUR_ENVOI_SAE: Expected(ARCHIVISTE, "reprendre l'envoi au système d'archivage"),
}


def expected(status: S) -> Expected | None:
    """What is waited for in this status; None when nobody has to do anything."""
    return EXPECTED.get(status)


def explain(message: str) -> Explanation:
    """What the words of a workflow that ended at -1 mean."""
    reason = _NUMBERED.sub("", message, count=1) if _NUMBERED.match(message) else message
    return next((told for words, told in _PATTERNS if words.match(reason)), _UNKNOWN)
