"""Archiving of flows: planned by their collectivité, told by the archivist's software, corrected by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from tdt.db import helios as db
from tdt.db.acte_closing import has_archivist
from tdt.db.audit import insert_change
from tdt.db.helios_archives import get_archive_url, move_archive_url
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Principal, Role
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.helios import archiving as rules
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import HeliosId


async def correct_status(deps: Deps, who: Principal, flow_id: HeliosId, target: int) -> str:
    """Change the status of an archiving as S2LOW lets; gives the words of the answer. Raises Refused or Forbidden."""
    archivist = who.user.role is Role.ARCH
    by = Actor(Source.API, who)
    async with deps.acting(by) as connection:
        flow = await db.lock_transaction(connection, flow_id)
        if flow is None and archivist:
            raise Forbidden("Accès refusé")
        if flow is None:
            raise Refused(rules.NO_SUCH)
        if not rules.may_correct(flow.status, target, archivist):
            raise Refused(rules.NOT_SO)
        await _move(connection, by, flow, (HeliosStatus(target), rules.BY_HAND))
    return rules.CHANGED


@dataclass(frozen=True, slots=True)
class Told:
    """What an archivist's software says: the status, what the archive answered, where the flow is archived."""

    status: int
    reason: str = ""
    url: str = ""


async def tell(deps: Deps, who: Principal, flow_id: HeliosId, told: Told) -> HeliosStatus:
    """The archivist's software says what became of a flow; gives its new status. Raises Refused."""
    by = Actor(Source.API, who)
    rules.check_url(told.url)
    async with deps.acting(by) as connection:
        flow = await db.lock_transaction(connection, flow_id)
        if flow is None:
            raise Refused(rules.NO_NUMBER)
        if not rules.may_tell(flow.status, told.status):
            raise Refused(rules.not_told(flow.status, told.status))
        target = HeliosStatus(told.status)
        if told.url:
            before = await get_archive_url(connection, flow.id)
            await move_archive_url(connection, flow.id, told.url)
            what = ("helios:archive_url", flow.id, flow.authority_id)
            await insert_change(connection, by, what, {"archive_url": before}, {"archive_url": told.url})
        await _move(connection, by, flow, (target, rules.told_text(flow.id, target, told.reason)))
    return target


@dataclass(frozen=True, slots=True)
class Planned:
    """Whether every flow was planned, and a line for each."""

    ok: bool
    lines: tuple[str, ...]


async def plan(deps: Deps, who: Principal, flows: Sequence[HeliosId]) -> Planned:
    """Put flows in line for the archivist's software (19), each by itself."""
    ok, lines = True, []
    for number in dict.fromkeys(flows):
        try:
            await _plan(deps, who, number)
            lines.append(rules.planned(number))
        except (Refused, Conflict) as error:
            ok = False
            lines.append(rules.not_planned(number, error.message))
    return Planned(ok, tuple(lines))


async def _plan(deps: Deps, who: Principal, number: HeliosId) -> None:
    by = Actor(Source.API, who)
    async with deps.acting(by) as connection:
        flow = await db.lock_transaction(connection, number)
        if flow is None:
            raise Refused(rules.unknown(number))
        if not _may_plan(who, flow):
            raise Refused(rules.NOT_YOURS)
        if flow.status not in rules.ARCHIVABLE:
            raise Refused(rules.NOT_ARCHIVABLE)
        if not await has_archivist(connection, flow.authority_id):
            raise Refused(rules.NO_SAE)
        await _move(connection, by, flow, (HeliosStatus.EN_ATTENTE_SAE, rules.WAITS))


def _may_plan(who: Principal, flow: db.HeliosTransaction) -> bool:
    if who.user.role is Role.SADM or who.user.id == flow.account_id:
        return True
    return who.user.role is Role.ADM and who.user.authority_id == flow.authority_id


async def _move(connection: Connection, by: Actor, flow: db.HeliosTransaction, to: tuple[HeliosStatus, str]) -> None:
    target, message = to
    await db.move_status(connection, flow, db.Move(flow.status, target, message))
    what = ("helios:archiving", flow.id, flow.authority_id)
    await insert_change(connection, by, what, {"status": int(flow.status)}, {"status": int(target)})
