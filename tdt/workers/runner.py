"""The worker: wake, claim, run, decide; heartbeat; take over the jobs of the dead; stop without losing anything."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import structlog

from tdt.db import jobs as db
from tdt.deps import Deps, Ring, Wakeups, open_wakeups
from tdt.domain.errors import Held, TdtError, Temporary
from tdt.domain.ids import JobId
from tdt.domain.jobs import Dead, Done, Job, JobKind, NextStep, RetryAt, next_step
from tdt.tasks import end
from tdt.workers.handlers import HANDLERS, first_retry
from tdt.workers.helios_watch import watch_helios
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.schedule import (
    ask_for_classifications,
    keep_house,
    listen_to_the_state,
    purge_closed,
    watch_certificates,
    watch_digests,
    watch_held,
    watch_revocation,
    watch_unanswered,
)

log = structlog.get_logger()

ARCHIVE_LANE = [JobKind.CONTENT_ARCHIVE]
"""Archiving large bodies has a lane of its own, one at a time: it must not delay what leaves for the State."""
MAIL_LANE = [JobKind.NOTICE_SEND, JobKind.ACTE_NOTIFY]
"""So has the mail: a server that hangs holds one loop, and thousands of notices delay nothing else."""
CHECK_LANE = [JobKind.ACTES_ANALYSE, JobKind.HELIOS_ANALYSE]
"""So have the checks of documents: an antivirus that hangs, documents that are slow to read, delay each other only."""
INFORMATION_LANE = [JobKind.HELIOS_SCHEMA, JobKind.HELIOS_INDEX]
"""What only tells, and decides nothing: one at a time, it delays no check."""
MAIN_LANE = [kind for kind in JobKind if kind not in (*ARCHIVE_LANE, *MAIL_LANE, *CHECK_LANE, *INFORMATION_LANE)]
TO_THE_STATE = (JobKind.ACTES_TRANSMIT, JobKind.HELIOS_TRANSMIT)
"""A destination that hangs holds each try for minutes: these never take all the loops, alone or together."""
OVERDUE_SECONDS = 0.5
"""How often to look again for a job that is due and that nobody takes: its clock is Postgres's, not ours."""


class Lane:
    """The rings that wait for some kinds of jobs. A call for any job is kept once: each one served calls the next."""

    def __init__(self, kinds: list[JobKind]):
        self.kinds = kinds
        self.claiming = asyncio.Lock()
        """One claim at a time: how many of a kind may run is counted before each."""
        self._rings: asyncio.Queue[Ring] = asyncio.Queue()
        self._called = False

    def ring(self, ring: Ring) -> None:
        if ring.job is None and ring.delivery is None:
            if self._called:
                return
            self._called = True
        self._rings.put_nowait(ring)

    def end(self) -> None:
        """Wake one loop up, whatever waits already."""
        self._rings.put_nowait(Ring())

    async def next_ring(self) -> Ring:
        ring = await self._rings.get()
        if ring.job is None and ring.delivery is None:
            self._called = False
        return ring


