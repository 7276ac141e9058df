"""Job rows on a real Postgres: claimed once, given back, set aside, taken from the dead."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from tdt.db import jobs as db
from tdt.db.pool import Pool, transaction
from tdt.db.turns import move_due_to_line
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import Job, JobKind, RetryAt
from tests.claims import LARGE, claim_next, lines
from tests.doorbells import until
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

ALL = list(JobKind)
MINUTE = timedelta(minutes=1)
WAITED_FOR = "select exists (select from pg_locks where pg_backend_pid() = any(pg_blocking_pids(pid)))"


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn, 20) as pool:
        yield pool


@pytest.fixture
async def authority(pool: Pool) -> AuthorityId:
    return await add_authority(pool)


async def add(pool: Pool, authority: AuthorityId, number: int, run_at: datetime | None = None) -> JobId:
    async with transaction(pool, authority) as connection:
        return await db.insert_job(connection, JobKind.ACTES_ANALYSE, authority, number, run_at)


async def claim(pool: Pool, worker: str = "w1", kinds: list[JobKind] | None = None) -> Job | None:
    async with transaction(pool, "system") as connection:
        return await claim_next(connection, worker, kinds or ALL)


async def now(pool: Pool) -> datetime:
    async with transaction(pool, "system") as connection:
        instant: datetime = await connection.fetchval("select now()")
    return instant


async def row(pool: Pool, job: JobId) -> dict[str, object] | None:
    async with transaction(pool, "system") as connection:
        found = await connection.fetchrow("select * from job where id = $1", job)
    return dict(found) if found is not None else None


async def test_a_job_is_claimed_then_done(pool: Pool, authority: AuthorityId) -> None:
    job = await add(pool, authority, 42)
    assert await claim(pool) == Job(job, JobKind.ACTES_ANALYSE, authority, 42, 1)
    assert await claim(pool) is None
    async with transaction(pool, "system") as connection:
        assert not await db.delete_done(connection, "w2", job)
        assert await db.delete_done(connection, "w1", job)
        assert not await db.delete_done(connection, "w1", job)
    assert await row(pool, job) is None


async def test_the_oldest_due_comes_first_and_the_future_waits(pool: Pool, authority: AuthorityId) -> None:
    here = await now(pool)
    future = await add(pool, authority, 1, here + MINUTE)
    second = await add(pool, authority, 2, here - MINUTE)
    first = await add(pool, authority, 3, here - 2 * MINUTE)
    claimed = [await claim(pool) for _ in range(3)]
    assert [job.id if job is not None else None for job in claimed] == [first, second, None]
    found = await row(pool, future)
    assert found is not None and found["turn"] is None
    async with transaction(pool, "system") as connection:
        assert await db.get_next_due(connection) == here + MINUTE


async def test_only_the_kinds_asked_for(pool: Pool, authority: AuthorityId) -> None:
    job = await add(pool, authority, 1)
    assert await claim(pool, kinds=[JobKind.CONTENT_ARCHIVE]) is None
    taken = await claim(pool, kinds=[JobKind.HELIOS_INGEST, JobKind.ACTES_ANALYSE])
    assert taken is not None and taken.id == job


async def test_a_rolled_back_transaction_leaves_no_job(pool: Pool, authority: AuthorityId) -> None:
    with pytest.raises(RuntimeError):
        async with transaction(pool, authority) as connection:
            await db.insert_job(connection, JobKind.ACTES_ANALYSE, authority, 1)
            raise RuntimeError
    assert await claim(pool) is None


async def test_a_retry_waits_and_counts(pool: Pool, authority: AuthorityId) -> None:
    job = await add(pool, authority, 1)
    await claim(pool)
    async with transaction(pool, "system") as connection:
        await db.move_to_published(connection, [job])
    later = await now(pool) + MINUTE
    async with transaction(pool, "system") as connection:
        await db.move_to_ready(connection, "w1", job, RetryAt(later, "INDISPONIBLE"))
    found = await row(pool, job)
    assert found is not None
    assert (found["state"], found["worker"], found["run_at"]) == ("ready", None, later)
    assert (found["published_at"], found["last_error"], found["attempts"]) == (None, "INDISPONIBLE", 1)
    assert await claim(pool) is None
    async with transaction(pool, "system") as connection:
        await connection.execute("update job set run_at = now() - interval '1 second'")
    again = await claim(pool)
    assert again is not None
    assert again.attempts == 2


async def test_a_worker_cannot_give_back_what_was_taken_from_it(pool: Pool, authority: AuthorityId) -> None:
    job = await add(pool, authority, 1)
    await claim(pool, "w2")
    async with transaction(pool, "system") as connection:
        await db.move_to_ready(connection, "w1", job, RetryAt(await connection.fetchval("select now()"), "x"))
        await db.move_to_dead(connection, "w1", job, "x")
    found = await row(pool, job)
    assert found is not None
    assert (found["state"], found["worker"]) == ("running", "w2")


async def test_a_dead_job_stays_for_the_operator(pool: Pool, authority: AuthorityId) -> None:
    job = await add(pool, authority, 1)
    await claim(pool)
    async with transaction(pool, "system") as connection:
        await db.move_to_dead(connection, "w1", job, "Nature inconnue.")
    assert await claim(pool) is None
    async with transaction(pool, "system") as connection:
        assert await db.get_next_due(connection) is None
    found = await row(pool, job)
    assert found is not None
    assert (found["state"], found["last_error"]) == ("dead", "Nature inconnue.")


async def test_the_jobs_of_a_silent_worker_are_taken_over(pool: Pool, authority: AuthorityId) -> None:
    held, kept = await add(pool, authority, 1), await add(pool, authority, 2)
    async with transaction(pool, "system") as connection:
        await db.insert_heartbeat(connection, "silent")
        await db.insert_heartbeat(connection, "alive")
    assert [await claim(pool, "silent"), await claim(pool, "alive")] == [
        Job(held, JobKind.ACTES_ANALYSE, authority, 1, 1),
        Job(kept, JobKind.ACTES_ANALYSE, authority, 2, 1),
    ]
    async with transaction(pool, "system") as connection:
        assert await db.move_orphans_to_ready(connection, 8) == 0
        await connection.execute("update worker set seen_at = now() - interval '9 seconds' where name = 'silent'")
    async with transaction(pool, "system") as connection:
        assert await db.move_orphans_to_ready(connection, 8) == 1
    again = await claim(pool, "alive")
    assert again is not None
    assert (again.id, again.attempts) == (held, 2)
    async with transaction(pool, "system") as connection:
        assert not await db.delete_done(connection, "silent", held)
        assert [worker["name"] for worker in await connection.fetch("select name from worker")] == ["alive"]


async def test_a_worker_that_spoke_again_keeps_its_jobs(pool: Pool, authority: AuthorityId) -> None:
    await add(pool, authority, 1)
    async with transaction(pool, "system") as connection:
        await db.insert_heartbeat(connection, "slow")
        await connection.execute("update worker set seen_at = now() - interval '9 seconds'")
    await claim(pool, "slow")
    async with transaction(pool, "system") as connection:
        await db.insert_heartbeat(connection, "slow")
    async with transaction(pool, "system") as connection:
        assert await db.move_orphans_to_ready(connection, 8) == 0


async def test_a_worker_that_stopped_frees_what_it_held(pool: Pool, authority: AuthorityId) -> None:
    await add(pool, authority, 1)
    async with transaction(pool, "system") as connection:
        await db.insert_heartbeat(connection, "w1")
    await claim(pool)
    async with transaction(pool, "system") as connection:
        await db.delete_worker(connection, "w1")
    async with transaction(pool, "system") as connection:
        assert await db.move_orphans_to_ready(connection, 8) == 1


async def test_twenty_claimers_take_each_job_once(pool: Pool, authority: AuthorityId) -> None:
    jobs = {await add(pool, authority, number) for number in range(200)}
    taken: list[JobId] = []

    async def work(worker: str) -> None:
        while (job := await claim(pool, worker)) is not None:
            taken.append(job.id)

    await asyncio.gather(*(work(f"w{number}") for number in range(20)))
    assert len(taken) == 200
    assert set(taken) == jobs


async def test_claiming_never_waits_for_another_claim(pool: Pool, authority: AuthorityId) -> None:
    """SKIP LOCKED: twenty claims in transactions that all stay open together."""
    for number in range(20):
        await add(pool, authority, number)
    async with transaction(pool, "system") as connection:
        assert await move_due_to_line(connection, LARGE) == 20
    everybody = asyncio.Barrier(20)

    async def hold(worker: str) -> JobId:
        async with transaction(pool, "system") as connection:
            job = await db.move_next_to_running(connection, worker, lines(ALL))
            assert job is not None
            async with asyncio.timeout(20):
                await everybody.wait()
            return job.id

    taken = await asyncio.gather(*(hold(f"w{number}") for number in range(20)))
    assert len(set(taken)) == 20


async def test_one_job_asked_for_twenty_times_is_taken_once(pool: Pool, authority: AuthorityId) -> None:
    await add(pool, authority, 1)
    claims = await asyncio.gather(*(claim(pool, f"w{number}") for number in range(20)))
    assert sum(one is not None for one in claims) == 1


async def test_the_bell_rings_at_the_commit_and_not_before(
    pool: Pool, database: TestDatabase, authority: AuthorityId
) -> None:
    rings: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(database.app_dsn)
    try:
        await listener.add_listener(db.CHANNEL, lambda *heard: rings.put_nowait(str(heard[-1])))
        async with transaction(pool, authority) as connection:
            job = await db.insert_job(connection, JobKind.ACTES_ANALYSE, authority, 1)
            await listener.fetchval("select 1")
            assert rings.empty()
        async with asyncio.timeout(10):
            assert await rings.get() == str(job)
    finally:
        await listener.close()


async def test_what_the_broker_was_not_told(pool: Pool, authority: AuthorityId) -> None:
    here = await now(pool)
    due = [await add(pool, authority, number, here - number * MINUTE) for number in (1, 2)]
    await add(pool, authority, 3, here + MINUTE)
    async with transaction(pool, "system") as first, transaction(pool, "system") as second:
        assert await db.lock_outbox(first)
        assert not await db.lock_outbox(second)
        assert await db.list_unpublished(first, 10) == [due[1], due[0]]
        await db.move_to_published(first, await db.list_unpublished(first, 1))
    async with transaction(pool, "system") as connection:
        assert await db.list_unpublished(connection, 10) == [due[0]]
        assert await db.move_to_unpublished(connection, 60) == 0
        await connection.execute("update job set published_at = now() - interval '2 minutes' where id = $1", due[1])
        assert await db.move_to_unpublished(connection, 60) == 1
    async with transaction(pool, "system") as connection:
        assert await db.list_unpublished(connection, 10) == [due[1], due[0]]


async def test_a_collectivite_sees_only_its_own_jobs(pool: Pool, authority: AuthorityId) -> None:
    await add(pool, authority, 1)
    other = await add_authority(pool)
    async with transaction(pool, other) as connection:
        assert await db.get_next_due(connection) is None
        assert await claim_next(connection, "w", ALL) is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(pool, other) as connection:
            await db.insert_job(connection, JobKind.ACTES_ANALYSE, authority, 1)


async def test_what_kills_its_workers_is_set_aside_and_what_ends_a_try_is_not(
    pool: Pool, authority: AuthorityId
) -> None:
    killer, unlucky = await add(pool, authority, 1), await add(pool, authority, 2)

    async def take(job: JobId, name: str) -> None:
        """Nothing else is due."""
        async with transaction(pool, "system") as connection:
            await connection.execute("update job set run_at = now() + interval '1 hour' * (id <> $1)::int", job)
        taken = await claim(pool, name)
        assert taken is not None and taken.id == job

    async def die(job: JobId, name: str) -> list[JobId]:
        """A worker takes it and is heard no more."""
        async with transaction(pool, "system") as connection:
            await db.insert_heartbeat(connection, name)
        await take(job, name)
        async with transaction(pool, "system") as connection:
            await connection.execute("update worker set seen_at = now() - interval '1 minute' where name = $1", name)
            assert await db.move_orphans_to_ready(connection, 8) == 1
            return [one.id for one in await db.move_killers_to_dead(connection, 3, "tué", "TRAVAILLEUR_TUE")]

    assert await die(killer, "a") == await die(killer, "b") == await die(unlucky, "c") == await die(unlucky, "d") == []
    await take(unlucky, "e")
    async with transaction(pool, "system") as connection:
        at = await connection.fetchval("select now()")
        await db.move_to_ready(connection, "e", unlucky, RetryAt(at, "INDISPONIBLE"))
    assert await die(unlucky, "f") == []
    assert await die(killer, "g") == [killer]
    found = await row(pool, killer)
    assert found is not None
    assert (found["state"], found["code"], found["last_error"]) == ("dead", "TRAVAILLEUR_TUE", "tué")
    assert found["dead_at"] is not None


async def test_two_workers_that_hold_each_other_for_dead_do_not_wait_for_each_other(pool: Pool) -> None:
    """After a pause of the machine: both have just said that they live, neither has seen it of the other."""
    async with transaction(pool, "system") as connection:
        await connection.execute("insert into worker (name, seen_at) values ('a', '2026-01-01'), ('b', '2026-01-01')")
    both_spoke = asyncio.Barrier(2)

    async def beat(worker: str) -> None:
        async with transaction(pool, "system") as connection:
            await db.insert_heartbeat(connection, worker)
            await both_spoke.wait()
            await db.move_orphans_to_ready(connection, 60)

    await asyncio.gather(beat("a"), beat("b"))
    async with transaction(pool, "system") as connection:
        rows = await connection.fetch("select name from worker order by name")
    assert [row["name"] for row in rows] == ["a", "b"]


async def test_what_wakes_many_jobs_takes_them_in_one_order(pool: Pool, authority: AuthorityId) -> None:
    """While another transaction takes the same ones, the lowest number first."""
    first, second = await add(pool, authority, 1), await add(pool, authority, 2)
    async with transaction(pool, "system") as connection:
        await connection.execute("update job set attempts = 0 where id = $1", first)  # now stored after the second

    async def wake() -> None:
        async with transaction(pool, "system") as connection:
            await connection.fetchval(db.write_wake("true", "true"))

    async with transaction(pool, "system") as connection:
        await connection.execute("select from job where id = $1 for update", first)
        waking = asyncio.create_task(wake())
        await until(lambda: connection.fetchval(WAITED_FOR), "nobody waits for the first job")
        await connection.execute("select from job where id = $1 for update", second)
    await waking


async def test_a_worker_whose_clock_is_behind_does_not_look_without_end(pool: Pool, authority: AuthorityId) -> None:
    """It holds a job for an hour of its own: for Postgres that hour is over."""
    job = await add(pool, authority, 1)
    assert await claim(pool) is not None
    real = await now(pool)
    async with transaction(pool, "system") as connection:
        step = RetryAt(real - 60 * MINUTE, "LIAISON_SUSPENDUE", counted=False, fixed=True)
        await db.move_to_ready(connection, "w1", job, step, real - 120 * MINUTE)
    found = await row(pool, job)
    assert found is not None and isinstance(found["run_at"], datetime)
    assert found["run_at"] >= real + timedelta(seconds=10)
