"""What the tests of the doorbells do with one: commit jobs, answer rings, run real workers."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from tdt.config import Config, Queue
from tdt.db.authorities import NewAuthority, insert_authority
from tdt.db.content import insert_content
from tdt.db.jobs import delete_done, insert_heartbeat, insert_job
from tdt.deps import Deps, open_deps, open_wakeups
from tdt.domain.content import Body
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import Job, JobKind
from tdt.queue.wakeups import Ring, Wakeups
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.runner import Worker
from tests.claims import claim_next

BODY_BYTES = 200
INLINE_BYTES = 16


def with_queue(config: Config, queue: Queue) -> Config:
    return msgspec.structs.replace(config, queue=queue)


def with_poll(config: Config, seconds: float) -> Config:
    return msgspec.structs.replace(config, worker=msgspec.structs.replace(config.worker, poll_seconds=seconds))


async def until(ask: Callable[[], Awaitable[bool]], what: str, seconds: float = 30.0) -> None:
    """Ask until it is so."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await ask():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.05)


async def make_authority(deps: Deps) -> AuthorityId:
    async with deps.transaction("system") as connection:
        return await insert_authority(connection, NewAuthority("Commune d'essai", "123456782", 31, "034", "3"))


async def spool_body(deps: Deps, number: int) -> Body:
    writer = deps.spool.writer()
    writer.write(f"contenu {number} ".encode().ljust(BODY_BYTES, b"."))
    return await writer.finish()


async def add_contents(deps: Deps, authority: AuthorityId, count: int) -> None:
    """Spooled bodies, each with its job, ten a transaction."""
    bodies = await asyncio.gather(*(spool_body(deps, number) for number in range(count)))
    for start in range(0, count, 10):
        async with deps.transaction("system") as connection:
            for body in bodies[start : start + 10]:
                await insert_content(connection, authority, body)


async def add_job(deps: Deps, object_id: int = 0, run_at: datetime | None = None) -> JobId:
    """A job to archive a content (of a number that does not exist unless given): nothing is left to do."""
    async with deps.transaction("system") as connection:
        return await insert_job(connection, JobKind.CONTENT_ARCHIVE, None, object_id, run_at)


async def count_jobs(deps: Deps) -> int:
    async with deps.transaction("system") as connection:
        count: int = await connection.fetchval("select count(*) from job")
        return count


async def no_job_left(deps: Deps) -> bool:
    return await count_jobs(deps) == 0


class Answerer:
    """Takes rings as a worker does, and remembers the jobs that it got and what each ring said.

    `all_at_once`: all there is at each ring, as a worker does too. Else one: the rings can be counted, where no job is
    added while others are taken (it may be taken before it is told, and the ring that it used is another's).
    """

    def __init__(self, deps: Deps, name: str = "test", *, all_at_once: bool = False):
        self.deps = deps
        self.all_at_once = all_at_once
        self.name = name
        self.done: list[JobId] = []
        self.rung: list[JobId | None] = []

    @asynccontextmanager
    async def listening(self, wakeups: Wakeups | None = None) -> AsyncIterator[None]:
        wakeups = wakeups or open_wakeups(self.deps)
        async with self.deps.transaction("system") as connection:
            await insert_heartbeat(connection, self.name)
        async with wakeups.listen() as rings:
            task = asyncio.create_task(self._answer(rings, wakeups))
            try:
                yield
            finally:
                ended = task.done()
                task.cancel()
                outcomes = await asyncio.gather(task, return_exceptions=True)
                assert not ended, outcomes  # what ended it explains what did not come

    async def _answer(self, rings: AsyncIterator[Ring], wakeups: Wakeups) -> None:
        async for ring in rings:
            self.rung.append(ring.job)
            while (job := await self._claim()) is not None:
                async with self.deps.transaction("system") as connection:
                    assert await delete_done(connection, self.name, job.id)
                self.done.append(job.id)
                if ring.job is not None and not self.all_at_once:
                    break
            await wakeups.answered(ring)

    async def _claim(self) -> Job | None:
        """None when nothing is left: what another has under its hand for a moment is waited for."""
        while True:
            async with self.deps.transaction("system") as connection:
                job = await claim_next(connection, self.name)
                left = await connection.fetchval("select exists(select from job where state = 'ready')")
            if job is not None or not left:
                return job
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(config: Config) -> AsyncIterator[WorkerMetrics]:
    """A real worker with its own pool, stopped with the block."""
    async with open_deps(config) as deps:
        metrics = WorkerMetrics()
        worker = Worker(deps, metrics)
        ready = asyncio.Event()
        task = asyncio.create_task(worker.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if not task.done():
                yield metrics
        finally:
            worker.stop()
            await task


def count_done(metrics: WorkerMetrics) -> int:
    """How many jobs a worker has finished."""
    found = re.findall(r'^tdt_jobs_total\{.*outcome="done".*\} (\d+)', metrics.render().decode(), re.MULTILINE)
    return sum(map(int, found))
