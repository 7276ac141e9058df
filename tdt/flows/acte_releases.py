"""Decide about an acte whose sending is in doubt or whose work was set aside or lost: send again, or declare arrived.

Under the lock of its envelope, as a sending is decided; for a PES: flows/helios_moves.
"""

from datetime import timedelta

from tdt.db import acte_releases as db
from tdt.db import actes as actes_db
from tdt.db import attempts as attempts_db
from tdt.db.acte_letters import find_acknowledgement
from tdt.db.audit import insert_change
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.status import ACQUITTEMENT_ENVOYE, STATUS_LABELS, transmitted
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.holds import NO_REASON, is_sending
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Attempt
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

NO_SUCH = "Cette transaction n'existe pas"
NOT_WAITING = "Impossible de décider de l'envoi de actes:{} : il n'attend pas d'être envoyé (état {}, « {} »)."
SENDING = "Impossible de décider de l'envoi de actes:{} : un envoi est en cours, attendez sa fin."
GOES_ON = "Impossible de décider de l'envoi de actes:{} : son traitement se poursuit de lui-même."
SURE = "Impossible de déclarer actes:{} arrivé : aucun de ses envois n'est incertain."


async def resend(deps: Deps, by: Actor, acte_id: ActeId, reason: str) -> str:
    """Take its work up again; what may have arrived is then sent again, the same bytes under the same name."""
    async with deps.acting(by) as connection:
        carried, envelope, attempts = await _take(deps, connection, acte_id, reason)
        work = await db.get_work(connection, envelope.id, [one.id for one in carried])
        if work.running or (work.ready and not work.dead):
            raise Refused(GOES_ON.format(acte_id))
        await db.delete_waiting_work(connection, envelope.id, [one.id for one in carried])
        uncertain = any(one.is_uncertain for one in attempts)
        if uncertain:
            await db.move_release(connection, envelope.id)
        await _go_on(connection, carried, envelope)
        words = f"Traitement repris par l'exploitant : {reason}"[:WORKFLOW_MESSAGE_LENGTH]
        for one in carried:
            await actes_db.insert_note(connection, one, words)
            before = {"set_aside": work.dead}
            after = {"set_aside": False, "resend_of_uncertain": uncertain, "reason": reason}
            await insert_change(connection, by, ("acte:release", one.id, one.authority_id), before, after)
    return words


async def declare_received(deps: Deps, by: Actor, acte_id: ActeId, reason: str) -> str:
    """Say that a sending in doubt arrived, as the ministry told: the acte waits for its AR."""
    async with deps.acting(by) as connection:
        carried, envelope, attempts = await _take(deps, connection, acte_id, reason)
        if not any(one.is_uncertain for one in attempts):
            raise Refused(SURE.format(acte_id))
        proof = f"Dit par l'exploitant : {reason}"
        await attempts_db.move_attempts_to_settled(connection, actes_db.ENVELOPE, envelope.id, proof)
        await db.delete_waiting_work(connection, envelope.id, [one.id for one in carried])
        for one in carried:
            left = S.ACQUITTEMENT_ENVOYE if one.status is S.DOCUMENT_RECU else S.TRANSMIS
            ministry = deps.config.actes.ministry_acronym
            said = ACQUITTEMENT_ENVOYE if left is S.ACQUITTEMENT_ENVOYE else transmitted(ministry)
            words = f"{said} (constaté par l'exploitant : {reason})"[:WORKFLOW_MESSAGE_LENGTH]
            await actes_db.move_status(connection, one, actes_db.Move(one.status, left, words))
            after = {"status": int(left), "reason": reason}
            before = {"status": int(one.status)}
            await insert_change(connection, by, ("acte:declare_received", one.id, one.authority_id), before, after)
    return words


async def _take(
    deps: Deps, connection: Connection, acte_id: ActeId, reason: str
) -> tuple[list[actes_db.Acte], actes_db.Envelope, list[Attempt]]:
    """What the envelope of an acte (or of the AR of a letter) carries, held, and its tries. Raises Refused."""
    if not reason.strip():
        raise Refused(NO_REASON)
    acte = await actes_db.get_transaction(connection, acte_id)
    if acte is None:
        raise Refused(NO_SUCH)
    answer = await find_acknowledgement(connection, acte_id)
    envelope = await actes_db.lock_envelope(connection, answer or acte.envelope_id)
    acte = await actes_db.lock_transaction(connection, acte_id)
    if acte is None or envelope is None:
        raise Refused(NO_SUCH)
    waiting = (S.DOCUMENT_RECU,) if answer is not None else (S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION)
    if acte.status not in waiting:
        raise Refused(NOT_WAITING.format(acte_id, int(acte.status), STATUS_LABELS[acte.status]))
    attempts = await attempts_db.list_attempts(connection, actes_db.ENVELOPE, envelope.id)
    if is_sending(attempts, deps.now(), timedelta(seconds=deps.config.actes.uncertain_seconds)):
        raise Refused(SENDING.format(acte_id))
    carried = [acte] if answer is not None else await actes_db.lock_of_envelope(connection, envelope.id)
    return [one for one in carried if one.status in waiting], envelope, list(attempts)


async def _go_on(connection: Connection, carried: list[actes_db.Acte], envelope: actes_db.Envelope) -> None:
    """The work that its state asks for."""
    posted = [one for one in carried if one.status is S.POSTE]
    for one in posted:
        await insert_job(connection, JobKind.ACTES_ANALYSE, one.authority_id, one.id)
    if not posted:
        kind = JobKind.ACTES_TRANSMIT if envelope.content_id is not None else JobKind.ACTES_PACKAGE
        await insert_job(connection, kind, envelope.authority_id, envelope.id)
