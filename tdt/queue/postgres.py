"""The embedded doorbell: LISTEN/NOTIFY of Postgres, no broker to install."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from tdt.db.jobs import CHANNEL
from tdt.db.pool import AWAY, Pool
from tdt.queue.wakeups import Ring

log = structlog.get_logger()

RECONNECT_SECONDS = 0.5


class PostgresWakeups:
    """Rings on every commit that inserted a job. Rings are merged: one is enough to look at the table."""

    def __init__(self, pool: Pool):
        self._pool = pool

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Ring]]:
        """Rings until the context ends; the listening connection is renewed when Postgres goes away."""
        rung = asyncio.Event()
        rung.set()  # what was inserted before we listened
        task = asyncio.create_task(self._keep_listening(rung))
        try:
            yield self._rings(rung)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def answered(self, ring: Ring) -> None:
        """Nothing to tell Postgres: the job row says it all."""

    async def _rings(self, rung: asyncio.Event) -> AsyncIterator[Ring]:
        while True:
            await rung.wait()
            rung.clear()
            yield Ring()

    async def _keep_listening(self, rung: asyncio.Event) -> None:
        while True:
            try:
                await self._listen_once(rung)
            except AWAY as error:
                log.warning("queue.listen_lost", error=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self, rung: asyncio.Event) -> None:
        lost = asyncio.Event()

        def on_notify(*_: Any) -> None:
            rung.set()

        def on_lost(*_: Any) -> None:
            lost.set()

        async with self._pool.acquire() as connection:
            connection.add_termination_listener(on_lost)
            await connection.add_listener(CHANNEL, on_notify)
            try:
                rung.set()
                await lost.wait()
            finally:
                if not connection.is_closed():
                    connection.remove_termination_listener(on_lost)
                    await connection.remove_listener(CHANNEL, on_notify)
