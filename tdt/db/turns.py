"""The lines of due jobs: whose turn comes when is decided as a job falls due, and read from an index at each claim."""

from itertools import groupby
from operator import itemgetter

from tdt.db.pool import Connection, Record, as_record
from tdt.domain.ids import AuthorityId
from tdt.domain.turns import Standing, next_turns

BATCH = 500
LINE_LOCK = 0x7475726E
"""Advisory lock of the transaction that gives turns: two at once would give the same ones."""
SILENT = "10s"
"""A process that is frozen while it gives them loses the lock after this: till then no job stands in line."""
LOCK_LINE = "select set_config('idle_in_transaction_session_timeout', $2, true), pg_try_advisory_xact_lock($1) as given"

SIZE = """
    case
        when kind = 'actes.analyse' then (
            select sum(f.size) from acte_transaction t join acte_file f on f.envelope_id = t.envelope_id
            where t.id = object_id and f.transaction_id = t.id)
        when kind in ('actes.package', 'actes.transmit')
            then (select sum(size) from acte_file where envelope_id = object_id)
        when kind in ('helios.analyse', 'helios.transmit')
            then (select size from helios_transaction where id = object_id)
    end"""
"""Known since the deposit. A transaction of actes is looked for in its envelope: by the index that is there."""

DUE = f"""
    with due as materialized (
        select id, kind, tenant, object_id, run_at from job
        where state = 'ready' and turn is null and run_at <= now() order by run_at, id limit $1
        for update skip locked),
    sized as materialized (select due.*, coalesce({SIZE} >= $2, false) as large from due),
    lines as materialized (
        select kind, large, greatest(0,
            (select turn from job j
                where state = 'running' and j.kind = l.kind and j.large = l.large and turn is not null
                order by turn desc limit 1),
            (select turn from job j
                where state = 'ready' and j.kind = l.kind and j.large = l.large and turn is not null
                order by turn limit 1)) as serving
        from (select distinct kind, large from sized) l),
    tenants as materialized (
        select kind, large, tenant, coalesce(a.weight, 1) as weight,
            (select turn from job j where j.kind = t.kind and j.large = t.large and j.tenant = t.tenant
                and turn is not null order by turn desc limit 1) as last
        from (select distinct kind, large, tenant from sized) t left join authority a on a.id = t.tenant)
    select id, kind, large, tenant, serving, last, weight
    from sized join lines using (kind, large) join tenants using (kind, large, tenant)
    order by kind, large, tenant, run_at, id"""
STAND = """
    update job set turn = given.turn, large = given.large
    from unnest($1::bigint[], $2::bigint[], $3::boolean[]) as given(id, turn, large) where job.id = given.id"""


async def move_due_to_line(connection: Connection, large_bytes: int) -> int | None:
    """Give a turn to jobs that are due and have none, BATCH at most: how many; None when another is giving them."""
    if not as_record(await connection.fetchrow(LOCK_LINE, LINE_LOCK, SILENT))["given"]:
        return None
    rows = await connection.fetch(DUE, BATCH, large_bytes)
    if rows:
        turns = [turn for _, those in groupby(rows, itemgetter("kind", "large", "tenant")) for turn in _turns([*those])]
        await connection.execute(STAND, [row["id"] for row in rows], turns, [row["large"] for row in rows])
    return len(rows)


def _turns(rows: list[Record]) -> list[int]:
    first = rows[0]
    return next_turns(Standing(first["serving"], first["last"], first["weight"]), len(rows))


async def get_weight(connection: Connection, authority: AuthorityId) -> int:
    """How many turns a collectivité has where another has one."""
    weight: int = await connection.fetchval("select weight from authority where id = $1", authority)
    return weight


async def move_weight(connection: Connection, authority: AuthorityId, weight: int) -> None:
    """Change it, for the turns that are given from now on."""
    await connection.execute("update authority set weight = $2 where id = $1", authority, weight)
