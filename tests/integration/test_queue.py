"""Doorbells: one contract for Postgres and RabbitMQ, on real ones; then what only a broker can suffer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import msgspec
import pytest
import structlog

from tdt.config import Config, Content, Database, Queue, Spool, Worker
from tdt.deps import Deps, open_deps, open_wakeups, utc_now
from tests.doorbells import (
    INLINE_BYTES,
    Answerer,
    add_contents,
    add_job,
    count_done,
    count_jobs,
    make_authority,
    no_job_left,
    until,
    with_poll,
    with_queue,
    working,
)
from tests.ports import free_port
from tests.postgres import TestDatabase
from tests.proxy import proxy
from tests.services import RabbitNode

NEVER = 600.0
"""Slow poll of the tests in which only rings count."""


@pytest.fixture
def plain(database: TestDatabase, tmp_path: Path) -> Config:
    return Config(
        database=Database(dsn=database.app_dsn, pool_size=6, wait_seconds=2.0),
        spool=Spool(directory=str(tmp_path / "spool")),
        content=Content(inline_bytes=INLINE_BYTES),
        worker=Worker(poll_seconds=NEVER, concurrency=4, shutdown_seconds=5.0),
    )


@pytest.fixture
def rabbit_config(plain: Config, rabbit: RabbitNode, database: TestDatabase) -> Config:
    return with_queue(plain, Queue(url=rabbit.url(), name=f"tdt.{database.name}", prefetch=5))


@pytest.fixture(params=["postgres", "rabbit"])
def config(request: pytest.FixtureRequest) -> Config:
    """Of each doorbell in turn."""
    chosen: Config = request.getfixturevalue("plain" if request.param == "postgres" else "rabbit_config")
    return chosen


@pytest.fixture
async def deps(config: Config) -> AsyncIterator[Deps]:
    async with open_deps(config) as opened:
        yield opened


TOLD = """
    insert into job (kind, object_id, published_at)
    select 'content.archive', n, now() - $2::text::interval from generate_series(1, $1) n"""


# ---------------------------------------------------------------------------------------------- the contract


async def test_every_committed_job_is_rung(deps: Deps) -> None:
    before = {await add_job(deps) for _ in range(20)}
    answerer = Answerer(deps, all_at_once=True)
    async with answerer.listening():
        during = {await add_job(deps) for _ in range(80)}
        await until(lambda: no_job_left(deps), f"done: {len(answerer.done)} of 100")
    assert sorted(answerer.done) == sorted(before | during)


async def test_a_rolled_back_job_is_not(deps: Deps) -> None:
    answerer = Answerer(deps)
    async with answerer.listening():
        with pytest.raises(ZeroDivisionError):
            async with deps.transaction("system") as connection:
                lost = await connection.fetchval(
                    "insert into job (kind, object_id) values ('content.archive', 0) returning id"
                )
                await connection.execute("select pg_notify('tdt_job', $1)", str(lost))
                raise ZeroDivisionError
        kept = await add_job(deps)
        await until(lambda: no_job_left(deps), "the committed job is done")
    assert answerer.done == [kept]
    assert lost not in answerer.rung


async def test_without_any_ring_the_worker_looks_by_itself(config: Config, deps: Deps) -> None:
    """As when a broker has lost what it was told: marked as told, never rung, not notified."""
    async with deps.transaction("system") as connection:
        await connection.execute(TOLD, 9, "0 min")
    async with working(with_poll(config, 0.2)) as metrics:
        await until(lambda: no_job_left(deps), "done by polling")
        assert count_done(metrics) == 9


async def test_a_delayed_job_waits_for_its_time(config: Config, deps: Deps) -> None:
    async with working(with_poll(config, 0.5)):
        due = utc_now() + timedelta(seconds=1.5)
        await add_job(deps, run_at=due)
        while utc_now() < due - timedelta(seconds=0.2):
            assert await count_jobs(deps) == 1
            await asyncio.sleep(0.05)
        await until(lambda: no_job_left(deps), "done once due", 5)


async def test_two_workers_do_five_hundred_jobs_once(config: Config, deps: Deps) -> None:
    authority = await make_authority(deps)
    added = 0
    async with working(config) as first, working(config) as second:

        async def both_have_worked() -> bool:
            """A worker whose doorbell is not connected yet would leave everything to the other one."""
            nonlocal added
            await add_contents(deps, authority, 10)
            added += 10
            return min(count_done(first), count_done(second)) > 0

        await until(both_have_worked, "both workers are woken", 60)
        await add_contents(deps, authority, max(500 - added, 0))
        added = max(500, added)
        await until(lambda: no_job_left(deps), f"done: {count_done(first)} and {count_done(second)} of {added}", 60)
    assert count_done(first) + count_done(second) == added
    async with deps.transaction("system") as connection:
        archived = await connection.fetchval("select count(*) from content where place = 'archive'")
        chunks = await connection.fetch("select content_id from content_chunk")
    assert (archived, len(chunks), len(set(chunks))) == (added, added, added)
    assert list(deps.spool.directory.iterdir()) == []


async def test_cut_from_its_doorbell_it_goes_on(config: Config, database: TestDatabase, deps: Deps) -> None:
    authority = await make_authority(deps)
    async with cuttable(config, database) as (reached, line), working(reached):
        await until(line.is_back, "the doorbell listens")
        for _ in range(3):
            await add_contents(deps, authority, 20)
            await line.cut()
            await add_contents(deps, authority, 20)
            await until(line.is_back, "the doorbell listens again")
        await add_contents(deps, authority, 20)
        await until(lambda: no_job_left(deps), "done in spite of the cuts")


@dataclass(frozen=True, slots=True)
class Line:
    """What cuts the doorbell's connections without a word, and whether it has connected again since."""

    cut: Callable[[], Awaitable[None]]
    is_back: Callable[[], Awaitable[bool]]


