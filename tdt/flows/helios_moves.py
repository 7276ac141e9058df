"""What is done to a flow by hand, by an operator or a super-administrator; each move leaves its trace and its reason.

Under the lock of the flow, as a sending is decided: a worker and an operator never decide at once.
"""

from collections.abc import Mapping
from datetime import timedelta

from tdt.db import attempts as attempts_db
from tdt.db import helios as db
from tdt.db import helios_moves as moves_db
from tdt.db.audit import insert_change
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authorities import Role
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.helios import moves as rules
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import after_transmission
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind

NO_SUCH = "Cette transaction n'existe pas"
NO_REASON = "La raison est obligatoire : elle reste dans la trace."


async def resend(deps: Deps, by: Actor, flow_id: HeliosId, reason: str) -> str:
    """Send a transmitted flow again: the same bytes under the same name. Raises Refused once there is an acquit."""
    _reason(reason)
    async with deps.acting(by) as connection:
        flow, past = await _take(deps, connection, by, flow_id)
        _check("renvoyer", flow_id, rules.resend_obstacle(past), "PES_RENVOI_REFUSE")
        words = rules.sent_again(flow_id, reason)
        await _move(connection, flow, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, words)
        await moves_db.delete_waiting_work(connection, flow_id)
        await _decide(connection, flow_id, past)
        await insert_job(connection, JobKind.HELIOS_TRANSMIT, flow.authority_id, flow_id)
        after = {"status": int(HeliosStatus.EN_ATTENTE_DE_TRANSMISSION)}
        await _trace(connection, by, ("helios:resend", flow), after, reason)
    return words


async def set_error(deps: Deps, by: Actor, flow_id: HeliosId, text: str) -> str:
    """Turn a flow to -1, nothing being under way for it; an acquit that comes later still counts."""
    async with deps.acting(by) as connection:
        flow, past = await _take(deps, connection, by, flow_id)
        _check("passer en erreur", flow_id, rules.error_obstacle(past), "PES_MOUVEMENT_REFUSE")
        words = rules.manual_error(text.strip())
        await _move(connection, flow, HeliosStatus.ERREUR, words)
        await moves_db.delete_waiting_work(connection, flow_id)
        await _trace(connection, by, ("helios:set_error", flow), {"status": int(HeliosStatus.ERREUR)}, text.strip())
    return words


async def repost(deps: Deps, by: Actor, flow_id: HeliosId, reason: str = "", force: bool = False) -> str:
    """Post a flow in error again: its checks are made anew.

    What was read in it is forgotten and its couple is free, unless the DGFiP may have it (`force`): then its acquit
    must still find it. The name under which it left, if it did, stays: the bytes are the same.
    """
    async with deps.acting(by) as connection:
        flow, past = await _take(deps, connection, by, flow_id)
        _check("poster de nouveau", flow_id, rules.repost_obstacle(past, force), "PES_PEUT_ETRE_ENVOYE")
        words = rules.posted_again(flow_id)
        await _move(connection, flow, HeliosStatus.POSTE, words)
        after: dict[str, object] = {"status": int(HeliosStatus.POSTE), "forced": past.may_be_there}
        if not past.may_be_there:
            await moves_db.forget_header(connection, flow)
            after |= dict.fromkeys(_couple(flow))
        await moves_db.delete_waiting_work(connection, flow_id)
        await _decide(connection, flow_id, past)
        await insert_job(connection, JobKind.HELIOS_ANALYSE, flow.authority_id, flow_id)
        await _trace(connection, by, ("helios:repost", flow), after, reason)
    return words


