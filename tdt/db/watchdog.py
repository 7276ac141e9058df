"""The passes of the watchdog, and what the listeners of routes say of themselves; in scope `system`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection
from tdt.domain.ids import RouteId

WATCHDOG_LOCK = 0x74647764
"""Advisory lock of the process that makes a pass."""


async def lock_watchdog(connection: Connection) -> bool:
    """One transaction at a time makes a pass: False when another one does."""
    locked: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", WATCHDOG_LOCK)
    return locked


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass: when, by which worker, how long it took, how many are late by rule (all of them named), how many were
    told then."""

    at: datetime
    worker: str
    seconds: float
    late: Mapping[str, int]
    told: int


async def get_pass(connection: Connection) -> Pass | None:
    """The last pass that any worker made; None when there was none yet."""
    row = await connection.fetchrow("select at, worker, seconds, late, told from watchdog")
    return Pass(**row) if row is not None else None


RECORD = """
    insert into watchdog (at, worker, seconds, late, told) values ($1, $2, $3, $4, $5)
    on conflict (id) do update set at = excluded.at, worker = excluded.worker, seconds = excluded.seconds,
        late = excluded.late, told = excluded.told"""


async def move_pass(connection: Connection, one: Pass) -> None:
    """This is the last pass now."""
    await connection.execute(RECORD, one.at, one.worker, one.seconds, dict(one.late), one.told)


async def insert_heard(connection: Connection, route: RouteId, at: datetime) -> None:
    """The reception of a route was looked at, with success."""
    await connection.execute(
        """insert into route_listener (route_id, seen_at) values ($1, $2)
        on conflict (route_id) do update set seen_at = excluded.seen_at, error = ''""",
        route,
        at,
    )


async def insert_deaf(connection: Connection, route: RouteId, at: datetime, error: str) -> None:
    """The reception of a route could not be looked at."""
    await connection.execute(
        """insert into route_listener (route_id, failed_at, error) values ($1, $2, $3)
        on conflict (route_id) do update set failed_at = excluded.failed_at, error = excluded.error""",
        route,
        at,
        error,
    )


REOPEN = """
    update alert set ended_at = null where kind = $1 and ended_at is not null
        and (subject, since) in (select * from unnest($2::text[], $3::timestamptz[]))"""


async def move_to_reopened(connection: Connection, kind: str, alerts: Collection[tuple[str, datetime]]) -> None:
    """What ended and is so again since the same instant is open again, and was told."""
    pairs = list(alerts)
    await connection.execute(REOPEN, kind, [subject for subject, _ in pairs], [since for _, since in pairs])