@asynccontextmanager
async def cuttable(config: Config, database: TestDatabase) -> AsyncIterator[tuple[Config, Line]]:
    """The configuration to work with, and its line."""
    if not config.queue.url:
        yield config, Line(lambda: _execute(database, CUT_LISTENERS), lambda: _execute(database, HAS_LISTENERS))
        return
    port = int(config.queue.url.rstrip("/").rpartition(":")[2])
    async with proxy(port) as relay:
        seen = [0]

        async def cut() -> None:
            seen[0] = relay.connections
            relay.cut()

        async def is_back() -> bool:
            return relay.connections > seen[0]

        url = config.queue.url.replace(f":{port}/", f":{relay.port}/")
        yield with_queue(config, msgspec.structs.replace(config.queue, url=url)), Line(cut, is_back)


async def _execute(database: TestDatabase, query: str) -> Any:
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        return await connection.fetchval(query, database.name)
    finally:
        await connection.close()


CUT_LISTENERS = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1 and query ilike 'listen%'"""
HAS_LISTENERS = "select count(*) > 0 from pg_stat_activity where datname = $1 and query ilike 'listen%'"


# ---------------------------------------------------------------------------------------------- the broker's own


async def test_a_restart_of_the_broker_loses_nothing(rabbit_config: Config, rabbit: RabbitNode) -> None:
    async with open_deps(rabbit_config) as deps, working(rabbit_config) as metrics:
        for _ in range(10):
            await add_job(deps)
        await until(lambda: no_job_left(deps), "done before the stop")
        async with stopped(rabbit):
            for _ in range(10):
                await add_job(deps)
            assert await count_jobs(deps) == 10
        await until(lambda: no_job_left(deps), "done after the restart")
        assert count_done(metrics) == 20


async def test_what_was_told_is_still_rung_after_a_restart(rabbit_config: Config, rabbit: RabbitNode) -> None:
    async with open_deps(rabbit_config) as deps:
        jobs = [await add_job(deps) for _ in range(12)]
        async with open_wakeups(deps).listen():  # takes none of the rings
            await until(lambda: _all_told(deps), "told")
        async with stopped(rabbit):
            pass
        answerer = Answerer(deps)
        async with answerer.listening():
            await until(lambda: no_job_left(deps), "done")
        assert sorted(answerer.done) == jobs
        assert set(answerer.rung) == set(jobs)


async def test_without_its_broker_a_worker_works_from_its_slow_poll(plain: Config) -> None:
    away = with_queue(plain, Queue(url=f"amqp://tdt:secret@127.0.0.1:{free_port()}/"))
    async with open_deps(away) as deps, working(with_poll(away, 0.2)):
        for _ in range(5):
            await add_job(deps)
        await until(lambda: no_job_left(deps), "done by polling")


async def test_a_job_told_long_ago_is_told_again(rabbit_config: Config) -> None:
    async with open_deps(rabbit_config) as deps:
        async with deps.transaction("system") as connection:
            await connection.execute(TOLD, 1, "2 min")
        answerer = Answerer(deps)
        async with answerer.listening():
            await until(lambda: no_job_left(deps), "told again and done")


async def test_two_relays_tell_each_job_once(rabbit_config: Config) -> None:
    """Only one process at a time tells the broker; a job rung twice would be harmless, and cost a look."""
    async with open_deps(rabbit_config) as deps, open_deps(rabbit_config) as others:
        first, second = Answerer(deps, "first"), Answerer(others, "second")
        async with first.listening(), second.listening():
            jobs = [await add_job(deps) for _ in range(100)]
            await until(lambda: no_job_left(deps), "done")
        assert sorted(first.done + second.done) == jobs
        assert sorted(filter(None, first.rung + second.rung)) == jobs


async def test_a_queue_that_was_deleted_is_made_again(rabbit_config: Config, rabbit: RabbitNode) -> None:
    async with open_deps(rabbit_config) as deps:
        answerer = Answerer(deps)
        async with answerer.listening():
            await add_job(deps)
            await until(lambda: no_job_left(deps), "done before")
            async with await aio_pika.connect(rabbit.url()) as connection, connection.channel() as channel:
                await channel.queue_delete(rabbit_config.queue.name)
            await add_job(deps)
            await until(lambda: no_job_left(deps), "done after")


async def test_a_foreign_message_is_dropped(rabbit_config: Config, rabbit: RabbitNode) -> None:
    async with open_deps(rabbit_config) as deps:
        answerer = Answerer(deps)
        async with answerer.listening():
            await add_job(deps)
            await until(lambda: no_job_left(deps), "the queue is there")
            async with await aio_pika.connect(rabbit.url()) as connection, connection.channel() as channel:
                await channel.default_exchange.publish(aio_pika.Message(b"hello"), rabbit_config.queue.name)
            await add_job(deps)
            await until(lambda: no_job_left(deps), "done after the foreign one")
        async with await aio_pika.connect(rabbit.url()) as connection, connection.channel() as channel:
            left = await channel.declare_queue(rabbit_config.queue.name, passive=True)
            assert left.declaration_result.message_count == 0


@pytest.mark.parametrize("fault", ["refused", "password"])
async def test_the_address_of_the_broker_is_not_logged(
    fault: str, plain: Config, rabbit: RabbitNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = free_port() if fault == "refused" else rabbit.port
    away = with_queue(plain, Queue(url=f"amqp://tdt:un-secret@127.0.0.1:{port}/"))
    with structlog.testing.capture_logs() as events:
        async with open_deps(away) as deps, open_wakeups(deps).listen():

            async def told() -> bool:
                return any(event["event"] == "queue.broker_away" for event in events)

            await until(told, "the failure is told")
    shown = f"{events} {caplog.text}"
    assert "un-secret" not in shown
    assert str(port) not in shown


@asynccontextmanager
async def stopped(rabbit: RabbitNode) -> AsyncIterator[None]:
    """The broker is stopped within the block, and speaks again after it."""
    await asyncio.to_thread(rabbit.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(rabbit.start)


async def _all_told(deps: Deps) -> bool:
    async with deps.transaction("system") as connection:
        return bool(await connection.fetchval("select bool_and(published_at is not null) from job"))
