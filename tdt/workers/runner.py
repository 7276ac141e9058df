"""The worker: wake, claim, run, decide; heartbeat; take over the jobs of the dead; stop without losing anything."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import structlog

from tdt.crash import Step, reach
from tdt.db import jobs as db
from tdt.db import turns
from tdt.db.pool import Connection
from tdt.deps import Deps, Ring, Wakeups, open_wakeups
from tdt.domain.errors import Held, TdtError, Temporary
from tdt.domain.ids import JobId
from tdt.domain.jobs import KILLED, KILLER, Dead, Done, Job, NextStep, RetryAt, next_step
from tdt.domain.turns import Line
from tdt.flows import restores
from tdt.notify import notify
from tdt.tasks import end, insist, run_until
from tdt.workers import lanes
from tdt.workers.balance_watch import watch_balances
from tdt.workers.breakers import watch_breakers
from tdt.workers.handlers import HANDLERS, first_retry
from tdt.workers.helios_watch import watch_helios
from tdt.workers.lateness import watch_lateness
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
from tdt.workers.work_gauges import watch_work

log = structlog.get_logger()

TRIES_TO_GIVE = 50
GIVING_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
"""What systemd is asked to wait on top of a try, while the database keeps this process from being ready."""
OVERDUE_SECONDS = 0.5
"""How often to look again for a job that is due and that nobody takes: its clock is Postgres's, not ours."""


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
        self._giving = asyncio.Lock()
        self._lanes = lanes.open_lanes(deps.config)
        """How many loops work on each."""
        self._main = next(iter(self._lanes))
        self._in_hand: dict[JobId, Line] = {}

    def stop(self) -> None:
        """Claim nothing more; what runs may finish within the time set."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Work until stop(). What is still running after `shutdown_seconds` is cut, and claimed again by others."""
        if not await run_until(self._stopping, insist("worker.database_away", self._begin)):
            return
        wakeups = open_wakeups(self._deps)
        async with AsyncExitStack() as stack:
            rings = await stack.enter_async_context(wakeups.listen())
            helpers = [
                asyncio.create_task(self._dispatch(rings), name="dispatch"),
                asyncio.create_task(self._heartbeat(), name="heartbeat"),
                asyncio.create_task(self._look_by_itself(), name="timer"),
                asyncio.create_task(listen_to_the_state(self._deps), name="state"),
                asyncio.create_task(restores.watch(self._deps), name="restores"),
                asyncio.create_task(keep_house(self._deps), name="house"),
                asyncio.create_task(watch_held(self._deps, self._metrics), name="held"),
                asyncio.create_task(watch_unanswered(self._deps, self._metrics), name="unanswered"),
                asyncio.create_task(watch_helios(self._deps, self._metrics), name="helios"),
                asyncio.create_task(watch_work(self._deps, self._metrics.work), name="work"),
                asyncio.create_task(watch_breakers(self._deps, self._metrics.breakers), name="breakers"),
                asyncio.create_task(watch_lateness(self._deps, self._metrics.lateness, self.name), name="lateness"),
                asyncio.create_task(purge_closed(self._deps), name="purge"),
                asyncio.create_task(ask_for_classifications(self._deps), name="classifications"),
                asyncio.create_task(watch_revocation(self._deps, self._metrics), name="revocation"),
                asyncio.create_task(watch_certificates(self._deps, self._metrics), name="certificates"),
                asyncio.create_task(watch_digests(self._deps), name="digests"),
                asyncio.create_task(watch_balances(self._deps, self._metrics), name="balances"),
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

    async def _begin(self) -> None:
        """Before the first job: the schema is ours, a restored base is noticed, the others know that we live."""
        seconds = self._deps.config.database.wait_seconds + PATIENCE_SECONDS
        notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")
        await self._deps.check_schema()
        await restores.notice(self._deps)
        async with self._deps.transaction("system") as connection:
            await db.insert_heartbeat(connection, self.name)

    async def _finish(self, loops: list[asyncio.Task[None]], helpers: list[asyncio.Task[None]]) -> None:
        for lane, many in self._lanes.items():
            for _ in range(many):
                lane.end()
        state = next(task for task in helpers if task.get_name() == "state")
        state.cancel()
        _, late = await asyncio.wait(loops, timeout=self._deps.config.worker.shutdown_seconds)
        await end(*late, *helpers)
        if not late:
            try:
                async with self._deps.transaction("system") as connection:
                    await db.delete_worker(connection, self.name)
            except Temporary as error:  # the others take it for dead in a moment, and find nothing to take over
                log.warning("worker.database_away", reason=error.message)

    async def _dispatch(self, rings: AsyncIterator[Ring]) -> None:
        async for ring in rings:
            await self._call(ring)
            self._reschedule.set()

    async def _call(self, ring: Ring) -> None:
        """Let what is due stand in line, then wake every lane: a ring only wakes, the turns say what is done."""
        more = await self._give_turns()
        for lane in self._lanes:
            lane.ring(ring if lane is self._main else Ring())
        while more:
            more = await self._give_turns()
            for lane in self._lanes:
                lane.ring(Ring())

    async def _give_turns(self) -> bool:
        """Whether there may be more to give. What could not be given now is when the worker looks by itself."""
        try:
            async with self._giving:
                for _ in range(TRIES_TO_GIVE):
                    async with self._deps.transaction("system") as connection:
                        given = await turns.move_due_to_line(connection, self._deps.config.worker.large_bytes)
                    if given is not None:
                        return given == turns.BATCH
                    # another process gives them; it may not have seen what we were told of
                    await asyncio.sleep(GIVING_SECONDS)
        except Temporary as error:
            log.warning("worker.database_away", reason=error.message)
        return False

    async def _work(self, lane: lanes.Lane, wakeups: Wakeups) -> None:
        while True:
            ring = await lane.next_ring()
            if self._stopping.is_set():
                return
            try:
                async with lane.claiming:
                    job = await self._claim(lane)
                if job is not None:
                    reach(Step.JOB_CLAIMED)
                    lane.ring(Ring())  # there may be more: let another loop look while this one works
                    await self._run(job)
                    if job.kind in lanes.TO_THE_STATE:
                        lane.ring(Ring())  # its place is free: those that were left for it may go
            except Temporary as error:
                log.warning("worker.database_away", reason=error.message)
            finally:
                await wakeups.answered(ring)

    async def _claim(self, lane: lanes.Lane) -> Job | None:
        allowed = lanes.allowed(lane.lines, list(self._in_hand.values()), self._deps.config.worker)
        async with self._deps.transaction("system") as connection:
            job = await db.move_next_to_running(connection, self.name, allowed)
        if job is not None:
            line = Line(job.kind, job.large)
            self._in_hand[job.id] = line
            lane.move_last(line)
        return job

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
        reach(Step.JOB_RUN)
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
                    await db.move_to_ready(connection, self.name, job.id, step, self._deps.now())
                case Dead(reason, code):
                    log.error("job.dead", job=job.id, kind=job.kind, object=job.object_id, code=code, reason=reason)
                    await db.move_to_dead(connection, self.name, job.id, reason, code)
        self._reschedule.set()

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
                        await self._take_over(connection)
            except Temporary:
                steady_since = asyncio.get_running_loop().time()

    async def _take_over(self, connection: Connection) -> None:
        """Free the jobs of the dead, and set aside those that kill whoever takes them."""
        config = self._deps.config.worker
        freed = await db.move_orphans_to_ready(connection, config.dead_after_seconds)
        if not freed:
            return
        log.warning("worker.jobs_taken_over", jobs=freed)
        reason = KILLED.format(config.takeovers)
        for job in await db.move_killers_to_dead(connection, config.takeovers, reason, KILLER):
            log.error("job.dead", job=job.id, kind=job.kind, object=job.object_id, code=KILLER, reason=reason)

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
                await self._call(Ring())
            else:
                await asyncio.sleep(0.02)
