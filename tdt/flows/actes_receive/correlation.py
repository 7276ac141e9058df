"""Which of our transactions an answer may be for: those that were sent. A mail alone never proves a sending."""

from tdt.db import actes as db
from tdt.db import attempts as attempts_db
from tdt.db.acte_closing import get_last_step
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes import status as texts
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source

SHARED = "Plusieurs collectivités de ce SIREN ont un envoi de ce nom."


async def waiting(connection: Connection, actes: list[db.Acte]) -> list[db.Acte]:
    """Those that an answer may be for: sent, or with a sending on record. A mail alone never proves a sending."""
    return [acte for acte in actes if await _waits(connection, acte)]


async def _waits(connection: Connection, acte: db.Acte) -> bool:
    """One that was given up here, by hand or after thirty days of silence, waits still: its answer must not be lost."""
    if acte.status is ActeStatus.TRANSMIS:
        return True
    if acte.status is ActeStatus.ERREUR:
        step = await get_last_step(connection, acte.id)
        if step is None or step.answered or not texts.is_given_up(step.message):
            return False
    elif acte.status is not ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
        return False
    return bool(await attempts_db.list_attempts(connection, db.ENVELOPE, acte.envelope_id))


async def settle(deps: Deps, connection: Connection, acte: db.Acte, proof: str) -> db.Acte:
    """An answer proves the sending: settle uncertain attempts, and record the sending if the answer outran it.

    An archive arrives whole: what travels with the act has left too. One that was given up is on its way again.
    """
    await attempts_db.move_attempts_to_settled(connection, db.ENVELOPE, acte.envelope_id, proof)
    if acte.status is ActeStatus.ERREUR:
        await _take_up(connection, acte)
        return await _again(connection, acte)
    if acte.status is not ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
        return acte
    text = texts.transmitted(deps.config.actes.ministry_acronym)
    for one in await db.list_of_envelope(connection, acte.envelope_id):
        if one.status is ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
            await db.move_status(connection, one, db.Move(one.status, ActeStatus.TRANSMIS, text))
    return await _again(connection, acte)


async def _take_up(connection: Connection, acte: db.Acte) -> None:
    """-1 → 3: an answer has come after all."""
    move = db.Move(acte.status, ActeStatus.TRANSMIS, texts.REPONSE_TARDIVE)
    await db.move_status(connection, acte, move)
    what = ("acte:late_answer", acte.id, acte.authority_id)
    change = {"status": int(move.source)}, {"status": int(move.target)}
    await insert_change(connection, Actor(Source.SYSTEM, None), what, *change)


async def _again(connection: Connection, acte: db.Acte) -> db.Acte:
    fresh = await db.get_transaction(connection, acte.id)
    assert fresh is not None
    return fresh


NOT_PROVEN = (
    ActeStatus.POSTE,
    ActeStatus.EN_ATTENTE_DE_TRANSMISSION,
    ActeStatus.EN_ATTENTE_D_ETRE_POSTEE,
    ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE,
    ActeStatus.ERREUR,
    ActeStatus.ANNULE,
)
"""The statuses that do not tell by themselves that an act has left."""


async def was_sent(connection: Connection, acte: db.Acte) -> bool:
    """Whether an act has left, or may have: only then can the préfecture write about it."""
    if acte.status not in NOT_PROVEN:
        return True
    return bool(await attempts_db.list_attempts(connection, db.ENVELOPE, acte.envelope_id))
