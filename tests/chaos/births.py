"""How a process of ours begins: forked by the nursery, or executed like any program when its loader must change."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tdt.sandbox.supervisor import tied


class Life(Protocol):
    """A running process, as asyncio's own."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, signal: int) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


async def execute(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Life:
    """A program of its own session, its output at the end of a log."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


@dataclass(slots=True)
class Forked:
    """A child of the nursery; the nursery tells of its end."""

    pid: int
    returncode: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def send_signal(self, signal: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal)

    def kill(self) -> None:
        self.send_signal(9)

    async def wait(self) -> int:
        await self.ended.wait()
        assert self.returncode is not None
        return self.returncode


class Nursery:
    """The process that forks ours."""

    def __init__(self, log: Path):
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._children: dict[int, Forked] = {}
        self._born: asyncio.Queue[Forked] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()
        self._hearing: asyncio.Task[None] | None = None

    async def open(self, variables: Mapping[str, str]) -> None:
        """Its children have these too: what is preloaded in it is in them."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *tied([sys.executable, "-m", "tests.chaos.nursery"]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
                start_new_session=True,
            )
        self._hearing = asyncio.create_task(self._hear())

    async def close(self) -> None:
        """Its children die with it."""
        if self._process is not None and self._hearing is not None:
            self._process.kill()
            await self._process.wait()
            await self._hearing

    async def fork(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Life:
        """One `tdt` with these arguments."""
        assert self._process is not None
        assert self._process.stdin is not None
        order = {"arguments": list(arguments), "environment": dict(environment), "log": str(log)}
        async with self._one_at_a_time:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            return await self._born.get()

    async def _hear(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            word, pid, *code = json.loads(line)
            if word == "born":
                self._children[pid] = Forked(pid)
                self._born.put_nowait(self._children[pid])
            else:
                child = self._children.pop(pid)
                child.returncode = code[0]
                child.ended.set()
