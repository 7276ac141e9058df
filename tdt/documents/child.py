"""Work on other people's files in a child process: its memory and time are limited, and its death is nobody else's.

One host process (`child_host`) is started at the first task and forks a child for each: what a document does to its
child, the next document does not see, and the libraries are only loaded once, out of the server. A child receives
open files and one argument (JSON), and answers one result (JSON): nothing that a document wrote is unpickled here.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import msgspec
import structlog

from tdt.domain.errors import Refused, Temporary

log = structlog.get_logger()

Argument = TypeVar("Argument")
Result = TypeVar("Result")

HOST = "tdt.documents.child_host"
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""What of our environment the children see: not the folder of the credentials, nor anything that names one."""
LARGEST_RESULT = 16 << 20
CLOSE_SECONDS = 5.0
OUT_OF_MEMORY, OUT_OF_SPACE, TOO_BIG = 70, 71, 72
"""Exit codes of a child that could not say more."""


@dataclass(frozen=True, slots=True)
class Task(Generic[Argument, Result]):
    """A function to run in a child, named so that this process need not load what it needs.

    It is called with its argument and the open files, and may raise Refused: the document is bad, and why.
    """

    module: str
    function: str
    argument: type[Argument]
    result: type[Result]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one child: private memory, wall time (CPU time as well), the size of what it writes."""

    memory_bytes: int
    seconds: float
    file_bytes: int = 1 << 30


class Cause(StrEnum):
    """Why a child ended without a result."""

    MEMORY = "memory"
    TIME = "time"
    SIZE = "size"
    CRASH = "crash"


class ChildFailed(Exception):
    """The child did not survive its task. Nothing is known about the document but that it was too much."""

    def __init__(self, cause: Cause, detail: str = ""):
        super().__init__(f"{cause}: {detail}" if detail else str(cause))
        self.cause = cause


class ChildBug(RuntimeError):
    """The function of the child raised what it should not have: its own traceback is the message."""


class Order(msgspec.Struct, frozen=True):
    """What the host is asked: run a function (its files come along), or kill a child."""

    number: int
    module: str = ""
    function: str = ""
    limits: Limits | None = None
    kill: bool = False


class Ended(msgspec.Struct, frozen=True):
    """What the host tells: this child ended, with this wait status (negative: killed by that signal)."""

    number: int
    exit_code: int


class Answer(msgspec.Struct, frozen=True):
    """What a child leaves: a result, or a refusal of the document, or the traceback of a mistake of ours."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    code: str = ""
    message: str = ""
    traceback: str = ""


class Children:
    """Runs tasks in children, a few at a time; belongs to one event loop."""

    def __init__(self, concurrency: int, limits: Limits):
        self._limits = limits
        self._slots = asyncio.Semaphore(concurrency)
        self._starting = asyncio.Lock()
        self._host: _Host | None = None

    async def run(
        self,
        task: Task[Argument, Result],
        argument: Argument,
        files: Sequence[int] = (),
        limits: Limits | None = None,
    ) -> Result:
        """Run a task; `files` are descriptors that the child gets. Cancelled, the child is killed.

        Refused: the document is bad. ChildFailed: it was too much for a child. Temporary: no child could be had.
        """
        with (
            os.fdopen(os.memfd_create("argument"), "r+b") as given,
            os.fdopen(os.memfd_create("result"), "r+b") as left,
        ):
            given.write(msgspec.json.encode(argument))
            given.flush()
            async with self._slots:
                host = await self._ready()
                order = Order(host.next_number(), task.module, task.function, limits or self._limits)
                exit_code = await host.run(order, (given.fileno(), left.fileno(), *files))
            return _read_answer(os.pread(left.fileno(), LARGEST_RESULT, 0), exit_code, task)

    async def close(self) -> None:
        """End the host, and every child with it."""
        if self._host is not None:
            await self._host.close()
            self._host = None

    async def _ready(self) -> "_Host":
        async with self._starting:
            if self._host is not None and self._host.dead:
                await self._host.close()
                self._host = None
            if self._host is None:
                self._host = await _start()
            return self._host


