"""The transmission windows of the routes, what has left in an hour, what waits for the next one."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, Record, affected
from tdt.domain.ids import EnvelopeId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.transmission import POSTPONED, Load, Window

COLUMNS = "id, bytes_per_hour, starts_at, ends_at, days, from_hour, to_hour, reason"
WINDOWS = f"select {COLUMNS} from route_window where route_id = $1 order by starts_at, id"


def _window(row: Record) -> Window:
    return Window(**{**dict(row), "days": frozenset(row["days"])})


async def list_windows(connection: Connection, route: RouteId) -> list[Window]:
    """All windows of a route, past ones too."""
    return [_window(row) for row in await connection.fetch(WINDOWS, route)]


async def get_window(connection: Connection, window: int) -> tuple[RouteId, Window] | None:
    """A window and its route."""
    row = await connection.fetchrow(f"select route_id, {COLUMNS} from route_window where id = $1", window)
    if row is None:
        return None
    values = dict(row)
    route = RouteId(values.pop("route_id"))
    return route, Window(**{**values, "days": frozenset(values["days"])})


INSERT = """
    insert into route_window (route_id, bytes_per_hour, starts_at, ends_at, days, from_hour, to_hour, reason)
    values ($1, $2, $3, $4, $5, $6, $7, $8) returning id"""


async def insert_window(connection: Connection, route: RouteId, new: Window) -> int:
    """Record a window; gives its number."""
    number: int = await connection.fetchval(
        INSERT,
        route,
        new.bytes_per_hour,
        new.starts_at,
        new.ends_at,
        sorted(new.days),
        new.from_hour,
        new.to_hour,
        new.reason,
    )
    return number


async def delete_window(connection: Connection, window: int) -> bool:
    """Take a window away; False when there is none."""
    return affected(await connection.execute("delete from route_window where id = $1", window)) == 1


async def lock_sending(connection: Connection, route: RouteId) -> None:
    """One sending at a time is decided upon on a route that has windows, to the end of the transaction.

    Together they would go over the limit of the hour.
    """
    await connection.execute("select from route where id = $1 for no key update", route)


LIMITS = f"""
    select r.active, {", ".join(f"w.{name.strip()}" for name in COLUMNS.split(","))}
    from route r left join route_window w on w.route_id = r.id and coalesce(w.ends_at > $2, true)
    where r.id = $1"""


async def get_limits(connection: Connection, route: RouteId, now: datetime) -> Load:
    """Whether a route is open, and its windows, present and to come; the rest of the load is not looked at."""
    rows = await connection.fetch(LIMITS, route, now)
    windows = []
    for row in rows:
        values = dict(row)
        active = values.pop("active")
        if values["id"] is not None:
            windows.append(Window(**{**values, "days": frozenset(values["days"])}))
    return Load(windows, active=bool(rows) and active)


USED = """
    select coalesce(sum(size), 0)::bigint from attempt
    where route_id = $1 and started_at >= $2 and (reached or outcome is distinct from 'failed')"""

AHEAD = f"""
    select c.size from job j join acte_envelope e on e.id = j.object_id join content c on c.id = e.content_id
    where j.kind = '{JobKind.ACTES_TRANSMIT}' and j.state in ('ready', 'running')
        and j.last_error like '{POSTPONED}%' and e.route_id = $1 and e.id < $2
        and not exists (
            select from attempt a where a.object_kind = 'acte_envelope' and a.object_id = e.id and a.started_at >= $3
                and a.outcome is distinct from 'failed')
    order by e.id"""


async def get_load(connection: Connection, limits: Load, place: tuple[RouteId, EnvelopeId], hour: datetime) -> Load:
    """What stands before this envelope on its route, in the hour that begins then."""
    route, envelope = place
    used = await connection.fetchval(USED, route, hour)
    ahead = await connection.fetch(AHEAD, route, envelope, hour)
    return Load(limits.windows, used, [row["size"] for row in ahead], limits.active)


WAITS = f"last_error like '{POSTPONED}%'"
WAKE = f"""
    with woken as (
        update job j set woken_at = clock_timestamp(),
            run_at = case when state = 'ready' and {WAITS} then now() else run_at end,
            published_at = case when state = 'ready' and {WAITS} then null else published_at end
        from acte_envelope e
        where e.id = j.object_id and e.route_id = $1 and j.kind = '{JobKind.ACTES_TRANSMIT}'
            and j.state in ('ready', 'running')
        returning j.id, j.state, j.last_error)
    select count(*), count(pg_notify('tdt_job', id::text)) from woken where state = 'ready' and {WAITS}"""
"""Those that run are marked too: they may have read the windows before (tdt.db.jobs.MOVE_TO_READY)."""


async def wake_postponed(connection: Connection, route: RouteId) -> int:
    """Have what waits for its hour looked at again once this transaction is committed; gives how many."""
    woken: int = await connection.fetchval(WAKE, route)
    return woken


@dataclass(frozen=True, slots=True)
class Step:
    """Where the sending of an envelope is: the state of its job, why it waits, and the size of what is to leave."""

    route_id: RouteId
    size: int
    state: str | None
    run_at: datetime | None
    why: str


STEP = f"""
    select e.route_id, j.state, j.run_at, coalesce(j.last_error, '') as why, coalesce(
            (select size from content where id = e.content_id),
            (select sum(size) from acte_file where envelope_id = e.id), 0)::bigint as size
    from acte_envelope e left join job j on j.object_id = e.id and j.kind = '{JobKind.ACTES_TRANSMIT}'
    where e.id = $1 order by j.id desc limit 1"""


async def get_step(connection: Connection, envelope: EnvelopeId) -> Step | None:
    """Where the sending of this envelope is, when the scope sees it; before its archive is built, about its size."""
    row = await connection.fetchrow(STEP, envelope)
    return Step(**row) if row is not None else None
