"""The operator's box: give what waits in it to somebody, have it read again, or say that nothing is to be done."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from tdt.db import received as db
from tdt.db.audit import insert_change
from tdt.db.closing import lock_closing
from tdt.db.content import move_to_authority
from tdt.db.helios import get_transaction
from tdt.db.helios_retours import delete_retour
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.closing import check_receiving
from tdt.domain.errors import Refused
from tdt.domain.helios.model import ReturnKind
from tdt.domain.ids import AuthorityId, HeliosId, ReceivedId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind

UNKNOWN = "Cette réception n'existe pas : « tdt box list --all » donne celles qui existent."
NOT_IN_BOX = (
    "Cette réception est à l'état « {} » : seules changent ainsi celles qui sont set_aside, dismissed ou ignored."
)
CHANGED = "Cette réception vient de changer d'état : regardez-la de nouveau."
NO_REASON = "La raison est obligatoire : l'audit la garde."
NOT_ITS_ACT = "La collectivité {} n'a pas d'acte {}."
NOT_A_MAIL = "Seul un courriel du ministère (route ACTES) se rattache à un acte."
NOT_AN_ACQUIT = "Seul un acquittement de la DGFiP se rattache à un flux : cette réception est « {} »."
NO_FLOW = "Aucun flux {} : le numéro est celui de la transaction."
NEVER_SENT = "Le flux {} n'a jamais été transmis : aucun acquittement ne peut y répondre."
NOT_FORGED = "Cette réception n'a pas été écartée comme douteuse."
ACQUITS = (ReturnKind.ACQUIT, ReturnKind.NON_ACQUIT)
HANDLED = "handled"
MOVABLE = ("set_aside", "dismissed", "ignored")
INGEST: Mapping[str, JobKind] = {RouteKind.ACTES: JobKind.ACTES_INGEST, RouteKind.HELIOS: JobKind.HELIOS_INGEST}


async def get(deps: Deps, received: ReceivedId) -> db.BoxLine:
    """One reception. Raises Refused when there is none."""
    async with deps.transaction("system") as connection:
        line = await db.find_line(connection, received)
    if line is None:
        raise Refused(UNKNOWN)
    return line


async def stream(deps: Deps, received: ReceivedId) -> AsyncIterator[bytes]:
    """Its raw bytes, as the State sent them. Raises Refused."""
    line = await get(deps, received)
    async for chunk in deps.stream("system", line.content_id):
        yield chunk


async def retry(deps: Deps, by: Actor, received: ReceivedId, *, authentic: bool = False) -> None:
    """Have a reception read again, as it was given; `authentic`: the operator answers for one that looked forged.

    Raises Refused.
    """
    async with deps.acting(by) as connection:
        line = await _take(connection, received)
        if authentic and line.kind != db.FORGED:
            raise Refused(NOT_FORGED)
        decision = db.Decision(
            line.authority_id,
            line.assigned,
            line.assigned_act,
            by.name if authentic else None,
            line.assigned_helios_id,
        )
        await _read_again(connection, by, line, decision, "received:vouch" if authentic else "received:retry")


async def assign(deps: Deps, by: Actor, received: ReceivedId, authority: AuthorityId, act: str = "") -> None:
    """Give a reception to a collectivité, or to one of its acts (an IDActe), and have it read again. Raises Refused.

    A PES_Retour that another one has, by a SIRET given by mistake, is taken back from it.
    """
    async with deps.acting(by) as connection:
        await _check_receiving(connection, authority)
        line = await _take(connection, received, is_for_another=authority)
        if act and line.route_kind != RouteKind.ACTES:
            raise Refused(NOT_A_MAIL)
        if act and (act, authority) not in await db.list_owners_of_acts(connection, [act]):
            raise Refused(NOT_ITS_ACT.format(authority, act))
        if line.state == HANDLED:
            await delete_retour(connection, received)
        await move_to_authority(connection, line.content_id, authority)
        await _read_again(connection, by, line, db.Decision(authority, True, act), "received:assign")


async def assign_to_flow(deps: Deps, by: Actor, received: ReceivedId, flow: HeliosId) -> None:
    """Give an acquittement to the flow that it answers, and have it read again. Raises Refused."""
    async with deps.acting(by) as connection:
        found = await get_transaction(connection, flow)
        if found is not None:
            await _check_receiving(connection, found.authority_id)
        line = await _take(connection, received)
        if line.kind not in ACQUITS:
            raise Refused(NOT_AN_ACQUIT.format(line.kind))
        if found is None:
            raise Refused(NO_FLOW.format(flow))
        if found.transmitted_name is None:
            raise Refused(NEVER_SENT.format(flow))
        await move_to_authority(connection, line.content_id, found.authority_id)
        decision = db.Decision(found.authority_id, True, "", helios_id=flow)
        await _read_again(connection, by, line, decision, "received:assign")


async def dismiss(deps: Deps, by: Actor, received: ReceivedId, reason: str) -> None:
    """Take a reception out of the box: seen, nothing is to be done. It is kept. Raises Refused."""
    if not reason.strip():
        raise Refused(NO_REASON)
    async with deps.acting(by) as connection:
        line = await _take(connection, received)
        if not await db.move_to_dismissed(connection, line):
            raise Refused(CHANGED)
        after = {"state": "dismissed", "reason": reason.strip()}
        await insert_change(
            connection, by, ("received:dismiss", line.id, line.authority_id), {"state": line.state}, after
        )


async def count_waiting(deps: Deps) -> dict[tuple[str, str], int]:
    """How many receptions wait for an operator, by kind of route and reason."""
    async with deps.transaction("system") as connection:
        return await db.count_waiting(connection)


async def _check_receiving(connection: Connection, authority: AuthorityId) -> None:
    """There, and kept from a purge until the end; locked before the reception, in the order of the purge."""
    current = await lock_closing(connection, authority)
    if current is None:
        raise Refused(NOT_FOUND)
    check_receiving(current)


async def _take(connection: Connection, received: ReceivedId, is_for_another: AuthorityId | None = None) -> db.BoxLine:
    line = await db.lock_line(connection, received)
    if line is None:
        raise Refused(UNKNOWN)
    taken_back = line.state == HANDLED and line.kind == ReturnKind.RETOUR and is_for_another != line.authority_id
    if line.state not in MOVABLE and not (taken_back and is_for_another is not None):
        raise Refused(NOT_IN_BOX.format(line.state))
    return line


async def _read_again(connection: Connection, by: Actor, line: db.BoxLine, decision: db.Decision, what: str) -> None:
    if not await db.move_to_new(connection, line, decision):
        raise Refused(CHANGED)
    await insert_job(connection, INGEST[line.route_kind], decision.authority_id, line.id)
    after = replace(
        line,
        state="new",
        authority_id=decision.authority_id,
        assigned=decision.assigned,
        assigned_act=decision.act,
        vouched_by=decision.vouched_by or line.vouched_by,
        assigned_helios_id=decision.helios_id,
    )
    await insert_change(connection, by, (what, line.id, decision.authority_id), _audited(line), _audited(after))


def _audited(line: db.BoxLine) -> dict[str, object]:
    return {
        "state": line.state,
        "authority_id": line.authority_id,
        "assigned": line.assigned,
        "act": line.assigned_act,
        "vouched_by": line.vouched_by,
        "kind": line.kind,
        **({"flow": line.assigned_helios_id} if line.assigned_helios_id is not None else {}),
    }
