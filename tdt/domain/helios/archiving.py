"""What may become of a flow that was answered: archived by the software that fetches it. Rules and words."""

from collections.abc import Mapping

from tdt.domain.errors import Refused
from tdt.domain.helios.model import HeliosStatus as S
from tdt.domain.helios.status import STATUS_LABELS
from tdt.domain.ids import HeliosId
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

ARCHIVABLE = frozenset(
    {S.ACQUITTEMENT_RECU, S.REFUSE, S.INFORMATION_DISPONIBLE, S.REFUSE_PAR_LE_SAE, S.ERREUR_ENVOI_SAE}
)
"""From where a collectivité may plan the archiving."""

BY_HAND = "Modification manuelle de l'état"
CHANGED = "Le status de la transaction a été modifiée"
NOT_SO = "Impossible de changer le status de la transaction"
NO_SUCH = "Cette transaction n'existe pas"
WAITS = "En attente de l'envoi au SAE"
NOT_ARCHIVABLE = (
    "Impossible d'archiver une transaction qui n'est pas en état "
    "« Information disponible », « acquitté » ou « refusé »."
)
NO_SAE = "La collectivité n'a pas de Pastell configuré"
"""S2LOW's words; here: no account of an archivist, so nobody would fetch the flow."""
NOT_YOURS = "Accès interdit"

CORRECTIONS: Mapping[S, frozenset[S]] = {
    S.EN_ATTENTE_SAE: frozenset({S.ERREUR_ENVOI_SAE, S.ACCEPTE_PAR_LE_SAE}),
    S.ENVOYE_AU_SAE: frozenset({S.ERREUR_ENVOI_SAE, S.ACCEPTE_PAR_LE_SAE}),
    S.ERREUR_ENVOI_SAE: frozenset({S.EN_ATTENTE_SAE, S.ACCEPTE_PAR_LE_SAE}),
}
"""What an administrator or an archivist may say at S2LOW's endpoint."""
BY_ARCHIVISTS: Mapping[S, frozenset[S]] = {S.INFORMATION_DISPONIBLE: frozenset({S.EN_ATTENTE_SAE})}
"""What an archivist may say there besides."""


def may_correct(status: S, target: int, archivist: bool) -> bool:
    """Whether S2LOW's endpoint lets a flow go from one status to another."""
    more = BY_ARCHIVISTS.get(status, frozenset()) if archivist else frozenset[S]()
    return target in CORRECTIONS.get(status, frozenset()) | more


def planned(flow: HeliosId) -> str:
    """A line of the answer."""
    return f"Programmation de l'envoi de la transaction {flow} à Pastell"


def not_planned(flow: HeliosId, reason: str) -> str:
    """A line of the answer."""
    return f"Erreur lors de l'envoi de la transaction {flow} à Pastell: {reason}"


def unknown(flow: HeliosId) -> str:
    """Why an unknown flow, or one of another collectivité, is not archived."""
    return f"La transaction {flow} n'existe pas"


# ---------------------------------------------------------------------------------- what an archivist's software tells

NO_NUMBER = "Numéro de transaction invalide."
URL_LENGTH = 1023

TOLD: Mapping[S, frozenset[S]] = {
    S.ACQUITTEMENT_RECU: frozenset({S.EN_ATTENTE_SAE}),
    S.REFUSE: frozenset({S.EN_ATTENTE_SAE}),
    S.INFORMATION_DISPONIBLE: frozenset({S.EN_ATTENTE_SAE}),
    S.EN_ATTENTE_SAE: frozenset({S.ENVOYE_AU_SAE, S.ACCEPTE_PAR_LE_SAE, S.ERREUR_ENVOI_SAE, S.DOCUMENTS_INDISPONIBLES}),
    S.ENVOYE_AU_SAE: frozenset({S.ACCEPTE_PAR_LE_SAE, S.REFUSE_PAR_LE_SAE, S.ERREUR_ENVOI_SAE}),
    S.REFUSE_PAR_LE_SAE: frozenset({S.EN_ATTENTE_SAE}),
    S.ERREUR_ENVOI_SAE: frozenset({S.EN_ATTENTE_SAE, S.ACCEPTE_PAR_LE_SAE}),
    S.DOCUMENTS_INDISPONIBLES: frozenset({S.EN_ATTENTE_SAE}),
}
"""The steps of the archiving. S2LOW takes them itself, as it pushes flows to Pastell; here the software that fetches
them says what became of each."""


def may_tell(status: S, target: int) -> bool:
    """Whether the archivist's software may say that a flow at `status` is at `target` now."""
    return target in TOLD.get(status, frozenset())


def check_url(url: str) -> None:
    """Raises Refused for an address that is too long."""
    if len(url) > URL_LENGTH:
        raise Refused(f"L'adresse de l'archive a plus de {URL_LENGTH} caractères.")


def told_text(flow: HeliosId, target: S, reason: str) -> str:
    """Words of the workflow, S2LOW's; `reason` is what the archive said."""
    texts = {
        S.ENVOYE_AU_SAE: f"Envoie de la transaction {flow} à Pastell",
        S.ACCEPTE_PAR_LE_SAE: f"La transaction {flow} a été acceptée par le SAE : \n{reason}",
        S.REFUSE_PAR_LE_SAE: f"La transaction {flow} a été refusé par le SAE: \n{reason}",
        S.ERREUR_ENVOI_SAE: f"La transaction {flow} n'a pas pu être envoyée sur Pastell : {reason}",
        S.DOCUMENTS_INDISPONIBLES: f"Documents indisponibles pour la transaction {flow}  : {reason}",
    }
    return texts.get(target, WAITS).rstrip(" \n")[:WORKFLOW_MESSAGE_LENGTH]


def not_told(status: S, target: int) -> str:
    """Why the archivist may not say so."""
    possible = ", ".join(str(int(one)) for one in sorted(TOLD.get(status, frozenset())))
    here = f"Un flux à l'état {int(status)} (« {STATUS_LABELS[status]} »)"
    if not possible:
        return f"{here} n'est pas à archiver."
    return f"{here} ne passe pas à l'état {target} ; états possibles : {possible}."
