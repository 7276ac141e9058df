"""A command that is kept running: started again at once each time it dies, whoever killed it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.births import Life

PROBE_SECONDS = 0.05
PAUSE_SECONDS = 0.2
"""After a death by itself; one that we killed starts again at once."""
STOP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Death:
    """How a life ended: `expected` when it was our doing."""

    name: str
    code: int
    expected: bool
    armed: Mapping[str, str]
    lived: float


@dataclass(slots=True)
class Kept:
    """One command, begun by `begin` with the variables of that life. `on_death` hears of each end."""

    name: str
    log: Path
    begin: Callable[[Mapping[str, str]], Awaitable[Life]]
    is_ready: Callable[[], Awaitable[bool]]
    prepare: Callable[[], None] = lambda: None
    on_death: Callable[[Death], None] = lambda death: None
    process: Life | None = None
    armed: dict[str, str] = field(default_factory=dict)
    """More variables, of this life only."""
    born: float = 0.0
    _next: dict[str, str] = field(default_factory=dict)
    _expected: bool = False
    _stopping: bool = False
    _task: asyncio.Task[None] | None = None

    async def start(self, seconds: float = 60.0) -> None:
        """Come back once it is ready."""
        self._stopping = False
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        await self.wait_ready(seconds)

    async def wait_ready(self, seconds: float = 60.0) -> None:
        """AssertionError when it is not ready in time."""
        deadline = time.monotonic() + seconds
        while not await self.is_ready():
            if time.monotonic() > deadline:
                end = (await asyncio.to_thread(self.log.read_text, errors="replace"))[-1000:]
                raise AssertionError(f"{self.name} is not ready after {seconds:.0f} s: {end}")
            await asyncio.sleep(PROBE_SECONDS)

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def kill(self, then: Mapping[str, str] | None = None, number: int = signal.SIGKILL) -> bool:
        """Kill it (-9); its next life has these variables besides. False when it was dead already."""
        self._next = dict(then or {})
        if self.process is None or self.process.returncode is not None:
            return False
        self._expected = True
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return True

    def rearm(self, then: Mapping[str, str]) -> None:
        """Its next life, which has not begun, has these variables besides."""
        self._next = dict(then)

    async def stop(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> None:
        """End it for good."""
        self._stopping = True
        told, deadline = None, time.monotonic() + seconds
        while self._task is not None:
            late = time.monotonic() > deadline
            # a life that was beginning meanwhile is told too
            if self.process is not None and (late or self.process is not told):
                told = self.process
                with contextlib.suppress(ProcessLookupError):
                    told.send_signal(signal.SIGKILL if late else number)
            done, _ = await asyncio.wait({self._task}, timeout=STOP_SECONDS)
            if done:
                await self._task
                self._task = None

    async def _keep(self) -> None:
        while not self._stopping:
            self.prepare()
            self.armed, self._next, self._expected = self._next, {}, False
            self.born = time.monotonic()
            self.process = await self.begin(self.armed)
            code = await self.process.wait()
            if self._stopping:
                return
            self.on_death(Death(self.name, code, self._expected, self.armed, time.monotonic() - self.born))
            if not self._expected and code != -signal.SIGKILL:
                await asyncio.sleep(PAUSE_SECONDS)
