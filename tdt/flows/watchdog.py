"""The watchdog: nothing is older than its limit, or an operator knows which, why and what to do. Each minute."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tdt.db import lateness
from tdt.db import watchdog as db
from tdt.db.alerts import Alert, insert_alerts, list_open_of, move_to_ended
from tdt.db.breakers import End, Place, note
from tdt.db.helios_alerts import count_waiting
from tdt.db.pool import Connection
from tdt.db.watchdog import Pass
from tdt.db.windows import list_kind_closings
from tdt.deps import Deps
from tdt.domain.breaker import Remote, Sign
from tdt.domain.crowds import is_rest, number_of, rest_of
from tdt.domain.helios.alerts import late_since_open
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.late_text import write_late
from tdt.domain.limits import HELIOS, RULES, TOLD_ELSEWHERE, Item, Late, instants_before, why
from tdt.domain.maintenance import before_closings
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind

LATE = "late"
"""Kind of these alerts; which rule is in their data."""
AT_ONCE = 2000
"""New alerts told together; what is left comes with the next pass."""
HEAPS = frozenset({Late.JOB_OVERDUE, Late.SPOOL, Late.NOTICES, Late.ACTE_MAILS})
"""Told as one, since when it began: what the heap is made of changes."""

Told = Mapping[Late, Sequence[str]]
"""Subjects told just now, by rule."""


async def look(deps: Deps, worker: str = "", spacing: timedelta = timedelta()) -> tuple[Pass, Told] | None:
    """One pass, in one transaction; None when another worker is at it, or made one less than `spacing` ago."""
    begun, now = time.monotonic(), deps.now()
    async with deps.transaction("system") as connection:
        if not await db.lock_watchdog(connection):
            return None
        last = await db.get_pass(connection)
        if last is not None and timedelta() <= now - last.at < spacing:
            return None
        items = await _list(deps, connection, now)
        told = await _tell(deps, connection, items)
        counts = {str(kind): 0 for kind in Late} | await _count_helios(deps, connection, now)
        for item in items:
            counts[str(item.kind)] += number_of(item)
        made = Pass(now, worker, time.monotonic() - begun, counts, sum(map(len, told.values())))
        await db.move_pass(connection, made)
    return made, told


async def get_last(deps: Deps) -> Pass | None:
    """The last pass that any worker made."""
    async with deps.transaction("system") as connection:
        return await db.get_pass(connection)


async def note_deaf(deps: Deps, route: RouteId, error: str) -> None:
    """The reception of a route could not be looked at."""
    async with deps.transaction("system") as connection:
        await db.insert_deaf(connection, route, deps.now(), error)
        end, rules = End(Sign.FAILED, probe=False, error=error), deps.config.breaker.rules
        await note(connection, Place(Remote.RECEPTION, route), end, deps.now(), rules)


async def _list(deps: Deps, connection: Connection, now: datetime) -> list[Item]:
    """Everything that is late."""
    config = deps.config
    before = dict(instants_before(config.ages, now))
    closings = await list_kind_closings(connection, RouteKind.ACTES)
    for kind in (Late.ACTE_WAITING, Late.ACTE_UNANSWERED, Late.ACTE_LETTER):
        if kind in before:
            before[kind] = before_closings(closings, before[kind], now)
    windows = (config.actes.uncertain_seconds, config.helios.uncertain_seconds)
    return [
        *await lateness.list_late_actes(connection, before),
        *await lateness.list_late_flows(connection, before),
        *await lateness.list_late_jobs(connection, before),
        *await lateness.list_late_heaps(connection, before),
        *await lateness.list_late_received(connection, before),
        *await lateness.list_late_attempts(connection, before.get(Late.UNCERTAIN), windows),
        *await lateness.list_late_listeners(connection, before.get(Late.LISTENER)),
    ]


async def _count_helios(deps: Deps, connection: Connection, now: datetime) -> dict[str, int]:
    """How many of the flows at 1, 2 and 3 are late: the alerts of HELIOS tell them."""
    limits = deps.config.helios.alert_limits
    closings = await list_kind_closings(connection, RouteKind.HELIOS)
    waiting = await count_waiting(connection, late_since_open(now, limits, closings))
    counts = {str(kind): 0 for kind in TOLD_ELSEWHERE}
    for one in waiting:
        counts[str(next(kind for status, kind in HELIOS.items() if status == one.status))] += one.late
    return counts


async def _tell(deps: Deps, connection: Connection, items: Sequence[Item]) -> Told:
    """Record what is newly late, and end what is not late any more; one mail for each rule.

    While many of a rule and route are told as one, those that come to be among the oldest were told with them.
    """
    known = set(await list_open_of(connection, LATE))
    begun = dict(known)
    crowds = {subject for subject in begun if is_rest(subject)}
    items = [replace(item, since=begun.get(item.subject, item.since)) if _is_heap(item) else item for item in items]
    deaf = {item.route_id: item.route for item in items if item.kind is Late.LISTENER and item.route_id is not None}
    fresh = [item for item in items if (item.subject, item.since) not in known][:AT_ONCE]
    reasons = {(item.subject, item.since): why(item, deaf) for item in fresh}
    await db.move_to_reopened(connection, LATE, list(reasons))
    alerts = [_alert(item, reasons[item.subject, item.since]) for item in fresh]
    new = {(one.subject, one.since) for one in await insert_alerts(connection, alerts)}
    await move_to_ended(connection, LATE, [(item.subject, item.since) for item in items])
    told: dict[Late, list[Item]] = defaultdict(list)
    for item in fresh:
        if (item.subject, item.since) in new and rest_of(item.kind, item.route_id) not in crowds:
            told[item.kind].append(item)
    for kind, late in told.items():
        await _mail(deps, connection, kind, [(item, reasons[item.subject, item.since]) for item in late])
    return {kind: [item.subject for item in late] for kind, late in told.items()}


def _is_heap(item: Item) -> bool:
    return item.kind in HEAPS or is_rest(item.subject)


def _alert(item: Item, reason: str) -> Alert:
    rule = RULES[item.kind]
    data = {
        "rule": str(item.kind),
        "what": rule.what,
        "name": item.name,
        "authority": item.authority,
        "route": item.route,
        "count": item.count,
        "why": reason,
        "who": rule.who,
        "todo": rule.todo,
    }
    authority = AuthorityId(item.authority_id) if item.authority_id is not None else None
    return Alert(authority, LATE, item.subject, item.since, data)


async def _mail(deps: Deps, connection: Connection, kind: Late, late: Sequence[tuple[Item, str]]) -> None:
    """What is told together has one subject: the first of them, which is told once."""
    text = write_late(kind, late, deps.config.server.public_url)
    first = late[0][0]
    key = (f"late.{kind}", f"{first.subject}:{instant(first.since)}")
    await deps.tell_operators(connection, key, text)
