"""Files being fetched from a remote that deletes them as soon as it has sent them.

Until its row is committed, such a file exists only here: it is written under a name that tells where it comes from and
how long it must be, so that the next start finds it whole, or knows that it is not.
"""

import asyncio
import ctypes
import errno
import hashlib
import os
import re
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from tdt.documents.spool import disk_errors, in_threads, sync_directory, write_all

MAX_NAME = 200
MARGIN = 16 << 20
"""Room that must be left on the disk beside what is fetched."""
KEEP_SIZE = 1
"""FALLOC_FL_KEEP_SIZE, linux/falloc.h: a file that is cut short must show it by its size."""
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
OURS = re.compile(r"-?[0-9]+~")
"""What fetch() names; an operator's or a file system's own file is none of our business."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on its way in: its remote name, the size that the remote announced, where it is."""

    name: str
    size: int
    path: Path

    @property
    def is_whole(self) -> bool:
        """Whether every announced byte is here."""
        return self.path.stat().st_size == self.size


class Inbox:
    """The files that are being fetched on one route."""

    def __init__(self, directory: Path):
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def list_left(self) -> list[Fetched]:
        """What an interrupted run left."""
        return [self._describe(path) for path in sorted(self._directory.iterdir()) if OURS.match(path.name)]

    async def fetch(self, name: str, size: int, chunks: AsyncIterator[bytes]) -> Fetched:
        """Write a file as it comes and make it durable."""
        fetched = Fetched(name, size, self._directory / f"{size}~{_short(quote(name, safe=''))}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with disk_errors():
            await asyncio.to_thread(self._check_space, size)
            file = await asyncio.to_thread(os.open, fetched.path, flags, 0o600)
            try:
                await asyncio.to_thread(_reserve, file, size)
            except OSError:
                os.close(file)
                fetched.path.unlink(missing_ok=True)  # nothing was asked for: nothing is on its way
                raise
        try:
            with in_threads(file) as call:
                async for chunk in chunks:
                    with disk_errors():
                        await call(write_all, chunk)
                with disk_errors():
                    await call(os.fdatasync)
                    await asyncio.to_thread(sync_directory, self._directory)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()  # the connection that brings them, when they are not all wanted
        return fetched

    def _check_space(self, size: int) -> None:
        """Before the first byte is asked for: a gateway may have deleted the file by the time the disk is full."""
        if shutil.disk_usage(self._directory).free < max(size, 0) + MARGIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _describe(self, path: Path) -> Fetched:
        size, _, name = path.name.partition("~")
        return Fetched(unquote(name), int(size), path)


def _reserve(file: int, size: int) -> None:
    """Take the place of what will come before it is asked for: others may fill the disk meanwhile. Raises OSError."""
    if size > 0 and _fallocate(file, KEEP_SIZE, 0, size) != 0:
        code = ctypes.get_errno()
        if code not in (errno.EOPNOTSUPP, errno.ENOSYS):
            raise OSError(code, os.strerror(code))


def _short(quoted: str) -> str:
    """A name that a local file may have: the State's are far shorter, a hostile one loses its end."""
    if len(quoted) <= MAX_NAME:
        return quoted
    digest = hashlib.sha256(quoted.encode()).hexdigest()[:16]
    # not in the middle of an escape
    return re.sub(r"%.?\Z", "", quoted[: MAX_NAME - 20]) + "_" + digest
