"""What the whole installation looks like at one instant, in few indexed statements; in scope `system`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.actes import OBJECT as ACTE
from tdt.db.helios import OBJECT as FLOW
from tdt.db.pool import Connection, Record
from tdt.domain.ids import AuthorityId
from tdt.domain.retry import HELD_UNCERTAIN
from tdt.domain.status import Base, Day, Open, Queue, RouteState, Worker

BASE = """
    select current_setting('server_version') as version, current_user::text as role,
        (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as escapes,
        (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as connections,
        current_setting('max_connections')::int as most"""


async def get_base(connection: Connection, pending: int) -> Base:
    """The database itself; `pending`: the migrations that it lacks."""
    row = await connection.fetchrow(BASE)
    assert row is not None
    return Base(row["version"].split()[0], row["role"], row["escapes"], pending, row["connections"], row["most"])


async def list_workers(connection: Connection) -> list[Worker]:
    """Those that said that they live, lately or not."""
    rows = await connection.fetch("select name, started_at, seen_at from worker order by name")
    return [Worker(**row) for row in rows]


QUEUES = """
    select kind, large, count(*) filter (where state = 'ready' and run_at <= $1) as due,
        count(*) filter (where state = 'ready' and run_at > $1) as later,
        count(*) filter (where state = 'running') as running, count(*) filter (where state = 'dead') as dead,
        min(run_at) filter (where state = 'ready' and run_at <= $1) as oldest
    from job group by kind, large order by kind, large"""


async def list_queues(connection: Connection, now: datetime) -> list[Queue]:
    """What waits for the workers, by kind and size."""
    return [Queue(**row) for row in await connection.fetch(QUEUES, now)]


UNCERTAIN = """
    select count(distinct (object_kind, object_id)) from attempt
    where outcome = 'uncertain' or (outcome is null and started_at < $1)"""


async def count_doubts(connection: Connection) -> int:
    """Sendings in doubt that wait for an operator: their work was set aside as such."""
    return int(await connection.fetchval("select count(*) from job where state = 'dead' and code = $1", HELD_UNCERTAIN))


async def count_uncertain(connection: Connection, before: datetime) -> int:
    """Flows of which a sending is in doubt; one that began before this instant and never ended is too."""
    count: int = await connection.fetchval(UNCERTAIN, before)
    return count


ROUTES = """
    select r.id, r.name, r.kind, r.test, l.seen_at as heard_at, l.failed_at, coalesce(l.error, '') as error,
        (select max(v.received_at) from received v where v.route_id = r.id) as received_at,
        (select max(a.started_at) from attempt a
            where a.route_id = r.id and a.started_at >= $1 and a.outcome in ('accepted', 'settled')) as sent_at
    from route r left join route_listener l on l.route_id = r.id where r.active order by r.kind, r.name"""


async def list_routes(connection: Connection, since: datetime) -> list[RouteState]:
    """The active routes; of their sendings, the last one since an instant."""
    return [RouteState(**row) for row in await connection.fetch(ROUTES, since)]


OPEN = """
    select kind, case when kind = 'balance' and subject like '%:full' then 'full' else coalesce(data ->> 'rule', '') end
            as rule, count(*) as count, min(since) as since,
        (array_agg(subject order by subject like 'rest:%', since, id))[1] as subject
    from alert where ended_at is null group by 1, 2 order by 4"""


async def list_alerts(connection: Connection) -> list[Open]:
    """What is wrong now, by kind and rule, the oldest first."""
    return [Open(**row) for row in await connection.fetch(OPEN)]


DAY = """
    select coalesce(sum(e.deposited), 0)::bigint as deposited, coalesce(sum(e.sent), 0)::bigint as sent,
        coalesce(sum(e.acknowledged), 0)::bigint as acknowledged, coalesce(sum(e.refused), 0)::bigint as refused
    from authority a cross join lateral (
        select count(*) filter (where from_status is null and to_status = any($3::smallint[])) as deposited,
            count(*) filter (where to_status = 3) as sent,
            count(*) filter (where to_status = any($4::smallint[])) as acknowledged,
            count(*) filter (where to_status = any($5::smallint[])) as refused
        from event where authority_id = a.id and at >= $1 and object_kind = $2) e
    where $6::bigint is null or a.id = $6"""
"""Collectivité by collectivité: events are in the order of time for each."""
OF = "($1::bigint is null or authority_id = $1)"
AWAITED = {
    "actes": f"select count(*) from acte_transaction where status = 3 and type <> 2 and {OF}",
    "helios": f"select count(*) from helios_transaction where status = 3 and {OF}",
}


@dataclass(frozen=True, slots=True)
class _Moves:
    """What events are about; the statuses of a deposit, of an acknowledgement, of a refusal, ours or the State's."""

    object_kind: str
    deposited: Sequence[int]
    acknowledged: Sequence[int]
    refused: Sequence[int]


MOVES = {
    "actes": _Moves(ACTE, (1, 17, 18), (4,), (-1,)),
    "helios": _Moves(FLOW, (1, 13, 14), (4, 8), (-1, 6)),
}


async def get_day(connection: Connection, module: str, midnight: datetime, authority: AuthorityId | None = None) -> Day:
    """What moved since midnight, from the events; what waits for an answer. Of a collectivité, or of all."""
    moves = MOVES[module]
    row = await connection.fetchrow(
        DAY, midnight, moves.object_kind, moves.deposited, moves.acknowledged, moves.refused, authority
    )
    assert row is not None
    return Day(module, **row, awaited=await connection.fetchval(AWAITED[module], authority))


async def count_box(connection: Connection) -> dict[str, int]:
    """What waits in the operator's box, by code, or by kind where there is none."""
    rows = await connection.fetch(
        """select coalesce(nullif(code, ''), nullif(kind, ''), '?') as reason, count(*) as count
        from received where state = 'set_aside' group by 1"""
    )
    return {row["reason"]: row["count"] for row in rows}


async def get_balanced_on(connection: Connection) -> str | None:
    """The last day of which every collectivité has its balances."""
    row: Record = await connection.fetchrow(
        "select min(balanced_on) as day from authority where purged_at is null and purge_started_at is null"
    )
    return row["day"].isoformat() if row["day"] is not None else None
