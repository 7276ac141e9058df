"""An acquittement: find the one flow that it answers, and move it on."""

from collections.abc import Sequence
from dataclasses import dataclass

from tdt.db import attempts as attempts_db
from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.helios_receptions import find_answered
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.domain.helios import box
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import DgfipReturn, HeliosStatus
from tdt.domain.helios.returns import Candidate, acquit_matches
from tdt.domain.ids import HeliosId
from tdt.flows.helios_receive.verdicts import keep_verdict

ANSWERED = (HeliosStatus.ACQUITTEMENT_RECU, HeliosStatus.REFUSE, HeliosStatus.INFORMATION_DISPONIBLE)
SENDING = (HeliosStatus.POSTE, HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, HeliosStatus.TRANSMIS)
"""At 1: posted again by force after it had left."""


@dataclass(frozen=True, slots=True)
class Acquit:
    """An acquittement that came: its reception, and what it says as far as its flow is to be found."""

    received: Received
    answer: DgfipReturn


async def acknowledge(connection: Connection, acquit: Acquit) -> Handling:
    """Apply an acquittement; what cannot be given to one flow of one collectivité goes to the operator."""
    received, answer = acquit.received, acquit.answer
    flows = await _list_flows(connection, acquit)
    # first: an acquit without CodCol that comes twice must not go to another flow of the same NomFic
    twin = await find_answered(connection, [flow.id for flow in flows], received.content_id, received.id)
    if twin is not None:
        return _say_same(acquit, next(flow for flow in flows if flow.id == twin), flows)
    if received.assigned_helios_id is not None and flows:
        return await _answer(connection, acquit, flows[0])
    match = acquit_matches(answer, [_candidate(flow) for flow in flows])
    if match is None:
        reason = box.several_owners(answer) if flows else box.no_flow(answer)
        return Handling("set_aside", answer.kind, reason.detail, code=reason.code)
    return await _answer(connection, acquit, next(flow for flow in flows if flow.id == match.id))


def _say_same(acquit: Acquit, answered: db.HeliosTransaction, flows: Sequence[db.HeliosTransaction]) -> Handling:
    """The acquit of this flow once more; unless a flow of the same couple, which a waiver allows, waits for its own."""
    kind, owner = acquit.answer.kind, answered.authority_id
    for flow in flows:
        if flow.status is HeliosStatus.TRANSMIS and flow.xml_cod_col == answered.xml_cod_col:
            reason = box.same_acquit(answered.id, flow.id)
            if flow.authority_id != owner:
                return Handling("set_aside", kind, reason.detail, code=reason.code)
            return Handling("set_aside", kind, reason.detail, owner, reason.code, flow.id)
    return Handling("ignored", kind, "Acquittement déjà reçu.", owner, helios_id=answered.id)


async def _list_flows(connection: Connection, acquit: Acquit) -> list[db.HeliosTransaction]:
    """What it may answer, held until the end: the flow that an operator said, or those that left under its NomFic."""
    if (given := acquit.received.assigned_helios_id) is not None:
        flow = await db.lock_transaction(connection, given)
        return [flow] if flow is not None else []
    if not acquit.answer.nomfic:
        return []
    return list(await db.lock_sent(connection, acquit.answer.nomfic, acquit.answer.cod_col))


async def _answer(connection: Connection, acquit: Acquit, flow: db.HeliosTransaction) -> Handling:
    """Give the flow its acquittement, or keep this one beside the one that it has."""
    received, answer = acquit.received, acquit.answer
    target = texts.after_acquit(answer)
    if flow.status in SENDING or texts.may_move(flow.status, target):
        await _move_to_answered(connection, flow, target)
    elif received.assigned_helios_id is not None and flow.status in ANSWERED:
        await db.insert_note(connection, flow, box.kept_acquit_note(flow.id, received.name))
    else:
        return await _keep_beside(connection, acquit, flow)
    await db.move_acquit(connection, flow.id, received.content_id, received.name)
    await keep_verdict(connection, received, answer, flow.id, flow.authority_id)
    return Handling("handled", answer.kind, answer.nomfic or "", flow.authority_id, helios_id=flow.id)


async def _keep_beside(connection: Connection, acquit: Acquit, flow: db.HeliosTransaction) -> Handling:
    """A second acquittement: the first stays the one that clients read; the operator says if it is to be this one."""
    received = acquit.received
    if received.helios_id != flow.id:  # read again, its history says it already
        await db.insert_note(connection, flow, box.other_acquit_note(flow.id, received.name))
    reason = box.other_acquit(flow.id, flow.status)
    return Handling("set_aside", acquit.answer.kind, reason.detail, flow.authority_id, reason.code, flow.id)


async def _move_to_answered(connection: Connection, flow: db.HeliosTransaction, target: HeliosStatus) -> None:
    await attempts_db.move_attempts_to_settled(connection, db.OBJECT, flow.id, "Acquittement reçu")
    source = await _as_transmitted(connection, flow)
    await db.move_status(connection, flow, db.Move(source, target, texts.answered_text(flow.id, target)))


async def _as_transmitted(connection: Connection, flow: db.HeliosTransaction) -> HeliosStatus:
    """The acquit outran the record of the sending, proves an uncertain one, or one made before a move by hand: the life
    goes by "transmis". Gives the status that the acquit then moves."""
    route = await routes_db.get_route(connection, flow.route_id)
    passtrans = route is not None and route.transport.is_passtrans
    status = flow.status
    if status is HeliosStatus.POSTE:
        target = HeliosStatus.EN_ATTENTE_DE_TRANSMISSION
        await db.move_status(connection, flow, db.Move(status, target, texts.queued_text(flow.id, passtrans)))
        status = target
    if status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        text = texts.transmitted_text(flow.id, passtrans)
        await db.move_status(connection, flow, db.Move(status, HeliosStatus.TRANSMIS, text))
        status = HeliosStatus.TRANSMIS
    return status


def _candidate(flow: db.HeliosTransaction) -> Candidate:
    return Candidate(
        id=HeliosId(flow.id),
        authority_id=flow.authority_id,
        nomfic=flow.xml_nomfic or "",
        cod_col=flow.xml_cod_col,
        cod_bud=flow.xml_cod_bud,
        id_post=flow.xml_id_post,
        id_coll=flow.xml_id_coll,
        status=flow.status,
        submitted_at=flow.submitted_at,
    )
