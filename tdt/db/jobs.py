"""Job rows and worker heartbeats: the truth about background work; the broker only rings."""

from collections.abc import Sequence
from datetime import datetime

from tdt.db.pool import Connection, Record, affected
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import Job, JobKind, RetryAt
from tdt.domain.turns import Line

CHANNEL = "tdt_job"
"""Notified, with the job's id, when a transaction that inserted a job commits."""

INSERT_JOB = """
    with made as (
        insert into job (kind, authority_id, object_id, run_at)
        values ($1, $2, $3, coalesce($4, now())) returning id)
    select id, pg_notify('tdt_job', id::text) from made"""


async def insert_job(
    connection: Connection, kind: JobKind, authority: AuthorityId | None, object_id: int, run_at: datetime | None = None
) -> JobId:
    """Add a job in the caller's transaction: both or neither."""
    return JobId(await connection.fetchval(INSERT_JOB, kind, authority, object_id, run_at))


CLAIM = """
    update job set state = 'running', worker = $1, started_at = now(), attempts = attempts + 1
    where id = (
        select next.id from unnest($2::text[], $3::boolean[]) as line(kind, large), lateral (
            select id from job j
            where state = 'ready' and j.kind = line.kind and j.large = line.large and turn is not null
                and run_at <= now()
            order by turn, id limit 1 for update skip locked) next
        limit 1)
    returning id, kind, authority_id, object_id, attempts, large"""
"""The lines are looked at in the order given, the next only when nothing of those before it is free."""


async def move_next_to_running(connection: Connection, worker: str, lines: Sequence[Line]) -> Job | None:
    """Claim the job whose turn it is in the first of these lines that has one, or None."""
    row = await connection.fetchrow(CLAIM, worker, [line.kind for line in lines], [line.large for line in lines])
    return _job(row) if row is not None else None


def _job(row: Record) -> Job:
    return Job(
        JobId(row["id"]), JobKind(row["kind"]), row["authority_id"], row["object_id"], row["attempts"], row["large"]
    )


async def delete_done(connection: Connection, worker: str, job: JobId) -> bool:
    """The job is finished. False when it was taken from this worker meanwhile."""
    status = await connection.execute(
        "delete from job where id = $1 and worker = $2 and state = 'running'", job, worker
    )
    return affected(status) == 1


MOVE_TO_READY = """
    update job set state = 'ready', worker = null, published_at = null, last_error = $4, takeovers = 0,
        turn = null,
        attempts = case when $5 then attempts else attempts - 1 end,
        run_at = case when woken_at >= started_at then now()
            when $7 then greatest(least($3, now() + ($3 - coalesce($6, now()))),
                now() + least($3 - coalesce($6, now()), interval '10 seconds'))
            else now() + ($3 - coalesce($6, now())) end
    where id = $1 and worker = $2 and state = 'running'"""
"""What it waits for may have changed while it ran: then it is due at once. Its worker lived: no takeover counts.

A delay counts from the clock of Postgres, not from that of a worker, which may be hours ahead. An instant that was said
is taken for itself, or for its distance from that worker's clock when that is nearer: too soon, it is only held again,
but not at once: a worker whose clock is behind would hold it without end.
"""


async def move_to_ready(
    connection: Connection, worker: str, job: JobId, step: RetryAt, clock: datetime | None = None
) -> None:
    """Give the job back, to be tried again. `clock`: what its worker believed to be now (None: what Postgres does)."""
    await connection.execute(MOVE_TO_READY, job, worker, step.at, step.reason, step.counted, clock, step.fixed)


MOVE_TO_DEAD = """
    update job set state = 'dead', worker = null, last_error = $3, code = $4, dead_at = now(), turn = null
    where id = $1 and worker = $2 and state = 'running'"""


async def move_to_dead(connection: Connection, worker: str, job: JobId, reason: str, code: str = "") -> None:
    """Set the job aside for an operator."""
    await connection.execute(MOVE_TO_DEAD, job, worker, reason, code)


async def insert_heartbeat(connection: Connection, worker: str) -> None:
    """Say that this worker lives."""
    await connection.execute(
        "insert into worker (name) values ($1) on conflict (name) do update set seen_at = now()", worker
    )


async def delete_worker(connection: Connection, worker: str) -> None:
    """This worker stops by itself: what it still holds is free at once."""
    await connection.execute("delete from worker where name = $1", worker)


RECLAIM = """
    with gone as (
        delete from worker where name in (
            select name from worker where seen_at < now() - make_interval(secs => $1) for update skip locked)
        returning name),
    orphans as materialized (
        select id from job
        where state = 'running' and worker not in (select name from worker where name not in (select name from gone))
        for update skip locked),
    freed as (
        update job j set state = 'ready', worker = null, published_at = null, takeovers = takeovers + 1,
            run_at = now() + make_interval(secs => least(10 * takeovers, 60))
        from orphans where j.id = orphans.id returning j.id)
    select count(id) as jobs, pg_notify('tdt_job', '') from freed having count(id) > 0"""
