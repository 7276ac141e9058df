"""May an act in error be sent again under its number? Only when the préfecture surely did not register it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.reading import child, parse_received, text_of
from tdt.domain.actes.status import is_stale_classification
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId
from tdt.domain.routes import Attempt, Outcome
from tdt.domain.xml import XmlError, local_name

ALREADY_SENT = "1"
"""Nature of the anomaly of an act that the ministry already has, without its zeros."""

NOT_AN_ACT = "Seul un acte en erreur peut être renvoyé : cette transaction est à l'état {}."
RESENT = "Cet acte a déjà été renvoyé : c'est la transaction {}."
REGISTERED = "La préfecture a déjà cet acte : un renvoi ferait double emploi."
NOT_PROVEN = (
    "Rien ne prouve que la préfecture n'a pas enregistré cet acte : seul un acte qu'elle a refusé, ou qui n'est jamais "
    "parti, peut être renvoyé sous son numéro."
)
SAME_CLASSIFICATION = (
    "L'acte a été refusé pour sa classification, et celle en vigueur ({:%d/%m/%Y}) n'est pas plus récente : la "
    "nouvelle est attendue de la préfecture. Recommencez quand elle sera reçue."
)
NO_CLASSIFICATION = "La collectivité n'a pas de classification : demandez-la, puis recommencez."


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the ministry answered: a message 1-3 about this act, or an anomaly of its envelope."""

    of_envelope: bool
    nature: str
    detail: str


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of an act in error: the answer of the ministry, its tries, an AR that came all the same."""

    type: int
    status: ActeStatus
    classification_date: date | None
    resent_as: ActeId | None
    refusal: Refusal | None
    attempts: Sequence[Attempt]
    late_ar: bool


def read_refusal(xml: bytes) -> Refusal | None:
    """What the bytes that put an act in error say; None when they are no refusal of the ministry."""
    try:
        root = parse_received(xml)
    except XmlError:
        return None
    name = local_name(str(root.tag))
    if name not in ("AnomalieActe", "AnomalieEnveloppe"):
        return None
    return Refusal(name == "AnomalieEnveloppe", text_of(child(root, "Nature")), text_of(child(root, "Detail")))


def check_resend(past: Past, held: date | None) -> date:
    """The date of the classification with which the act leaves again. Raises Refused."""
    if past.type != MessageCode.ACTE or past.status is not ActeStatus.ERREUR:
        raise Refused(NOT_AN_ACT.format(int(past.status)), code="RENVOI_IMPOSSIBLE")
    if past.resent_as is not None:
        raise Refused(RESENT.format(past.resent_as), code="RENVOI_FAIT")
    if past.late_ar or _is_duplicate(past.refusal):
        raise Refused(REGISTERED, code="RENVOI_IMPOSSIBLE")
    if not _surely_not_registered(past):
        raise Refused(NOT_PROVEN, code="RENVOI_IMPOSSIBLE")
    if held is None:
        raise Refused(NO_CLASSIFICATION, code="CLASSIFICATION_ATTENDUE")
    if _is_stale(past.refusal) and past.classification_date is not None and held <= past.classification_date:
        raise Refused(SAME_CLASSIFICATION.format(held), code="CLASSIFICATION_ATTENDUE")
    return held


def _is_duplicate(refusal: Refusal | None) -> bool:
    return refusal is not None and not refusal.of_envelope and refusal.nature.strip().lstrip("0") == ALREADY_SENT


def _is_stale(refusal: Refusal | None) -> bool:
    return refusal is not None and not refusal.of_envelope and is_stale_classification(refusal.nature, refusal.detail)


def _surely_not_registered(past: Past) -> bool:
    """Refused, or never sent."""
    if past.refusal is None:
        return all(attempt.outcome is Outcome.FAILED and not attempt.reached for attempt in past.attempts)
    return proves_absence(past.refusal, past.attempts)


def proves_absence(refusal: Refusal | None, attempts: Sequence[Attempt]) -> bool:
    """Whether the ministry surely does not have what it refused so: not when it says that it has it already, nor of an
    envelope that left twice, which may be refused for the second time alone."""
    if refusal is None:
        return True
    if _is_duplicate(refusal):
        return False
    return not refusal.of_envelope or not any(attempt.was_uncertain for attempt in attempts[:-1])
