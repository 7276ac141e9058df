"""1-2, 1-3 and the anomalies of envelope: what becomes of what was sent."""

from tdt.db import actes as db
from tdt.db import attempts as attempts_db
from tdt.db.acte_resends import find_answered_before
from tdt.db.content import insert_small
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.naming import read_envelope_name
from tdt.domain.ids import ActeId
from tdt.flows.actes_receive.classification import watch_classification
from tdt.flows.actes_receive.correlation import SHARED, settle, waiting
from tdt.flows.actes_receive.letters import digest

BEFORE_SENDING = (
    ActeStatus.POSTE,
    ActeStatus.EN_ATTENTE_DE_TRANSMISSION,
    ActeStatus.EN_ATTENTE_D_ETRE_POSTEE,
    ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE,
)
"""An answer to an act that was never sent is not ours, or is a forgery: anybody can write to a mailbox."""

DUPLICATE_ACTE = "001"
"""Nature of the anomaly that the ministry gives to an act it already has."""


async def acknowledge(deps: Deps, connection: Connection, answer: r.ArActe) -> Handling:
    actes = await db.list_by_unique_id(connection, answer.unique_id)
    if len({acte.authority_id for acte in actes}) > 1:
        return Handling("set_aside", "1-2", SHARED)
    sent = await waiting(connection, actes)
    if not sent:
        return _late_ar(answer, actes)
    acte = await settle(deps, connection, sent[0], "AR reçu")
    flux = await insert_small(connection, acte.authority_id, answer.xml)
    text = texts.acknowledged(deps.config.actes.ministry_acronym, answer.date_reception)
    move = db.Move(ActeStatus.TRANSMIS, ActeStatus.ACQUITTEMENT_RECU, text, flux, answer.date_reception)
    await db.move_status(connection, acte, move)
    await watch_classification(deps, connection, acte, answer.classification_date)
    return Handling("handled", "1-2", answer.unique_id, acte.authority_id)


def _late_ar(answer: r.ArActe, actes: list[db.Acte]) -> Handling:
    """An AR that no act waits for: repeated, it changes nothing; otherwise somebody must know of it."""
    if not actes:
        return Handling("set_aside", "1-2", f"Aucun acte {answer.unique_id}.")
    acte = actes[0]
    if acte.status is ActeStatus.ERREUR or acte.status in BEFORE_SENDING:
        detail = f"AR pour l'acte {acte.id}, qui est à l'état {int(acte.status)}."
        return Handling("set_aside", "1-2", detail, acte.authority_id)
    return Handling("ignored", "1-2", "AR déjà reçu.", acte.authority_id)


async def refuse_acte(deps: Deps, connection: Connection, answer: r.AnomalieActe) -> Handling:
    actes = await _find_refused(connection, answer)
    if len({acte.authority_id for acte in actes}) > 1:
        return Handling("set_aside", "1-3", SHARED)
    sent = await waiting(connection, actes)
    if not sent:
        return await _late_anomaly(connection, answer, actes)
    acte = sent[0]
    before = await find_answered_before(connection, acte, digest(answer.xml))
    if before is not None:
        return Handling("ignored", "1-3", f"Anomalie déjà reçue, pour la transaction {before}.", acte.authority_id)
    if await _is_of_resend(connection, answer, acte):
        # the identical resend of an uncertain sending: the ministry has the act since the first one, its AR will say so
        await settle(deps, connection, acte, "Anomalie 001 : déjà transmis")
        return Handling(
            "handled", "1-3", "Doublon d'un renvoi identique : l'envoi précédent était arrivé.", acte.authority_id
        )
    acte = await settle(deps, connection, acte, "Anomalie reçue")
    flux = await insert_small(connection, acte.authority_id, answer.xml)
    text = texts.acte_anomaly(deps.config.actes.ministry_acronym, answer.nature, answer.detail)
    if texts.is_stale_classification(answer.nature, answer.detail):
        text += texts.stale_classification(acte.classification_date, answer.classification_date)
    await db.move_status(connection, acte, db.Move(ActeStatus.TRANSMIS, ActeStatus.ERREUR, text, flux))
    await watch_classification(deps, connection, acte, answer.classification_date)
    return Handling("handled", "1-3", f"{answer.nature} {answer.detail}", acte.authority_id)


async def _is_of_resend(connection: Connection, answer: r.AnomalieActe, acte: db.Acte) -> bool:
    """Whether this is what the ministry says to an identical resend: an act that it has, and a try in doubt before
    the last one. A try that surely failed proves nothing: the number is then really taken."""
    attempts = await attempts_db.list_attempts(connection, db.ENVELOPE, acte.envelope_id)
    return answer.nature == DUPLICATE_ACTE and any(one.was_uncertain for one in attempts[:-1])


async def _late_anomaly(connection: Connection, answer: r.AnomalieActe, actes: list[db.Acte]) -> Handling:
    """S2LOW's error box, but for what follows from the crash rule, or repeats what is known."""
    detail = f"{answer.nature} {answer.detail}"
    if not actes:
        return Handling("set_aside", "1-3", detail)
    expected = actes[0].status is ActeStatus.ERREUR or await _is_of_resend(connection, answer, actes[0])
    return Handling("ignored" if expected else "set_aside", "1-3", detail, actes[0].authority_id)


async def _find_refused(connection: Connection, answer: r.AnomalieActe) -> list[db.Acte]:
    """An anomaly carries no IDActe: the collectivité, the number and the date of the act that it echoes tell it."""
    if answer.siren is None:
        return []
    actes = await db.list_by_number(connection, answer.siren, answer.number)
    return [acte for acte in actes if answer.acte.decision_date in (None, acte.decision_date)]


async def refuse_envelope(deps: Deps, connection: Connection, answer: r.AnomalieEnveloppe) -> Handling:
    name = read_envelope_name(answer.envelope_name)
    found = await db.list_envelopes_by_name(connection, answer.envelope_name, name.siren) if name is not None else []
    if not found:
        return Handling("set_aside", "ANO", f"Aucune enveloppe {answer.envelope_name}.")
    if len({one.authority_id for one in found}) > 1:
        return Handling("set_aside", "ANO", SHARED)
    sent, refused = found[0], 0
    detail = f"{answer.nature} {answer.detail}"
    if sent.acknowledges_id is not None:
        return await _refuse_acknowledgement(connection, sent.acknowledges_id, detail)
    for acte in await waiting(connection, await db.list_of_envelope(connection, found[0].id)):
        settled = await settle(deps, connection, acte, "Anomalie d'enveloppe reçue")
        flux = await insert_small(connection, acte.authority_id, answer.xml)
        text = texts.envelope_anomaly(deps.config.actes.ministry_acronym, answer.nature, answer.detail)
        await db.move_status(connection, settled, db.Move(ActeStatus.TRANSMIS, ActeStatus.ERREUR, text, flux))
        refused += 1
    # S2LOW's error box: an envelope whose answer has come already, or that was never sent
    return Handling("handled" if refused else "set_aside", "ANO", detail, sent.authority_id)


async def _refuse_acknowledgement(connection: Connection, letter_id: ActeId, detail: str) -> Handling:
    """The AR that was sent for the collectivité is refused: it can do nothing about it, an operator must."""
    letter = await db.lock_transaction(connection, letter_id)
    assert letter is not None
    await db.insert_note(connection, letter, f"L'accusé de réception de ce courrier a été refusé ({detail})")
    return Handling("set_aside", "ANO", f"AR du courrier {letter_id} : {detail}", letter.authority_id)