"""It waits for no row: what is locked has somebody, or is for the next heartbeat. Two workers that hold each other for
dead would otherwise wait for each other."""


async def move_orphans_to_ready(connection: Connection, dead_after_seconds: float) -> int:
    """Free the jobs of workers that have been silent for too long, each at its turn; gives how many.

    One that is taken over again waits longer each time: what shared its worker by chance has ended meanwhile.
    """
    freed: int | None = await connection.fetchval(RECLAIM, dead_after_seconds)
    return freed or 0


SET_KILLERS_ASIDE = """
    update job set state = 'dead', dead_at = now(), last_error = $2, code = $3, turn = null
    where id in (select id from job where state = 'ready' and takeovers >= $1 for update skip locked)
    returning id, kind, authority_id, object_id, attempts, large"""


async def move_killers_to_dead(connection: Connection, most: int, reason: str, code: str) -> list[Job]:
    """Set aside what was taken over so many times without its worker ever ending a try of it: it kills them."""
    return [_job(row) for row in await connection.fetch(SET_KILLERS_ASIDE, most, reason, code)]


LOST = """
    update job set state = 'ready', worker = null, published_at = null
    where id in (
        select id from job
        where state = 'running' and worker = $1 and id <> all($2) and started_at < now() - make_interval(secs => $3)
        for update skip locked)
    returning id, pg_notify('tdt_job', id::text)"""


async def move_lost_to_ready(
    connection: Connection, worker: str, in_hand: list[JobId], older_than_seconds: float
) -> list[JobId]:
    """Free what the rows say this worker runs, though it does not: a claim or an end whose commit was lost on the way.

    A claim that is being made is not in hand yet, hence the age.
    """
    return [JobId(row["id"]) for row in await connection.fetch(LOST, worker, in_hand, older_than_seconds)]


NEXT_DUE = """
    select least((select min(run_at) from job where state = 'ready' and turn is null),
        (select run_at from job where state = 'ready' and turn is not null limit 1))"""
"""What stands in line is due already, or nearly."""


async def get_next_due(connection: Connection) -> datetime | None:
    """Instant at which the next job may run."""
    due: datetime | None = await connection.fetchval(NEXT_DUE)
    return due


OUTBOX_LOCK = 0x7464746F
"""Advisory lock of the process that is telling the broker."""


async def lock_outbox(connection: Connection) -> bool:
    """One transaction at a time tells the broker: False when another one does."""
    locked: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", OUTBOX_LOCK)
    return locked


UNPUBLISHED = """
    select id from job where state = 'ready' and published_at is null and run_at <= now()
    order by run_at, id limit $1"""


async def list_unpublished(connection: Connection, limit: int) -> list[JobId]:
    """Due jobs that the broker has not been told about."""
    return [JobId(row["id"]) for row in await connection.fetch(UNPUBLISHED, limit)]


NEXT_UNPUBLISHED = """
    select extract(epoch from min(run_at) - now())::float8 from job where state = 'ready' and published_at is null"""


async def get_seconds_to_unpublished(connection: Connection) -> float | None:
    """Seconds until the broker must be told of a job, negative when it should have been, None when there is none."""
    seconds: float | None = await connection.fetchval(NEXT_UNPUBLISHED)
    return seconds


MOVE_TO_PUBLISHED = """
    update job set published_at = now() where id in (
        select id from job where id = any($1) and state = 'ready' and run_at <= now() order by id for no key update)"""


async def move_to_published(connection: Connection, jobs: list[JobId]) -> None:
    """The broker has confirmed these. One that was taken and given back meanwhile is to be told again, later."""
    await connection.execute(MOVE_TO_PUBLISHED, jobs)


FORGET_PUBLISHED = """
    update job set published_at = null where id in (
        select id from job
        where state = 'ready' and published_at < now() - make_interval(secs => $1) and run_at <= now()
        order by id for no key update)"""


async def move_to_unpublished(connection: Connection, older_than_seconds: float) -> int:
    """Jobs told long ago and still not taken: the broker may have lost them, tell it again."""
    return affected(await connection.execute(FORGET_PUBLISHED, older_than_seconds))


def write_wake(which: str, waits: str) -> str:
    """The statement that has jobs looked at again now: of those chosen by `which`, what says that it waits (`waits`).

    Those that run are marked too: they may have read before what has changed since (MOVE_TO_READY). The rows are taken
    in one order: two that wake never wait for each other.
    """
    return f"""
    with chosen as materialized (
        select j.id from job j where j.state in ('ready', 'running') and ({which}) order by j.id for no key update),
    woken as (
        update job j set woken_at = clock_timestamp(),
            run_at = case when state = 'ready' and {waits} then now() else run_at end,
            published_at = case when state = 'ready' and {waits} then null else published_at end
        from chosen where j.id = chosen.id
        returning j.id, j.state, j.last_error)
    select count(*), count(pg_notify('tdt_job', id::text)) from woken where state = 'ready' and {waits}"""