def worker_name() -> str:
    """A name never used before: a restarted worker is another worker."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class Worker:
    """One process that works until it is told to stop."""

    def __init__(self, deps: Deps, metrics: WorkerMetrics):
        self.name = worker_name()
        self._metrics = metrics
        self._deps = deps
        self._stopping = asyncio.Event()
        self._reschedule = asyncio.Event()
        self._main = Lane(MAIN_LANE)
        self._lanes = {
            self._main: max(deps.config.worker.concurrency, 1),
            Lane(ARCHIVE_LANE): 1,
            Lane(MAIL_LANE): 1,
            Lane(CHECK_LANE): deps.config.documents.concurrency,
            Lane(INFORMATION_LANE): 1,
        }
        """How many loops work on each."""
        self._in_hand: dict[JobId, JobKind] = {}

    def stop(self) -> None:
        """Claim nothing more; what runs may finish within the time set."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Work until stop(). What is still running after `shutdown_seconds` is cut, and claimed again by others."""
        wakeups = open_wakeups(self._deps)
        await self._say_alive()
        async with AsyncExitStack() as stack:
            rings = await stack.enter_async_context(wakeups.listen())
            helpers = [
                asyncio.create_task(self._dispatch(rings), name="dispatch"),
                asyncio.create_task(self._heartbeat(), name="heartbeat"),
                asyncio.create_task(self._look_by_itself(), name="timer"),
                asyncio.create_task(listen_to_the_state(self._deps), name="state"),
                asyncio.create_task(keep_house(self._deps), name="house"),
                asyncio.create_task(watch_held(self._deps, self._metrics), name="held"),
                asyncio.create_task(watch_unanswered(self._deps, self._metrics), name="unanswered"),
                asyncio.create_task(watch_helios(self._deps, self._metrics), name="helios"),
                asyncio.create_task(purge_closed(self._deps), name="purge"),
                asyncio.create_task(ask_for_classifications(self._deps), name="classifications"),
                asyncio.create_task(watch_revocation(self._deps, self._metrics), name="revocation"),
                asyncio.create_task(watch_certificates(self._deps, self._metrics), name="certificates"),
                asyncio.create_task(watch_digests(self._deps), name="digests"),
            ]
            loops = [
                asyncio.create_task(self._work(lane, wakeups))
                for lane, many in self._lanes.items()
                for _ in range(many)
            ]
            on_ready()
            stopped = asyncio.create_task(self._stopping.wait())
            # a task that ends by itself is a fault of ours: the process ends too, and is started again
            await asyncio.wait([stopped, *helpers, *loops], return_when=asyncio.FIRST_COMPLETED)
            self._stopping.set()
            await self._finish(loops, helpers)
            for task in (*helpers, *loops):
                if not task.cancelled() and (fault := task.exception()) is not None:
                    raise fault

    async def _finish(self, loops: list[asyncio.Task[None]], helpers: list[asyncio.Task[None]]) -> None:
        for lane, many in self._lanes.items():
            for _ in range(many):
                lane.end()
        state = next(task for task in helpers if task.get_name() == "state")
        state.cancel()
        _, late = await asyncio.wait(loops, timeout=self._deps.config.worker.shutdown_seconds)
        await end(*late, *helpers)
        if not late:
            async with self._deps.transaction("system") as connection:
                await db.delete_worker(connection, self.name)

    async def _dispatch(self, rings: AsyncIterator[Ring]) -> None:
        async for ring in rings:
            for lane in self._lanes:
                lane.ring(ring if lane is self._main else Ring())
            self._reschedule.set()

    async def _work(self, lane: Lane, wakeups: Wakeups) -> None:
        while True:
            ring = await lane.next_ring()
            if self._stopping.is_set():
                return
            try:
                async with lane.claiming:
                    job = await self._claim(ring, self._allowed(lane.kinds))
                if job is not None:
                    if ring.job is None:
                        lane.ring(Ring())  # there may be more: let another loop look while this one works
                    await self._run(job)
                    if job.kind in TO_THE_STATE:
                        lane.ring(Ring())  # its place is free: those that were left for it may go
            except Temporary as error:
                log.warning("worker.database_away", reason=error.message)
            finally:
                await wakeups.answered(ring)

    def _allowed(self, kinds: list[JobKind]) -> list[JobKind]:
        """Those of these kinds of which one more may run."""
        most = max((self._deps.config.worker.concurrency - 1) // len(TO_THE_STATE), 1)
        running = list(self._in_hand.values())
        return [kind for kind in kinds if kind not in TO_THE_STATE or running.count(kind) < most]

    async def _claim(self, ring: Ring, kinds: list[JobKind]) -> Job | None:
        job = await self._find(ring, kinds)
        if job is not None:
            self._in_hand[job.id] = job.kind
        return job

    async def _find(self, ring: Ring, kinds: list[JobKind]) -> Job | None:
        async with self._deps.transaction("system") as connection:
            if ring.job is not None:
                return await db.move_to_running(connection, self.name, ring.job, kinds)
            return await db.move_next_to_running(connection, self.name, kinds)

    async def _run(self, job: Job) -> None:
        structlog.contextvars.bind_contextvars(job=job.id, kind=job.kind, object=job.object_id)
        error: BaseException | None = None
        started = asyncio.get_running_loop().time()
        try:
            await HANDLERS[job.kind](self._deps, job.object_id)
        except TdtError as raised:
            error = raised
            if isinstance(raised, Held):
                log.info("job.held", reason=raised.message)
            else:
                log.warning("job.failed", code=raised.code, reason=raised.message, attempts=job.attempts)
        except Exception as raised:
            error = raised
            log.exception("job.crashed", attempts=job.attempts)
        finally:
            structlog.contextvars.unbind_contextvars("job", "kind", "object")
        step = next_step(job, error, self._deps.now(), first_retry(self._deps.config, job))
        self._metrics.observe(job.kind, type(step).__name__.lower(), asyncio.get_running_loop().time() - started)
        try:
            await self._conclude(job, step)
        finally:
            # not concluded, its row still says that we run it: the heartbeat frees it
            self._in_hand.pop(job.id, None)

    async def _conclude(self, job: Job, step: NextStep) -> None:
        async with self._deps.transaction("system") as connection:
            match step:
                case Done():
                    await db.delete_done(connection, self.name, job.id)
                case RetryAt():
                    await db.move_to_ready(connection, self.name, job.id, step)
                case Dead(reason):
                    log.error("job.dead", job=job.id, kind=job.kind, object=job.object_id, reason=reason)
                    await db.move_to_dead(connection, self.name, job.id, reason)
        self._reschedule.set()

    async def _say_alive(self) -> None:
        async with self._deps.transaction("system") as connection:
            await db.insert_heartbeat(connection, self.name)

    async def _heartbeat(self) -> None:
        """Say that we live; free the jobs that nobody runs: of workers silent for too long, and those we lost."""
        config = self._deps.config.worker
        steady_since = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(config.heartbeat_seconds)
            try:
                async with self._deps.transaction("system") as connection:
                    await db.insert_heartbeat(connection, self.name)
                    lost = await db.move_lost_to_ready(
                        connection, self.name, list(self._in_hand), config.dead_after_seconds
                    )
                    if lost:
                        log.warning("worker.jobs_lost", jobs=lost)
                    # after an outage of the database everybody looks dead: let the others speak first
                    if asyncio.get_running_loop().time() - steady_since > 2 * config.heartbeat_seconds:
                        freed = await db.move_orphans_to_ready(connection, config.dead_after_seconds)
                        if freed:
                            log.warning("worker.jobs_taken_over", jobs=freed)
            except Temporary:
                steady_since = asyncio.get_running_loop().time()

    async def _look_by_itself(self) -> None:
        """Ring when a delayed job falls due, and now and then in case a ring was lost."""
        while True:
            self._reschedule.clear()
            try:
                async with self._deps.transaction("system") as connection:
                    due = await db.get_next_due(connection)
            except Temporary:
                due = None
            wait = self._deps.config.worker.poll_seconds
            if due is not None:
                seconds = (due - self._deps.now()).total_seconds()
                wait = min(wait, max(seconds, 0.05) if seconds > 0 else OVERDUE_SECONDS)
            try:
                # not wait_for: before Python 3.12 it swallows a cancellation that comes together with the event
                async with asyncio.timeout(wait):
                    await self._reschedule.wait()
            except TimeoutError:
                for lane in self._lanes:
                    lane.ring(Ring())
            else:
                await asyncio.sleep(0.02)
