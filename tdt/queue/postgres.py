"""The embedded doorbell: LISTEN/NOTIFY of Postgres, no broker to install."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tdt.db.pool import Pool
from tdt.queue.notices import job_notices
from tdt.queue.wakeups import Ring


class PostgresWakeups:
    """Rings on every commit that inserted a job. Rings are merged: one is enough to look at the table."""

    def __init__(self, pool: Pool):
        self._pool = pool

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[AsyncIterator[Ring]]:
        """Rings until the context ends; the listening connection is renewed when Postgres goes away."""
        async with job_notices(self._pool) as noticed:
            yield self._rings(noticed)

    async def answered(self, ring: Ring) -> None:
        """Nothing to tell Postgres: the job row says it all."""

    async def _rings(self, noticed: asyncio.Event) -> AsyncIterator[Ring]:
        while True:
            await noticed.wait()
            noticed.clear()
            yield Ring()
