"""The relay: tells the broker of every committed job, once its time has come, and again when nobody took it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from tdt.crash import Step, reach
from tdt.db import jobs as db
from tdt.db.pool import Pool, transaction
from tdt.domain.errors import Temporary
from tdt.domain.ids import JobId

log = structlog.get_logger()

Tell = Callable[[list[JobId]], Awaitable[None]]
"""Publishes these jobs and comes back once the broker has confirmed all of them; raises when it did not."""

BATCH = 500
POLL_SECONDS = 5.0
SHORTEST_SECONDS = 0.2
RETELL_SECONDS = 30.0
FORGOTTEN_SECONDS = 60.0
"""A job told so long ago, due and still not taken: the broker may have lost it."""


class Relay:
    """One runs in every worker process; an advisory lock lets one of them at a time tell the broker."""

    def __init__(self, pool: Pool, tell: Tell, wait_seconds: float):
        self._pool = pool
        self._tell = tell
        self._wait_seconds = wait_seconds
        self._next_retell = asyncio.get_running_loop().time()

    async def run(self, noticed: asyncio.Event) -> None:
        """Tell what is due when noticed, when a delayed job falls due, and now and then. What tell() raises ends it."""
        while True:
            noticed.clear()
            try:
                wait = await self._tell_all()
            except Temporary as error:
                log.warning("queue.relay_waits", reason=error.message)
                wait = POLL_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await noticed.wait()

    async def _tell_all(self) -> float:
        """Tell everything due; gives the seconds until there is more to tell."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_retell:
            self._next_retell = now + RETELL_SECONDS
            await self._forget()
        while await self._tell_batch() == BATCH:
            pass
        async with transaction(self._pool, "system", self._wait_seconds) as connection:
            due = await db.get_seconds_to_unpublished(connection)
        return POLL_SECONDS if due is None else min(max(due, SHORTEST_SECONDS), POLL_SECONDS)

    async def _forget(self) -> None:
        async with transaction(self._pool, "system", self._wait_seconds) as connection:
            forgotten = await db.move_to_unpublished(connection, FORGOTTEN_SECONDS)
        if forgotten:
            log.info("queue.told_again", jobs=forgotten)

    async def _tell_batch(self) -> int:
        """A crash between the broker's confirms and our commit rings twice: harmless, a claim is conditional.

        No row is locked while the broker makes us wait: workers go on claiming them by themselves.
        """
        async with transaction(self._pool, "system", self._wait_seconds) as connection:
            if not await db.lock_outbox(connection):
                return 0  # another process is telling; it was noticed too
            jobs = await db.list_unpublished(connection, BATCH)
            if jobs:
                await self._tell(jobs)
                reach(Step.RELAY_CONFIRMED)
                await db.move_to_published(connection, jobs)
        if jobs:
            reach(Step.RELAY_RECORDED)
        return len(jobs)
