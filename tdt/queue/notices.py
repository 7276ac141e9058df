"""Notices of Postgres that a job was inserted (LISTEN/NOTIFY), as an event that is set whenever it is worth looking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from tdt.db.jobs import CHANNEL
from tdt.db.pool import UNREACHABLE, Pool, session
from tdt.tasks import end

log = structlog.get_logger()

RECONNECT_SECONDS = 0.5


@asynccontextmanager
async def job_notices(pool: Pool) -> AsyncIterator[asyncio.Event]:
    """Set at once, then on every commit that inserted a job; the reader clears it.

    The listening connection is renewed when Postgres goes away, and the event set again for what was missed.
    """
    noticed = asyncio.Event()
    noticed.set()  # what was inserted before we listened
    task = asyncio.create_task(_keep_listening(pool, noticed))
    try:
        yield noticed
    finally:
        await end(task)


async def _keep_listening(pool: Pool, noticed: asyncio.Event) -> None:
    while True:
        try:
            await _listen_once(pool, noticed)
        except UNREACHABLE as error:
            log.warning("queue.listen_lost", error=type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _listen_once(pool: Pool, noticed: asyncio.Event) -> None:
    lost = asyncio.Event()

    def on_notify(*_: Any) -> None:
        noticed.set()

    def on_lost(*_: Any) -> None:
        lost.set()

    async with session(pool) as connection:
        connection.add_termination_listener(on_lost)
        await connection.add_listener(CHANNEL, on_notify)
        try:
            noticed.set()
            await lost.wait()
        finally:
            if not connection.is_closed():
                connection.remove_termination_listener(on_lost)
                await connection.remove_listener(CHANNEL, on_notify)
