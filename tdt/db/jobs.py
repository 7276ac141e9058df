"""Job rows and worker heartbeats: the truth about background work; the broker only rings."""

from datetime import datetime

from tdt.db.pool import Connection, Record, affected
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import Job, JobKind, RetryAt

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
        select id from job where state = 'ready' and run_at <= now() and kind = any($2)
        order by run_at, id limit 1 for update skip locked)
    returning id, kind, authority_id, object_id, attempts"""


async def move_next_to_running(connection: Connection, worker: str, kinds: list[JobKind]) -> Job | None:
    """Claim the oldest job that is due among these kinds, or None."""
    row = await connection.fetchrow(CLAIM, worker, kinds)
    return _job(row) if row is not None else None


CLAIM_ONE = """
    update job set state = 'running', worker = $1, started_at = now(), attempts = attempts + 1
    where id = (
        select id from job where id = $2 and kind = any($3) and state = 'ready' and run_at <= now() for update)
    returning id, kind, authority_id, object_id, attempts"""
"""Without `skip locked`: the ring may come before the relay has committed that it was told."""


async def move_to_running(connection: Connection, worker: str, job: JobId, kinds: list[JobKind]) -> Job | None:
    """Claim this job if it is due, of one of these kinds, and nobody has it."""
    row = await connection.fetchrow(CLAIM_ONE, worker, job, kinds)
    return _job(row) if row is not None else None


def _job(row: Record) -> Job:
    return Job(JobId(row["id"]), JobKind(row["kind"]), row["authority_id"], row["object_id"], row["attempts"])


async def delete_done(connection: Connection, worker: str, job: JobId) -> bool:
    """The job is finished. False when it was taken from this worker meanwhile."""
    status = await connection.execute(
        "delete from job where id = $1 and worker = $2 and state = 'running'", job, worker
    )
    return affected(status) == 1


MOVE_TO_READY = """
    update job set state = 'ready', worker = null, published_at = null, last_error = $4,
        attempts = case when $5 then attempts else attempts - 1 end,
        run_at = case when woken_at >= started_at then now() else $3 end
    where id = $1 and worker = $2 and state = 'running'"""
"""What it waits for may have changed while it ran: then it is due at once."""


async def move_to_ready(connection: Connection, worker: str, job: JobId, step: RetryAt) -> None:
    """Give the job back, to be tried again."""
    await connection.execute(MOVE_TO_READY, job, worker, step.at, step.reason, step.counted)


MOVE_TO_DEAD = """
    update job set state = 'dead', worker = null, last_error = $3 where id = $1 and worker = $2 and state = 'running'"""


async def move_to_dead(connection: Connection, worker: str, job: JobId, reason: str) -> None:
    """Set the job aside for an operator."""
    await connection.execute(MOVE_TO_DEAD, job, worker, reason)


async def insert_heartbeat(connection: Connection, worker: str) -> None:
    """Say that this worker lives."""
    await connection.execute(
        "insert into worker (name) values ($1) on conflict (name) do update set seen_at = now()", worker
    )


async def delete_worker(connection: Connection, worker: str) -> None:
    """This worker stops by itself: what it still holds is free at once."""
    await connection.execute("delete from worker where name = $1", worker)


RECLAIM = """
    with gone as (delete from worker where seen_at < now() - make_interval(secs => $1) returning name),
    freed as (
        update job set state = 'ready', worker = null, published_at = null
        where state = 'running' and worker not in (select name from worker where name not in (select name from gone))
        returning id)
    select count(id) as jobs, pg_notify('tdt_job', '') from freed having count(id) > 0"""


async def move_orphans_to_ready(connection: Connection, dead_after_seconds: float) -> int:
    """Free the jobs of workers that have been silent for too long; gives how many."""
    freed: int | None = await connection.fetchval(RECLAIM, dead_after_seconds)
    return freed or 0


LOST = """
    update job set state = 'ready', worker = null, published_at = null
    where state = 'running' and worker = $1 and id <> all($2) and started_at < now() - make_interval(secs => $3)
    returning id, pg_notify('tdt_job', id::text)"""


async def move_lost_to_ready(
    connection: Connection, worker: str, in_hand: list[JobId], older_than_seconds: float
) -> list[JobId]:
    """Free what the rows say this worker runs, though it does not: a claim or an end whose commit was lost on the way.

    A claim that is being made is not in hand yet, hence the age.
    """
    return [JobId(row["id"]) for row in await connection.fetch(LOST, worker, in_hand, older_than_seconds)]


NEXT_DUE = "select min(run_at) from job where state = 'ready'"


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
    update job set published_at = now() where id = any($1) and state = 'ready' and run_at <= now()"""


async def move_to_published(connection: Connection, jobs: list[JobId]) -> None:
    """The broker has confirmed these. One that was taken and given back meanwhile is to be told again, later."""
    await connection.execute(MOVE_TO_PUBLISHED, jobs)


FORGET_PUBLISHED = """
    update job set published_at = null
    where state = 'ready' and published_at < now() - make_interval(secs => $1) and run_at <= now()"""


async def move_to_unpublished(connection: Connection, older_than_seconds: float) -> int:
    """Jobs told long ago and still not taken: the broker may have lost them, tell it again."""
    return affected(await connection.execute(FORGET_PUBLISHED, older_than_seconds))
