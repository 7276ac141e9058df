"""The transmission windows of the routes, what has left in an hour, what waits for the next one."""

from dataclasses import dataclass, replace
from datetime import datetime

from tdt.db.jobs import write_wake
from tdt.db.pool import SOON_SILENT, Connection, Record, affected
from tdt.domain.ids import EnvelopeId, HeliosId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import (
    FORCED,
    POSTPONED,
    Forecast,
    Load,
    Try,
    Window,
    explain_try,
    forecast,
    hour_of,
    is_closing,
)

COLUMNS = "id, bytes_per_hour, starts_at, ends_at, days, from_hour, to_hour, reason, announced_by"
WINDOWS = f"select {COLUMNS} from route_window where route_id = $1 order by starts_at, id"


def _window(row: Record) -> Window:
    return Window(**{**dict(row), "days": frozenset(row["days"])})


async def list_windows(connection: Connection, route: RouteId) -> list[Window]:
    """All windows of a route, past ones too."""
    return [_window(row) for row in await connection.fetch(WINDOWS, route)]


@dataclass(frozen=True, slots=True)
class Announced:
    """A window and what it is of: a route, or all routes of a kind, those to come too."""

    window: Window
    route: RouteId | None
    kind: RouteKind | None


def _announced(row: Record) -> Announced:
    values = dict(row)
    route, kind = values.pop("route_id"), values.pop("kind")
    window = Window(**{**values, "days": frozenset(values["days"])})
    return Announced(window, route, RouteKind(kind) if kind is not None else None)


async def get_window(connection: Connection, window: int) -> Announced | None:
    """A window and what it is of."""
    row = await connection.fetchrow(f"select route_id, kind, {COLUMNS} from route_window where id = $1", window)
    return _announced(row) if row is not None else None


CLOSINGS = f"""
    select route_id, kind, {COLUMNS} from route_window where bytes_per_hour = 0
    order by starts_at, id"""


async def list_closings(connection: Connection) -> list[Announced]:
    """The calendar of the State: what takes nothing, and when; past ones too."""
    return [_announced(row) for row in await connection.fetch(CLOSINGS)]


async def list_kind_closings(connection: Connection, kind: RouteKind) -> list[Window]:
    """When all routes of a kind are closed, as announced."""
    return [one.window for one in await list_closings(connection) if one.kind is kind]


INSERT = """
    insert into route_window (route_id, kind, bytes_per_hour, starts_at, ends_at, days, from_hour, to_hour, reason,
        announced_by)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id"""


async def insert_window(
    connection: Connection, route: RouteId | None, new: Window, kind: RouteKind | None = None
) -> int:
    """Record a window; gives its number."""
    number: int = await connection.fetchval(
        INSERT,
        route,
        kind,
        new.bytes_per_hour,
        new.starts_at,
        new.ends_at,
        sorted(new.days),
        new.from_hour,
        new.to_hour,
        new.reason,
        new.announced_by,
    )
    return number


async def delete_window(connection: Connection, window: int) -> bool:
    """Take a window away; False when there is none."""
    return affected(await connection.execute("delete from route_window where id = $1", window)) == 1


LOCK_SENDING = """
    select set_config('idle_in_transaction_session_timeout', $2, true) from route where id = $1 for no key update"""


async def lock_sending(connection: Connection, route: RouteId) -> None:
    """One sending at a time is decided upon on a route that limits them, to the end of the transaction.

    Together they would go over the limit of the hour.
    """
    await connection.execute(LOCK_SENDING, route, SOON_SILENT)


WHO = {RouteKind.ACTES: "Le ministère", RouteKind.HELIOS: "La DGFiP"}
LIMITS = f"""
    select r.active, r.kind, {", ".join(f"w.{name.strip()}" for name in COLUMNS.split(","))}
    from route r left join route_window w
        on (w.route_id = r.id or w.kind = r.kind) and coalesce(w.ends_at > $2, true)
    where r.id = $1"""


async def get_limits(connection: Connection, route: RouteId, now: datetime) -> Load:
    """Whether a route is open, and its windows, present and to come; the rest of the load is not looked at."""
    rows = await connection.fetch(LIMITS, route, now)
    windows, active, who = [], False, ""
    for row in rows:
        values = dict(row)
        active, who = values.pop("active"), WHO[RouteKind(values.pop("kind"))]
        if values["id"] is not None:
            windows.append(Window(**{**values, "days": frozenset(values["days"])}))
    return Load(windows, active=active, who=who)


async def is_closed(connection: Connection, route: RouteId, now: datetime) -> bool:
    """Whether a window, its own or one of all routes of its kind, says that nothing leaves by it now."""
    return any(is_closing(one) and one.applies(now) for one in (await get_limits(connection, route, now)).windows)


@dataclass(frozen=True, slots=True)
class Leaving:
    """What is to leave by a route: an envelope of actes or a flow of HELIOS, as the kind of the route says."""

    kind: RouteKind
    id: EnvelopeId | HeliosId


@dataclass(frozen=True, slots=True)
class _Line:
    """How what leaves by the routes of a kind waits: its job, what its attempts call it, its rows with their size."""

    job: JobKind
    object_kind: str
    waiting: str


_LINES = {
    RouteKind.ACTES: _Line(
        JobKind.ACTES_TRANSMIT,
        "acte_envelope",
        "select e.id, e.route_id, e.authority_id, c.size from acte_envelope e join content c on c.id = e.content_id",
    ),
    RouteKind.HELIOS: _Line(
        JobKind.HELIOS_TRANSMIT,
        "helios_transaction",
        """select t.id, t.route_id, t.authority_id, coalesce(c.size, t.size) as size
            from helios_transaction t left join content c on c.id = t.zip_content_id""",
    ),
}

