"""The durable spool: bodies written once, digested in the same pass, safe on disk before they are answered.

Names are never reused: truncating a file or renaming over an existing one costs a flush (2.5 ms on ext4) and would let
a slow reader see other bytes.
"""

import asyncio
import hashlib
import os
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tdt.crash import Step, reach
from tdt.domain.content import HEAD_BYTES, Body
from tdt.domain.errors import Temporary

READ_BYTES = 1 << 20
PARTIAL = ".part"
WRITE_BACK = 8 << 20


class SpoolWriter:
    """Receives one body. Small bodies stay in memory; from `inline_bytes` on they go to a file."""

    def __init__(self, directory: Path, inline_bytes: int):
        self.size = 0
        self._directory = directory
        self._inline_bytes = inline_bytes
        self._name = uuid.uuid4().hex
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._memory = bytearray()
        self._head = b""
        self._file: int | None = None
        self._held_back = 0
        self._naming = threading.Lock()
        self._discarded = False
        self._finished = False

    @property
    def memory_bytes(self) -> int:
        """How much of it memory holds."""
        return len(self._memory)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Blocks for a local disk write at most. Temporary when the disk does not take them."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        self._sha1.update(chunk)
        if len(self._head) < HEAD_BYTES:
            self._head += bytes(chunk[: HEAD_BYTES - len(self._head)])
        if self._file is None and self.size <= self._inline_bytes:
            self._memory += chunk
            return
        with disk_errors():
            if self._file is None:
                self._file = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                write_all(self._file, self._memory)
                self._memory = bytearray()
            write_all(self._file, chunk)
            self._begin_write_back(self._file, len(chunk))

    def _begin_write_back(self, file: int, more: int) -> None:
        """Let the disk begin now with what finish() would have to wait for: the kernel takes its time otherwise.

        POSIX_FADV_DONTNEED starts the writing of the range without waiting for it; only what is clean leaves memory.
        """
        self._held_back += more
        if self._held_back >= WRITE_BACK:
            os.posix_fadvise(file, self.size - self._held_back, self._held_back, os.POSIX_FADV_DONTNEED)
            self._held_back = 0

    async def finish(self) -> Body:
        """Make the body durable and describe it. The writer is of no use after this.

        Cancelled, it leaves the disk's work to end in its thread; discard() then sees to it that nothing stays.
        """
        if self._file is None:
            data, self._memory = bytes(self._memory), bytearray()
            return self._body(data=data)
        # from here on the descriptor belongs to the thread, which closes it even when nobody waits any more
        file, self._file = self._file, None
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._make_durable, file))
        return self._body(spool_name=self._name)

    def discard(self) -> None:
        """Forget the body: nothing of it stays on disk. Safe to call at any time, also after finish()."""
        self._memory = bytearray()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        with self._naming:
            self._discarded = True
            for path in (self._partial, self._directory / self._name):
                path.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        return self._directory / (self._name + PARTIAL)

    def _body(self, data: bytes | None = None, spool_name: str | None = None) -> Body:
        self._finished = True
        return Body(self.size, self._sha256.digest(), self._sha1.digest(), self._head, data, spool_name)

    @contextmanager
    def discarded_on_failure(self) -> Iterator[None]:
        """Around the transaction that is to need the body: when it surely failed, nothing stays on disk.

        When it may have been committed all the same (database away, cancelled), the finished file stays: housekeeping
        removes it if no row needs it.
        """
        try:
            yield
        except (Temporary, asyncio.CancelledError):
            if not self._finished:
                self.discard()
            raise
        except BaseException:
            self.discard()
            raise

    def _make_durable(self, file: int) -> None:
        with disk_errors():
            try:
                os.fdatasync(file)
            finally:
                os.close(file)
            with self._naming:
                if self._discarded:
                    return
                reach(Step.BODY_WRITTEN)
                self._partial.rename(self._directory / self._name)
            sync_directory(self._directory)
        reach(Step.BODY_DURABLE)


class Spool:
    """The folder of durable bodies that wait for their archiving in Postgres."""

    def __init__(self, directory: Path, inline_bytes: int):
        self.directory = directory
        self._inline_bytes = inline_bytes
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writer(self) -> SpoolWriter:
        """A writer for one new body."""
        return SpoolWriter(self.directory, self._inline_bytes)

    def path(self, spool_name: str) -> Path:
        """Where a finished body lies. The name comes from our own rows, never from a client."""
        if "/" in spool_name or spool_name.startswith("."):
            raise ValueError("not a spool name")
        return self.directory / spool_name

    def read(self, spool_name: str) -> AsyncIterator[bytes]:
        """The bytes of a body, in chunks of 1 MiB; FileNotFoundError when it has been archived meanwhile."""
        return read_file(self.path(spool_name))

    def remove(self, spool_name: str) -> None:
        """Drop a body whose bytes are archived."""
        self.path(spool_name).unlink(missing_ok=True)

    def list_older_than(self, instant: float) -> list[str]:
        """The files that were written before this instant, in seconds since 1970."""
        found = []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                # archived, or swept by another worker, since the folder was read
                with suppress(FileNotFoundError):
                    if entry.is_file() and entry.stat().st_mtime < instant:
                        found.append(entry.name)
        return sorted(found)

    def is_writable(self) -> bool:
        """Whether a body could be written now: part of readiness."""
        return os.access(self.directory, os.W_OK | os.X_OK)

    def measure(self) -> tuple[int, int]:
        """Free bytes and all bytes of its disk; zeros when it is not there."""
        try:
            seen = os.statvfs(self.directory)
        except OSError:
            return 0, 0
        return seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a local file, in chunks of 1 MiB, read outside the event loop."""
    with in_threads(os.open(path, os.O_RDONLY)) as call:
        while chunk := await call(os.read, READ_BYTES):
            yield chunk


@contextmanager
def in_threads(file: int) -> Iterator[Callable[..., Awaitable[Any]]]:
    """Make blocking calls on a descriptor in threads; it is closed in the end, when no thread uses it any more.

    After a cancellation a thread may still be about to read or write: the number must not be another file's by then.
    """
    last: asyncio.Future[Any] | None = None

    async def call(function: Callable[..., Any], *arguments: object) -> Any:
        nonlocal last
        last = asyncio.get_running_loop().run_in_executor(None, function, file, *arguments)
        return await asyncio.shield(last)

    try:
        yield call
    finally:
        if last is None or last.done():
            os.close(file)
        else:
            last.add_done_callback(lambda _: os.close(file))


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable (a file's own fsync does not cover its name)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DiskUnwritable(Temporary):
    """The local disk does not take what is written: it is full, or failing."""


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk that is full or failing is a reason to wait, never to refuse or to give up a job."""
    try:
        yield
    except OSError as error:
        details = {"error": error.strerror or type(error).__name__}
        raise DiskUnwritable("Le dépôt local ne peut pas être écrit.", details=details) from error


def write_all(file: int, data: bytes | bytearray) -> None:
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
