"""Starts commands, starts again those that die, stops them in reverse order; none of them outlives this process."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()

CHILD = Path(__file__).with_name("child.py")
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
STEADY_SECONDS = 10.0
"""A command that lived this long starts again after the shortest pause."""
FIRST_TRIES = 8
"""Deaths before the first readiness after which the start is given up (about 7 seconds)."""
PROBE_SECONDS = 0.03
WATCH_SECONDS = 1.0
STDERR = 2


class StartFailed(Exception):
    """A command did not become ready."""


class Busy(Exception):
    """Another tree of processes uses this directory."""


def tied(command: Sequence[str], last_signal: int = signal.SIGKILL, parent: int | None = None) -> list[str]:
    """The command line that runs `command` and gives it `last_signal` when the process `parent` (we) dies."""
    tie = [sys.executable, "-I", "-S", str(CHILD), str(parent or os.getpid()), str(int(last_signal))]
    return [*tie, *command]


def _always_ready() -> Awaitable[bool]:
    return asyncio.sleep(0, True)


def _nothing() -> None: ...


def _no_progress(_pid: int) -> object:
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and how. `arguments` are already tied; `prepare` runs before each start.

    `silent_seconds`: once ready, a command that has been neither ready nor `progress`ing for so long is killed (0:
    never). `progress` is given its process id; a value that changes is a sign of life.
    """

    name: str
    arguments: Sequence[str]
    is_ready: Callable[[], Awaitable[bool]] = _always_ready
    environment: Mapping[str, str] | None = None
    prepare: Callable[[], None] = _nothing
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 15.0
    start_seconds: float = 60.0
    silent_seconds: float = 0.0
    progress: Callable[[int], object] = _no_progress


@dataclass(slots=True)
class _Kept:
    """A command that is kept running."""

    command: Command
    process: asyncio.subprocess.Process | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    deaths: int = 0
    born: float = 0.0
    stopping: bool = False


class Supervisor:
    """`keep_open`: descriptors that every child inherits (the lock of the directory: held until the last has gone)."""

    def __init__(self, keep_open: Sequence[int] = ()):
        self._keep_open = tuple(keep_open)
        self._kept: list[_Kept] = []

    async def start(self, command: Command) -> None:
        """Returns once the command is ready. Raises StartFailed; it is then stopped with the others by stop()."""
        kept = _Kept(command)
        self._kept.append(kept)
        kept.tasks.append(asyncio.create_task(self._keep(kept), name=f"keep {command.name}"))
        try:
            async with asyncio.timeout(command.start_seconds):
                while not await self._is_ready(kept):
                    if kept.deaths >= FIRST_TRIES:
                        raise StartFailed(f"{command.name} stops each time it is started: see the log above")
                    await asyncio.sleep(PROBE_SECONDS)
        except TimeoutError as error:
            raise StartFailed(f"{command.name} is not ready after {command.start_seconds:.0f} s") from error
        if command.silent_seconds:
            kept.tasks.append(asyncio.create_task(self._watch(kept), name=f"watch {command.name}"))
        log.info("sandbox.ready", process=command.name, pid=kept.process.pid if kept.process else None)

    async def stop(self) -> None:
        """Ends every command, the last started first; never raises for one that resists."""
        while self._kept:
            await _end(self._kept.pop())

    def pid(self, name: str) -> int | None:
        """The process that runs this command now."""
        found = [kept.process for kept in self._kept if kept.command.name == name and kept.process is not None]
        return found[0].pid if found else None

    async def _is_ready(self, kept: _Kept) -> bool:
        return kept.process is not None and kept.process.returncode is None and await kept.command.is_ready()

    async def _keep(self, kept: _Kept) -> None:
        pause = SHORTEST_PAUSE
        clock = asyncio.get_running_loop().time
        while not kept.stopping:
            kept.born = clock()
            code = await self._run(kept)
            if kept.stopping:
                return
            kept.deaths += 1
            if clock() - kept.born > STEADY_SECONDS:
                pause = SHORTEST_PAUSE
            log.warning("sandbox.died", process=kept.command.name, code=code, again_in_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _watch(self, kept: _Kept) -> None:
        command, clock = kept.command, asyncio.get_running_loop().time
        last_sign, progress = clock(), None
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            process, seen = kept.process, progress
            running = process is not None and process.returncode is None
            progress = command.progress(process.pid) if process is not None and running else None
            if progress != seen or await self._is_ready(kept):
                last_sign = clock()
            elif process is not None and running and clock() - max(last_sign, kept.born) > command.silent_seconds:
                log.warning("sandbox.silent", process=command.name, seconds=command.silent_seconds)
                process.kill()

    async def _run(self, kept: _Kept) -> int | str:
        """One life of the command; gives its exit code, or why it has none."""
        try:
            kept.command.prepare()
            kept.process = await self._spawn(kept.command)
        except OSError as error:  # no memory, no more processes, a full disk: it may pass
            return str(error)
        return await kept.process.wait()

    async def _spawn(self, command: Command) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C in the terminal comes to us alone, and we stop the others in order.
        return await asyncio.create_subprocess_exec(
            *command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,
            env=command.environment,
            start_new_session=True,
            pass_fds=self._keep_open,
        )


async def _end(kept: _Kept) -> None:
    kept.stopping = True
    process = kept.process
    if process is not None and process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(kept.command.stop_signal)
        try:
            async with asyncio.timeout(kept.command.stop_seconds):
                await process.wait()
        except TimeoutError:
            log.warning("sandbox.killed", process=kept.command.name, after_seconds=kept.command.stop_seconds)
            process.kill()
            await process.wait()
    for task in kept.tasks:
        task.cancel()
    await asyncio.wait(kept.tasks)


def own_directory(directory: Path) -> int:
    """A descriptor that says who runs this directory, which no child inherits. Raises Busy at once."""
    descriptor = os.open(directory / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Busy(f"{directory} is in use by another sandbox") from None
    return descriptor


async def lock_directory(directory: Path, seconds: float = 20.0) -> int:
    """A descriptor that holds the directory. The children inherit it, so that it also says that they have all gone.

    Waits for a former tree that is still ending. Raises Busy.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() > deadline:
                os.close(descriptor)
                raise Busy(f"{directory} is in use by another sandbox") from None
            await asyncio.sleep(0.1)
        else:
            return descriptor
