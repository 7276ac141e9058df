"""What people may decide about an act: close it, send it to the archive, give it up, send it again. Rules and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.domain.actes.deadlines import CONTROL_MONTHS, add_months
from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.status import STATUS_LABELS, may_move
from tdt.domain.calendar import PARIS
from tdt.domain.routes import Attempt, Outcome
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

CLOSE: Mapping[str, S] = {"valid": S.VALIDE, "invalid": S.REFUSE, "sae": S.EN_ATTENTE_SAE}
"""What the parameter `status` of a closing asks for."""

CLOSABLE = frozenset(
    {S.ACQUITTEMENT_RECU, S.VALIDE, S.ERREUR_ARCHIVAGE, S.ERREUR_ENVOI_SAE, S.EN_ATTENTE_D_ETRE_SIGNEE}
)
ENDED = frozenset({S.VALIDE, S.REFUSE})

WRONG_STATE = "État incorrect."
UNKNOWN = "Erreur d'initialisation de la transaction."
WRONG_TYPE = "Ce type de transaction ne peut pas être cloturé."
FORBIDDEN = "Accès refusé."
NO_SAE = "La collectivité n'a pas de Pastell configuré"
"""S2LOW's words; here: no account of an archivist, so nobody would fetch the act."""
NOT_YOURS = "Accès interdit"
EN_ATTENTE_DE_L_ENVOI = "En attente de l'envoi au SAE"


def may_end(acknowledged_at: datetime | None, now: datetime, always: bool) -> bool:
    """Whether the two months of the préfet are over, counted as S2LOW does, from the act's passage to 4."""
    if always:
        return True
    if acknowledged_at is None:
        return False
    local = acknowledged_at.astimezone(PARIS)
    return datetime.combine(add_months(local.date(), CONTROL_MONTHS), local.time(), PARIS) < now


def closing_obstacle(acte: int, status: S, target: S, ended: bool) -> str:
    """Why this act is passed over, as a line of the answer; empty when it may be closed. `ended`: may_end."""
    if status not in CLOSABLE:
        return f"Cette transaction {acte} ne peut pas encore être clôturée (statut {int(status)})\n"
    if status is S.EN_ATTENTE_D_ETRE_SIGNEE:
        if target is not S.REFUSE:
            return f"La transaction {acte} en attente de signature peut seulement être rejeté\n"
        return ""
    if target in ENDED and not ended:
        return f"Cette transaction {acte} ne peut pas encore être clôturée\n"
    if target in ENDED and status in ENDED:
        return f"La transaction {acte} est déjà terminée et ne peut l'être de nouveau directement\n"
    return ""


def closed_by(name: str) -> str:
    """Words of the workflow."""
    return f"Fermeture par l'utilisateur {name}"[:WORKFLOW_MESSAGE_LENGTH]


def closed(acte: int, target: S) -> str:
    """A line of the answer."""
    return f"Passage de la transaction n°{acte} à l'état « {STATUS_LABELS[target]} ». Résultat ok.\n"


def planned(acte: int) -> str:
    """A line of the answer."""
    return f"Programmation de l'envoi de la transaction {acte} à Pastell\n"


def not_planned(acte: int, reason: str) -> str:
    """A line of the answer, without its end of line, as S2LOW writes it."""
    return f"Erreur lors de l'envoi de la transaction {acte} à Pastell : {reason}"


# ---------------------------------------------------------------------------------------------- archiving

SAE_TARGETS = frozenset(
    {S.ENVOYE_AU_SAE, S.ARCHIVE_PAR_LE_SAE, S.ERREUR_ARCHIVAGE, S.EN_ATTENTE_SAE, S.ERREUR_ENVOI_SAE}
)
SAE_SOURCES = frozenset({S.ACQUITTEMENT_RECU, S.VALIDE, *SAE_TARGETS}) - {S.ARCHIVE_PAR_LE_SAE}
"""S2LOW's are 4, 5 and 12. From 19, 14 and 20 it is S2LOW itself that moves on, as it pushes acts to Pastell; here
the archivist's software fetches them, and says so."""

SAE_BY_API = "Modification par l'API manage_actes_sae_status"
SAE_BY_HAND = "Modification manuelle de l'état"

SAE_MANUAL: Mapping[S, frozenset[S]] = {
    S.EN_ATTENTE_SAE: frozenset({S.ERREUR_ENVOI_SAE, S.ARCHIVE_PAR_LE_SAE}),
    S.ERREUR_ENVOI_SAE: frozenset({S.EN_ATTENTE_SAE, S.ARCHIVE_PAR_LE_SAE}),
    S.ENVOYE_AU_SAE: frozenset({S.EN_ATTENTE_SAE, S.ARCHIVE_PAR_LE_SAE, S.ERREUR_ENVOI_SAE}),
    S.ERREUR_ARCHIVAGE: frozenset({S.EN_ATTENTE_SAE, S.ARCHIVE_PAR_LE_SAE, S.ENVOYE_AU_SAE}),
}
"""What a super-administrator may do by hand."""


def sae_obstacle(status: S, target: int) -> str:
    """Why the archivist may not move an act so; empty when it may."""
    if status not in SAE_SOURCES:
        return f"Transition depuis le statut {int(status)} impossible"
    if target not in SAE_TARGETS:
        return f"Transition vers le statut {target} impossible"
    if target == status:
        return f"Transition entre deux status identiques ({target}) impossible"
    if not may_move(status, S(target)):
        return f"Transition vers le statut {target} impossible"
    return ""


# ---------------------------------------------------------------------------------------------- by hand

GIVE_UP = frozenset(
    {S.EN_ATTENTE_D_ETRE_POSTEE, S.EN_ATTENTE_D_ETRE_SIGNEE, S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION, S.TRANSMIS}
)
"""From where a super-administrator may turn a transaction to -1: later there is an answer of the State, which stays."""

BEFORE_SENDING = frozenset({S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION})


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of the sending of a transaction in error: whether its archive was made, whether it was accepted for
    sending (status 2), the tries, and whether the ministry itself refused it, so that it surely does not have it."""

    archived: bool
    accepted: bool
    attempts: Sequence[Attempt]
    refused_by_ministry: bool


def again_obstacle(status: S, target: S, past: Past) -> str:
    """Why a transaction may not be put in line again; empty when it may.

    Only what surely is not with the ministry: never sent, every try surely failed, or refused by the ministry itself.
    """
    if target not in BEFORE_SENDING:
        return f"l'état {int(target)} n'est ni « Posté » (1) ni « En attente de transmission » (2)"
    if status is not S.ERREUR:
        return f"elle n'est pas en erreur (statut {int(status)})"
    if not past.refused_by_ministry and any(one.outcome is not Outcome.FAILED for one in past.attempts):
        return "elle est peut-être arrivée au ministère : la renvoyer pourrait l'y mettre deux fois"
    ready = past.archived and past.accepted
    if target is S.EN_ATTENTE_DE_TRANSMISSION and not ready:
        return "son archive n'a pas été acceptée : remettez-la à l'état « Posté » (1)"
    if target is S.POSTE and past.archived:
        return (
            "son archive existe déjà : remettez-la « En attente de transmission » (2)"
            if ready
            else "son archive a été refusée et ne se refait pas : déposez-la de nouveau"
        )
    return ""


def put_again(acte: int, target: S) -> str:
    """Words of the workflow and of the answer."""
    state = "en posté" if target is S.POSTE else "en attente de transmission"
    return f"La transaction {acte} a été passée manuellement {state}"
