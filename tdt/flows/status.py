"""Everything that tells whether all is well, gathered at once and judged: `tdt status`. Nothing is written."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tdt.certificates.calendar import list_file_endings
from tdt.db import status as db
from tdt.db.balances import count_balances
from tdt.db.breakers import Shown, count_all_waiting, list_breakers
from tdt.db.conventions import count_held
from tdt.db.migrate import count_pending
from tdt.db.pool import Connection
from tdt.db.sirets import count_proposals
from tdt.db.verify import get_last
from tdt.db.watchdog import get_pass
from tdt.db.windows import get_limits
from tdt.deps import Deps
from tdt.domain.calendar import paris_date, paris_midnight
from tdt.domain.ids import RouteId
from tdt.domain.status import Disk, Facts, Inside, Outside, Point, RouteState, Verification, judge

WAIT_SECONDS = 2.0
"""For each of those that are asked, all at once."""
LATE_DAYS = 3
"""Balances of the day before yesterday are there unless they are late."""
LAST_SENDING = timedelta(days=31)
"""Older sendings of a route are not looked for."""


async def look(deps: Deps, ask_servers: bool = True) -> tuple[Facts, list[Point]]:
    """The facts and what asks for a gesture, first what stops the most. Never waits long for what is away."""
    now = deps.now()
    outside = await _outside(deps, ask_servers)
    inside = None
    if not outside.database:
        async with deps.transaction("system") as connection:
            inside = await _inside(connection, now)
    facts = Facts(now, outside, inside, timedelta(seconds=deps.config.worker.dead_after_seconds))
    return facts, judge(facts)


async def _outside(deps: Deps, ask_servers: bool) -> Outside:
    server, worker = deps.config.server, deps.config.worker
    ours = [*(server.health_of(index) for index in range(server.processes)), worker.health]
    addresses = ours if ask_servers else []
    answers = asyncio.gather(*(deps.probe_server(address, WAIT_SECONDS) for address in addresses))
    (database, broker), endings, servers = await asyncio.gather(
        asyncio.gather(deps.probe_database(WAIT_SECONDS), deps.probe_broker(WAIT_SECONDS)),
        asyncio.to_thread(list_file_endings, deps.config),
        answers,
    )
    free, total = deps.spool.measure()
    disk = Disk(str(deps.spool.directory), deps.spool.is_writable(), free, total)
    return Outside(database, dict(zip(addresses, servers, strict=True)), broker, disk, endings)


async def _inside(connection: Connection, now: datetime) -> Inside:
    pending = await count_pending(connection)
    base = await db.get_base(connection, pending)
    if pending:
        return Inside(base)  # tables may be missing
    last = await get_pass(connection)
    midnight = paris_midnight(paris_date(now))
    breakers = await count_all_waiting(connection, await list_breakers(connection, now))
    balances = await count_balances(connection, paris_date(now) - timedelta(days=LATE_DAYS))
    return Inside(
        base,
        pass_at=last.at if last is not None else None,
        late=last.late if last is not None else {},
        workers=await db.list_workers(connection),
        queues=await db.list_queues(connection, now),
        held=sum((await count_held(connection)).values()),
        uncertain=await db.count_uncertain(connection, now - timedelta(hours=1)),
        doubts=await db.count_doubts(connection),
        box=await db.count_box(connection),
        sirets=await count_proposals(connection),
        routes=await _routes(connection, now, breakers),
        breakers={
            _name(one): one.breaker.opened_at
            for one in breakers
            if one.breaker.opened_at is not None and not one.announced
        },
        behind={_name(one): one.waiting for one in breakers if one.breaker.is_open},
        alerts=await db.list_alerts(connection),
        days=[await db.get_day(connection, module, midnight) for module in db.MOVES],
        verification=await _verification(connection),
        balanced_on=await db.get_balanced_on(connection),
        balances_late=balances.late,
        balances_unsigned=balances.unsigned,
    )


async def _verification(connection: Connection) -> Verification | None:
    last = await get_last(connection, full=False)
    if last is None or last.ended_at is None:
        return None
    return Verification(last.ended_at, last.bodies, last.faults)


def _name(one: Shown) -> str:
    return f"{one.place.remote} {one.route}".strip()


async def _routes(connection: Connection, now: datetime, breakers: Sequence[Shown]) -> list[RouteState]:
    """With what is closed now by a window, and with their breakers."""
    opened = {(str(one.place.remote), one.place.route): one.breaker.opened_at for one in breakers}
    routes = []
    for route in await db.list_routes(connection, now - LAST_SENDING):
        limits = await get_limits(connection, RouteId(route.id), now)
        closed = any(one.applies(now) and one.bytes_per_hour == 0 for one in limits.windows)
        breaker = opened.get((route.kind, RouteId(route.id)))
        routes.append(replace(route, closed=closed, breaker=breaker))
    return routes
