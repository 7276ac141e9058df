"""The doorbell of a RabbitMQ broker: a durable quorum queue of job ids, filled after commit by the relay.

The broker only rings. Losing it, or anything in it, loses no job: the rows are in Postgres and workers also look there.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aio_pika.connection import make_url
from aio_pika.exceptions import AMQPError
from pamqp.common import FieldTable
from pamqp.exceptions import PAMQPException

from tdt.config import Queue
from tdt.db.pool import Pool
from tdt.domain.ids import JobId
from tdt.queue.notices import job_notices
from tdt.queue.outbox import Relay
from tdt.queue.wakeups import Ring
from tdt.tasks import end, run_until

log = structlog.get_logger()

CONFIRMS_IN_FLIGHT = 50
CONNECT_SECONDS = 10.0
CONFIRM_SECONDS = 10.0
CLOSE_SECONDS = 2.0
RECONNECT_SECONDS = 1.0
HEARTBEAT_SECONDS = 15
"""Announced to the broker: a connection that died without a word is noticed within a minute."""

QUEUE_ARGUMENTS: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
"""Being delivered again is normal here (a worker was stopped); RabbitMQ 4 drops a message after 20 times by default."""

BROKER_AWAY = (AMQPError, PAMQPException, OSError, RuntimeError, StopAsyncIteration)
"""What the library raises when the broker is stopped, refuses, or is cut from us: a closed connection or channel may
also be a bare RuntimeError, one that ends while it is being opened a StopAsyncIteration."""

for _library in ("aio_pika", "aiormq"):
    # their messages carry the address of the broker; what matters of them is logged here
    logging.getLogger(_library).setLevel(logging.CRITICAL)


class BrokerAway(Exception):
    """The broker does not answer, or not as it should; the cause is kept."""


class RabbitWakeups:
    """Rings with the id of a committed job; a ring is acknowledged once a worker has taken care of it."""

    def __init__(self, pool: Pool, queue: Queue, wait_seconds: float):
        self._pool = pool
        self._queue = queue
        self._wait_seconds = wait_seconds

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Ring]]:
        """Rings until the context ends; unanswered ones then go to other workers. A lost broker is waited for."""
        rings: asyncio.Queue[Ring | None] = asyncio.Queue()
        async with job_notices(self._pool) as noticed:
            task = asyncio.create_task(self._keep_connected(rings, noticed))
            task.add_done_callback(lambda _: rings.put_nowait(None))
            try:
                yield _until_end(rings, task)
            finally:
                await end(task)

    async def answered(self, ring: Ring) -> None:
        """Acknowledge the delivery; one whose connection is gone has been handed out again, which does no harm."""
        if isinstance(ring.delivery, AbstractIncomingMessage):
            try:
                await ring.delivery.ack()
            except BROKER_AWAY as error:
                log.info("queue.answer_lost", error=type(error).__name__)

    async def _keep_connected(self, rings: asyncio.Queue[Ring | None], noticed: asyncio.Event) -> None:
        while True:
            try:
                await self._serve_once(rings, noticed)
            except BrokerAway as error:
                log.warning("queue.broker_away", error=type(error.__cause__ or error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _serve_once(self, rings: asyncio.Queue[Ring | None], noticed: asyncio.Event) -> None:
        """Consume and relay until the connection or a channel is lost."""
        async with _connect(self._queue.url) as connection:
            lost = asyncio.Event()
            publishing = await _open(connection, lost)
            await _consume(await _open(connection, lost), self._queue, rings, lost)
            log.info("queue.broker_connected", queue=self._queue.name)

            async def tell(jobs: list[JobId]) -> None:
                await _publish(publishing, self._queue.name, jobs)

            noticed.set()
            await run_until(lost, Relay(self._pool, tell, self._wait_seconds).run(noticed))
            raise BrokerAway("connection lost")


async def _until_end(rings: asyncio.Queue[Ring | None], task: asyncio.Task[None]) -> AsyncIterator[Ring]:
    while (ring := await rings.get()) is not None:
        yield ring
    if not task.cancelled():
        task.result()  # a fault of ours: it must end the worker, not silence it


async def probe(url: str, seconds: float) -> str:
    """Why the broker cannot be used, in a few words without its address; empty when it can."""
    try:
        async with asyncio.timeout(seconds), _connect(url):
            return ""
    except TimeoutError:
        return f"pas de réponse en {seconds:g} s"
    except BrokerAway as error:
        return str(error)


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[AbstractConnection]:
    """A connection; whatever the library raises within comes out as BrokerAway."""
    try:
        connection = aio_pika.Connection(make_url(_with_heartbeat(url)))
        try:
            await connection.connect(timeout=CONNECT_SECONDS)
            yield connection
        finally:
            # one that never came up too: else its destructor closes it, maybe when no loop runs any more
            await _close(connection)
    except BROKER_AWAY as error:
        raise BrokerAway(type(error).__name__) from error


def _with_heartbeat(url: str) -> str:
    if "heartbeat=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}heartbeat={HEARTBEAT_SECONDS}"


async def _close(connection: AbstractConnection) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
    except BROKER_AWAY as error:
        log.info("queue.close_failed", error=type(error).__name__)


async def _open(connection: AbstractConnection, lost: asyncio.Event) -> AbstractChannel:
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    channel.close_callbacks.add(lambda *_: lost.set())
    return channel


async def _consume(
    channel: AbstractChannel, settings: Queue, rings: asyncio.Queue[Ring | None], lost: asyncio.Event
) -> None:
    await channel.set_qos(prefetch_count=settings.prefetch)
    underlay = await channel.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())  # the queue was deleted
    queue = await channel.declare_queue(settings.name, durable=True, arguments=QUEUE_ARGUMENTS)

    async def on_message(message: AbstractIncomingMessage) -> None:
        if message.body.isdigit():
            rings.put_nowait(Ring(JobId(int(message.body)), message))
        else:
            log.warning("queue.foreign_message", size=len(message.body))
            await message.reject(requeue=False)

    await queue.consume(on_message)


async def _publish(channel: AbstractChannel, queue: str, jobs: list[JobId]) -> None:
    """Come back when the broker has all of them on disk, BrokerAway otherwise."""
    turns = asyncio.Semaphore(CONFIRMS_IN_FLIGHT)

    async def publish(job: JobId) -> None:
        message = aio_pika.Message(str(job).encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        async with turns:
            await channel.default_exchange.publish(message, queue, mandatory=True, timeout=CONFIRM_SECONDS)

    for outcome in await asyncio.gather(*map(publish, jobs), return_exceptions=True):
        if isinstance(outcome, BROKER_AWAY):
            # translated here: the transaction around us would take a lost connection for the database's
            raise BrokerAway("publish") from outcome
        if isinstance(outcome, BaseException):
            raise outcome