class _Host:
    """The process that forks the children, seen from here: one line to it, one future for each child that runs."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket):
        self.dead = False
        self._process = process
        self._line = line
        self._running: dict[int, asyncio.Future[int]] = {}
        self._last = 0
        asyncio.get_running_loop().add_reader(line.fileno(), self._hear)

    def next_number(self) -> int:
        self._last += 1
        return self._last

    async def run(self, order: Order, files: Sequence[int]) -> int:
        """The exit code of the child. Its time is up, or nobody waits any more: it is killed, and waited for."""
        ended = self._running[order.number] = asyncio.get_running_loop().create_future()
        try:
            self._send(order, files)
            assert order.limits is not None
            async with asyncio.timeout(order.limits.seconds):
                return await asyncio.shield(ended)
        except TimeoutError:
            self._kill(order.number)
            await ended
            return -signal.SIGXCPU
        except asyncio.CancelledError:
            self._kill(order.number)
            # nobody asks how it ended, nor minds when the host ends first
            ended.add_done_callback(lambda future: future.cancelled() or future.exception())
            raise

    def _send(self, order: Order, files: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._line, [msgspec.json.encode(order)], list(files))
        except OSError as error:
            self._running.pop(order.number, None)
            raise _unavailable(str(error)) from error

    def _kill(self, number: int) -> None:
        with suppress(Temporary):
            socket.send_fds(self._line, [msgspec.json.encode(Order(number, kill=True))], [])

    def _hear(self) -> None:
        try:
            message = self._line.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lose()
            return
        told = msgspec.json.decode(message, type=Ended)
        future = self._running.pop(told.number, None)
        if future is not None and not future.done():
            future.set_result(told.exit_code)

    def _lose(self) -> None:
        """The host is gone, and the children with it: whoever waits tries again."""
        if self.dead:
            return
        self.dead = True
        if self._running:
            log.error("child_host_died", running=len(self._running))
        asyncio.get_running_loop().remove_reader(self._line.fileno())
        for future in self._running.values():
            if not future.done():
                future.set_exception(_unavailable("the process that runs the children ended"))
        self._running.clear()

    async def close(self) -> None:
        self._lose()
        self._line.close()
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._wait))

    def _wait(self) -> None:
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _start() -> _Host:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with theirs:
            process = await asyncio.to_thread(_launch, theirs.fileno())
    except OSError as error:
        ours.close()
        raise _unavailable(str(error)) from error
    except BaseException:
        # the host, if it starts all the same, ends as soon as it sees that nobody holds the other end
        ours.close()
        raise
    ours.setblocking(False)
    return _Host(process, ours)


def _launch(line: int) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # -P: the folder we were started in is no place to import from; a session of its own: Ctrl-C is for the parent
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-P", "-m", HOST, str(line)],
        pass_fds=[line],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


def _unavailable(detail: str) -> Temporary:
    return Temporary("Les documents ne peuvent pas être traités pour l'instant.", details={"error": detail})


CAUSES = {OUT_OF_MEMORY: Cause.MEMORY, TOO_BIG: Cause.SIZE, -signal.SIGXCPU: Cause.TIME}


def _read_answer(data: bytes, exit_code: int, task: Task[Argument, Result]) -> Result:
    if exit_code == OUT_OF_SPACE:
        raise Temporary("Le dépôt local ne peut pas être écrit.", details={"error": "no space"})
    if exit_code != 0:
        raise ChildFailed(CAUSES.get(exit_code, Cause.CRASH), f"exit code {exit_code}")
    try:
        answer = msgspec.json.decode(data, type=Answer)
        if answer.traceback:
            raise ChildBug(answer.traceback)
        if answer.code:
            raise Refused(answer.message, code=answer.code)
        return msgspec.json.decode(answer.result, type=task.result)
    except msgspec.MsgspecError as error:
        raise ChildFailed(Cause.CRASH, "its answer is none") from error