USED = """
    select coalesce(sum(size), 0)::bigint from attempt
    where route_id = $1 and started_at >= $2 and (reached or outcome is distinct from 'failed')"""

AHEAD = {
    kind: f"""
    with waits as (
        select e.id, e.size, e.authority_id from job j join ({line.waiting}) e on e.id = j.object_id
        where j.kind = '{line.job}' and j.state in ('ready', 'running')
            and j.last_error like '{POSTPONED}%' and e.route_id = $1 and e.id <> $2
            and not exists (
                select from attempt a where a.object_kind = '{line.object_kind}' and a.object_id = e.id
                    and a.started_at >= $3 and a.outcome is distinct from 'failed')
        union all select id, 0, authority_id from {line.object_kind} where id = $2),
    spent as (
        select authority_id, sum(size) as bytes from attempt
        where route_id = $1 and started_at >= $3 and (reached or outcome is distinct from 'failed')
        group by authority_id),
    turns as (
        select w.id, w.size, (coalesce(s.bytes, 0) - w.size
            + sum(w.size) over (partition by w.authority_id order by w.id)) / a.weight as turn
        from waits w join authority a on a.id = w.authority_id left join spent s using (authority_id))
    select t.size from turns t join turns own on own.id = $2
    where (t.turn, t.id) < (own.turn, own.id) order by t.turn, t.id"""
    for kind, line in _LINES.items()
}
"""Collectivités take turns in what an hour takes: before each stands what a collectivité has sent in it and what waits
before it, by the byte and by weight. In one collectivité, the order of deposit."""


async def _get_load(connection: Connection, limits: Load, route: RouteId, leaving: Leaving, hour: datetime) -> Load:
    """What stands before it on its route, in the hour that begins then."""
    used = await connection.fetchval(USED, route, hour)
    ahead = await connection.fetch(AHEAD[leaving.kind], route, leaving.id, hour)
    return replace(limits, used=used, ahead=[row["size"] for row in ahead])


async def find_postponement(
    connection: Connection, route: RouteId, leaving: Leaving, size: int, now: datetime
) -> Forecast | None:
    """When what is about to leave will, if that is not now. Several workers cannot go over the limit together."""
    limits = await get_limits(connection, route, now)
    if limits.active and not limits.windows:
        return None
    await lock_sending(connection, route)
    # again: they may have changed while we waited
    limits = await get_limits(connection, route, now)
    load = await _get_load(connection, limits, route, leaving, hour_of(now))
    found = forecast(load, size, now)
    return found if found.at != now else None


WAITS = f"last_error like '{POSTPONED}%'"
IS_OF_ROUTE = " or ".join(
    f"(j.kind = '{line.job}' and j.object_id in (select id from ({line.waiting}) o where route_id = $1))"
    for line in _LINES.values()
)
WAKE = write_wake(IS_OF_ROUTE, WAITS)


async def wake_postponed(connection: Connection, route: RouteId) -> int:
    """Have what waits for its hour looked at again once this transaction is committed; gives how many."""
    woken: int = await connection.fetchval(WAKE, route)
    return woken


async def wake_postponed_kind(connection: Connection, kind: RouteKind) -> None:
    """The same, on all routes of a kind."""
    for row in await connection.fetch("select id from route where kind = $1 order by id", kind):
        await wake_postponed(connection, row["id"])


ACTE_STEP = f"""
    select e.route_id, j.state, j.run_at, coalesce(j.last_error, '') as why, coalesce(
            (select size from content where id = e.content_id),
            (select sum(size) from acte_file where envelope_id = e.id), 0)::bigint as size
    from acte_envelope e left join job j on j.object_id = e.id and j.kind = '{JobKind.ACTES_TRANSMIT}'
    where e.id = $1 order by j.id desc limit 1"""
"""Before its archive is built, about its size."""
HELIOS_STEP = f"""
    select e.route_id, j.state, j.run_at, coalesce(j.last_error, '') as why, e.size
    from ({_LINES[RouteKind.HELIOS].waiting}) e
        left join job j on j.object_id = e.id and j.kind = '{JobKind.HELIOS_TRANSMIT}'
    where e.id = $1 order by j.id desc limit 1"""
STEP = {RouteKind.ACTES: ACTE_STEP, RouteKind.HELIOS: HELIOS_STEP}


async def _is_forced(connection: Connection, kind: RouteKind, route: RouteId) -> bool:
    """Whether an operator opened its breaker: nothing is tried until he closes it."""
    found = await connection.fetchval("select forced from breaker where remote = $1 and route_id = $2", kind, route)
    return bool(found)


async def forecast_departure(connection: Connection, leaving: Leaving, now: datetime) -> Forecast | None:
    """When what has not left will leave, or why nothing tells; None when there is no such thing.

    To be asked for a transaction at 1 or 2, in a scope that sees what waits on the whole route (`system`): another
    sees only its own before it.
    """
    row = await connection.fetchrow(STEP[leaving.kind], leaving.id)
    if row is None:
        return None
    tried = explain_try(Try(row["state"], row["run_at"], row["why"]), WHO[leaving.kind], now)
    if tried is not None:
        return Forecast(None, FORCED) if await _is_forced(connection, leaving.kind, row["route_id"]) else tried
    limits = await get_limits(connection, row["route_id"], now)
    load = await _get_load(connection, limits, row["route_id"], leaving, hour_of(now))
    return forecast(load, row["size"], now)
