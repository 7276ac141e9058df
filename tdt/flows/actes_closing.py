"""Close acts: by whoever may, or by themselves when the ministry has not answered for thirty days."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.db import acte_closing as closing_db
from tdt.db import actes as db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.db.windows import list_kind_closings
from tdt.deps import Deps
from tdt.domain.actes import closing as rules
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.actes.status import closed_unanswered
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Principal, Right, Role, is_group_admin_or_super, may
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.domain.maintenance import before_closings
from tdt.domain.routes import RouteKind

CLOSED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Closed:
    """What the caller is told: whether the last act that was treated went through, and a line for each."""

    ok: bool
    lines: str


@dataclass(frozen=True, slots=True)
class _Closing:
    """One request: who, to which status, when."""

    who: Principal
    target: ActeStatus
    now: datetime
    always: bool


async def close(deps: Deps, who: Principal, actes: Sequence[ActeId], target: ActeStatus) -> Closed:
    """Close these acts, or plan their archiving, all in one transaction.

    Raises Refused or Forbidden for what ends the request in S2LOW; nothing is then closed.
    """
    if target is not ActeStatus.EN_ATTENTE_SAE and is_group_admin_or_super(who.user):
        raise Forbidden("Accès refusé")
    asked = _Closing(who, target, deps.now(), deps.config.actes.always_can_validate)
    async with deps.acting(Actor(Source.API, who)) as connection:
        found = await closing_db.lock_actes(connection, actes)
        acknowledged = await closing_db.list_acknowledged(connection, actes)
        ok, lines = False, ""
        for number in actes:
            acte = found.get(number)
            if acte is None:
                raise Refused(rules.UNKNOWN)
            if acte.type != MessageCode.ACTE:
                raise Refused(rules.WRONG_TYPE)
            # the same number may have come twice in the list
            acte = await db.get_transaction(connection, number) or acte
            line, treated = await _close_one(connection, asked, acte, acknowledged.get(number))
            lines += line
            ok = treated if treated is not None else ok
        return Closed(ok, lines)


async def _close_one(
    connection: Connection, asked: _Closing, acte: db.Acte, acknowledged_at: datetime | None
) -> tuple[str, bool | None]:
    """The line of an act, and whether it went through; None when it was passed over."""
    ended = rules.may_end(acknowledged_at, asked.now, asked.always)
    if obstacle := rules.closing_obstacle(acte.id, acte.status, asked.target, ended):
        return obstacle, None
    if asked.target is ActeStatus.EN_ATTENTE_SAE:
        return await _plan(connection, asked, acte)
    if not _may_close(asked.who, acte):
        raise Forbidden(rules.FORBIDDEN)
    await _move(connection, asked, acte, rules.closed_by(asked.who.user.pretty_name))
    return rules.closed(acte.id, asked.target), True


async def _plan(connection: Connection, asked: _Closing, acte: db.Acte) -> tuple[str, bool]:
    if not _may_archive(asked.who, acte):
        return rules.not_planned(acte.id, rules.NOT_YOURS), False
    if not await closing_db.has_archivist(connection, acte.authority_id):
        return rules.not_planned(acte.id, rules.NO_SAE), False
    await _move(connection, asked, acte, rules.EN_ATTENTE_DE_L_ENVOI)
    return rules.planned(acte.id), True


async def _move(connection: Connection, asked: _Closing, acte: db.Acte, message: str) -> None:
    await db.move_status(connection, acte, db.Move(acte.status, asked.target, message))
    by, what = Actor(Source.API, asked.who), ("acte:close", acte.id, acte.authority_id)
    await insert_change(connection, by, what, {"status": int(acte.status)}, {"status": int(asked.target)})


def _may_close(who: Principal, acte: db.Acte) -> bool:
    if who.user.role is Role.ADM and who.user.authority_id == acte.authority_id:
        return True
    return who.user.id == acte.account_id and may(who, Right.CS, Module.ACTES)


def _may_archive(who: Principal, acte: db.Acte) -> bool:
    if who.user.role is Role.SADM or who.user.id == acte.account_id:
        return True
    return who.user.role is Role.ADM and who.user.authority_id == acte.authority_id


async def close_unanswered(deps: Deps) -> int:
    """Turn to -1 what the ministry has not answered for `actes.close_after_days` (0: never). Gives how many were.

    An answer that comes later still counts (flows/actes_receive/correlation). Several workers may do it at once.
    """
    days = deps.config.actes.close_after_days
    if not days:
        return 0
    before, closed, after = deps.now() - timedelta(days=days), 0, 0
    while True:
        async with deps.transaction("system") as connection:
            stale = await closing_db.list_unanswered(connection, before, after, CLOSED_AT_ONCE)
        if not stale:
            return closed
        for acte in stale:
            # answered, or closed by another worker, since we looked
            with suppress(Conflict):
                await _close_unanswered(deps, acte, days)
                closed += 1
        after = stale[-1].id


async def _close_unanswered(deps: Deps, acte: db.Acte, days: int) -> None:
    async with deps.transaction("system") as connection:
        move = db.Move(ActeStatus.TRANSMIS, ActeStatus.ERREUR, closed_unanswered(days))
        await db.move_status(connection, acte, move)
        what = ("acte:close_unanswered", acte.id, acte.authority_id)
        change = {"status": int(move.source)}, {"status": int(move.target)}
        await insert_change(connection, Actor(Source.SYSTEM, None), what, *change)


async def count_unanswered(deps: Deps) -> closing_db.Unanswered:
    """What the ministry has not answered for `actes.unanswered_hours`."""
    now = deps.now()
    before = now - timedelta(hours=deps.config.actes.unanswered_hours)
    async with deps.transaction("system") as connection:
        closings = await list_kind_closings(connection, RouteKind.ACTES)
        return await closing_db.count_unanswered(connection, before_closings(closings, before, now))
