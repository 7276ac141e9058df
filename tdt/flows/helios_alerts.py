"""Tell an operator of flows and routes that wait too long, once for each event, and of the unacknowledged once a day.

Never an automatic resend: only people know whether the DGFiP has a flow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db import helios_alerts as db
from tdt.db.pool import Connection
from tdt.db.windows import list_kind_closings
from tdt.deps import Deps
from tdt.domain.calendar import paris_date, paris_hour, paris_midnight
from tdt.domain.helios.alert_text import LateRoute, write_day, write_flows, write_route
from tdt.domain.helios.alerts import Kind, late_since_open
from tdt.domain.plain import instant
from tdt.domain.routes import RouteKind


@dataclass(frozen=True, slots=True)
class Silence:
    """A route: its last reception, and whether it is silent for too long while flows wait."""

    route: str
    last: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What was told just now, for the log: how many flows by kind with the first numbers, and the silent routes."""

    flows: Mapping[Kind, Sequence[int]]
    routes: Sequence[str]


async def count(deps: Deps) -> tuple[list[db.Waiting], list[Silence]]:
    """What waits at 1, 2 and 3, and how the routes are: for the metrics."""
    async with deps.transaction("system") as connection:
        late = await _late(deps, connection)
        waiting = await db.count_waiting(connection, late)
        routes = await db.list_routes(connection, late[Kind.SILENCE])
    return waiting, [Silence(one.name, one.last, _is_silent(deps, one, late[Kind.SILENCE])) for one in routes]


async def tell(deps: Deps) -> Told:
    """Record what is late and was not told, each with its mail when there is a mail server: one transaction.

    Any number of workers may do it at any time: one at a time does, and unique keys of `helios_alert` keep each single.
    """
    async with deps.transaction("system") as connection:
        if not await db.lock_alerts(connection):
            return Told({}, ())
        late = await _late(deps, connection)
        flows = await _tell_flows(deps, connection, late)
        routes = await _tell_routes(deps, connection, late[Kind.SILENCE])
    return Told(flows, routes)


async def tell_day(deps: Deps) -> int:
    """Once a day from `mail.digest_hour` on: the list of what left before this day and has no acquit; gives how many.

    Without a mail server nothing is recorded, and the caller tells the log.
    """
    now = deps.now()
    day = paris_date(now)
    if now < paris_hour(day, deps.config.mail.digest_hour):
        return 0
    async with deps.transaction("system") as connection:
        flows = await db.list_unacknowledged(connection, paris_midnight(day))
        if not flows:
            return 0
        if deps.mailer.configured:
            key = ("helios.unacknowledged", f"helios:{day.isoformat()}")
            text = write_day(day, flows, deps.config.server.public_url)
            if not await deps.tell_operators(connection, key, text):
                return 0
        return len(flows)


async def _tell_flows(
    deps: Deps, connection: Connection, late: Mapping[Kind, datetime | None]
) -> dict[Kind, Sequence[int]]:
    found = await db.list_new(connection, late)
    await db.insert_alerts(connection, found)
    told: dict[Kind, Sequence[int]] = {}
    for kind in Kind:
        flows = [one.flow for one in found if one.kind is kind]
        if flows:
            told[kind] = [one.id for one in flows]
            # what is told together has one subject: the first of them, which is told once
            key = (f"helios.{kind}", f"helios:{flows[0].id}:{instant(flows[0].since)}")
            text = write_flows(kind, flows, deps.config.helios.alert_limits, _platform(deps))
            await deps.tell_operators(connection, key, text)
    return told


async def _tell_routes(deps: Deps, connection: Connection, before: datetime | None) -> list[str]:
    told = []
    for route in await db.list_routes(connection, before):
        since = route.last or route.oldest
        if since is None or not _is_silent(deps, route, before):
            continue
        if await db.insert_silence(connection, route.id, since):
            told.append(route.name)
            key = (f"helios.{Kind.SILENCE}", f"helios:route:{route.id}:{instant(since)}")
            late = LateRoute(route.name, route.last, route.waiting)
            text = write_route(late, deps.config.helios.alert_limits, _platform(deps))
            await deps.tell_operators(connection, key, text)
    return told


async def _late(deps: Deps, connection: Connection) -> dict[Kind, datetime | None]:
    closings = await list_kind_closings(connection, RouteKind.HELIOS)
    return late_since_open(deps.now(), deps.config.helios.alert_limits, closings)


def _is_silent(deps: Deps, route: db.Route, before: datetime | None) -> bool:
    if before is None or route.waiting < deps.config.helios.silence_alert_flows:
        return False
    return route.last is None or route.last <= before


def _platform(deps: Deps) -> str:
    return deps.config.server.public_url
