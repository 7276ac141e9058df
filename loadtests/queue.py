"""Publishing and consuming one job through RabbitMQ, from its commit on, against what aio-pika itself costs."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from loadtests.result import Outcome, Sample, compare, interleave
from loadtests.stand import Stand, database, run_sql
from tdt.config import Queue
from tdt.config_file import load
from tdt.db.pool import Pool, transaction
from tdt.deps import open_deps
from tdt.domain.jobs import JobKind
from tdt.queue.rabbit import CONFIRMS_IN_FLIGHT, QUEUE_ARGUMENTS, RabbitWakeups
from tests.services import RabbitNode

TARGET = 1.5
NAME = "loadtest"
COMMIT = f"""
    with made as (insert into job (kind, object_id) select '{JobKind.CONTENT_ARCHIVE}', 0 from generate_series(1, $1))
    select pg_notify('tdt_job', '')"""


def run(stand: Stand, rounds: int, quick: bool) -> Iterator[Outcome]:
    """CPU of our process for one job; the broker's is the same on both sides."""
    count = 500 if quick else 3_000

    def through_tdt(_number: int) -> Sample:
        run_sql(stand, "delete from job")
        return asyncio.run(_through_tdt(stand, url, count))

    with database(stand), _broker() as url:
        sides = interleave(
            rounds,
            ("tdt", through_tdt),
            ("aio-pika alone", lambda _: asyncio.run(_bare(url, count))),
        )
    note = (
        f"{count} jobs a round, quorum queue, {CONFIRMS_IN_FLIGHT} confirms in flight; tdt: with its outbox in Postgres"
    )
    yield compare("queue, one job", "CPU ms", sides, TARGET, at_least=False, note=note)


@contextmanager
def _broker() -> Iterator[str]:
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="tdt-rabbit-")))
    try:
        node.start()
        yield node.url()
    finally:
        node.close()


async def _through_tdt(stand: Stand, url: str, count: int) -> Sample:
    """Commit jobs; the relay tells the broker, which rings; each ring is answered."""
    async with open_deps(load(stand.directory / "tdt.toml")) as deps:
        wakeups = RabbitWakeups(deps.pool, Queue(url=url, name=NAME), 10.0)
        async with wakeups.listen() as rings:
            await _commit(deps.pool, 1)
            await wakeups.answered(await anext(rings))
            cpu, started = time.process_time(), time.monotonic()
            await _commit(deps.pool, count)
            for _ in range(count):
                await wakeups.answered(await anext(rings))
            return _sample(cpu, started, count)


async def _commit(pool: Pool, count: int) -> None:
    async with transaction(pool, "system") as connection:
        await connection.execute(COMMIT, count)


def _sample(cpu: float, started: float, count: int) -> Sample:
    seconds = time.monotonic() - started
    return Sample(1000 * (time.process_time() - cpu) / count, {"wall": 1000 * seconds / count})


async def _bare(url: str, count: int) -> Sample:
    """The same messages by the library alone."""
    async with await aio_pika.connect(url) as connection:
        channel, consuming = await connection.channel(on_return_raises=True), await connection.channel()
        await consuming.set_qos(prefetch_count=Queue().prefetch)
        queue = await consuming.declare_queue(f"{NAME}.bare", durable=True, arguments=QUEUE_ARGUMENTS)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(arrived.put)
        turns = asyncio.Semaphore(CONFIRMS_IN_FLIGHT)

        async def publish(number: int) -> None:
            message = aio_pika.Message(str(number).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            async with turns:
                await channel.default_exchange.publish(message, queue.name, mandatory=True)

        cpu, started = time.process_time(), time.monotonic()
        publishing = asyncio.gather(*map(publish, range(count)))
        for _ in range(count):
            await (await arrived.get()).ack()
        await publishing
        return _sample(cpu, started, count)