async def release(deps: Deps, by: Actor, flow_id: HeliosId, reason: str) -> str:
    """Take up the work on a flow that was set aside. What may have arrived (`ENVOI_INCERTAIN`) is then sent again."""
    _reason(reason)
    async with deps.acting(by) as connection:
        flow, past = await _take(deps, connection, by, flow_id)
        _check("reprendre", flow_id, rules.release_obstacle(past), "PES_MOUVEMENT_REFUSE")
        await moves_db.delete_waiting_work(connection, flow_id)
        analysed = flow.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION
        kind = JobKind.HELIOS_TRANSMIT if analysed else JobKind.HELIOS_ANALYSE
        await insert_job(connection, kind, flow.authority_id, flow_id)
        uncertain = await _decide(connection, flow_id, past)
        words = rules.released(flow_id, reason)
        await db.insert_note(connection, flow, words)
        await _trace(connection, by, ("helios:release", flow), {"resend_of_uncertain": uncertain}, reason)
    return words


async def declare_received(deps: Deps, by: Actor, flow_id: HeliosId, reason: str) -> str:
    """Say that an uncertain sending arrived, as the DGFiP or the trésorerie told: the flow waits for its acquit."""
    _reason(reason)
    async with deps.acting(by) as connection:
        flow, past = await _take(deps, connection, by, flow_id)
        _check("déclarer transmise", flow_id, rules.received_obstacle(past), "PES_MOUVEMENT_REFUSE")
        await attempts_db.move_attempts_to_settled(connection, db.OBJECT, flow_id, f"Dit par l'exploitant : {reason}")
        target, words = after_transmission(flow.root), rules.declared_received(flow_id, reason)
        await _move(connection, flow, target, words)
        await moves_db.delete_waiting_work(connection, flow_id)
        await _trace(connection, by, ("helios:declare_received", flow), {"status": int(target)}, reason)
    return words


async def _decide(connection: Connection, flow_id: HeliosId, past: rules.Past) -> bool:
    """What may have arrived by the tries made so far is sent again: the operator has said so. Whether there is any."""
    uncertain = any(one.is_uncertain for one in past.attempts)
    if uncertain:
        await moves_db.move_release(connection, flow_id)
    return uncertain


def _reason(reason: str) -> None:
    if not reason.strip():
        raise Refused(NO_REASON)


async def _take(
    deps: Deps, connection: Connection, by: Actor, flow_id: HeliosId
) -> tuple[db.HeliosTransaction, rules.Past]:
    """The flow, held, and all that a decision on it looks at."""
    if by.who is not None and by.who.user.role is not Role.SADM:
        raise Forbidden("Accès refusé")
    flow = await db.lock_transaction(connection, flow_id)
    if flow is None:
        raise Refused(NO_SUCH)
    work = await moves_db.get_work(connection, flow_id)
    past = rules.Past(
        status=flow.status,
        attempts=await attempts_db.list_attempts(connection, db.OBJECT, flow_id),
        acquitted=flow.acquit_content_id is not None,
        at_work=work.running,
        set_aside=work.dead or not (work.ready or work.running),
        confirmed=await moves_db.had_status(connection, flow_id, HeliosStatus.POSTE),
        now=deps.now(),
        window=timedelta(seconds=deps.config.helios.uncertain_seconds),
    )
    return flow, past


def _check(what: str, flow_id: HeliosId, obstacle: str, code: str) -> None:
    if obstacle:
        raise Refused(f"Impossible de {what} la transaction {flow_id} : {obstacle}.", code=code)


async def _move(connection: Connection, flow: db.HeliosTransaction, target: HeliosStatus, words: str) -> None:
    await db.move_status(connection, flow, db.Move(flow.status, target, words))


def _couple(flow: db.HeliosTransaction) -> dict[str, object]:
    return {
        "nomfic": flow.xml_nomfic,
        "cod_col": flow.xml_cod_col,
        "cod_bud": flow.xml_cod_bud,
        "id_post": flow.xml_id_post,
    }


async def _trace(
    connection: Connection, by: Actor, what: tuple[str, db.HeliosTransaction], after: Mapping[str, object], reason: str
) -> None:
    """The audit: what changed, from what, and why."""
    tag, flow = what
    known = {"status": int(flow.status), **_couple(flow)}
    before = {name: known[name] for name in after if name in known}
    await insert_change(connection, by, (tag, flow.id, flow.authority_id), before, {**after, "reason": reason})
