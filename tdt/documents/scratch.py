"""A file without a name, beside the spool: what a child reads and writes. Nothing stays of it, whatever happens."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdt.documents.spool import READ_BYTES, disk_errors, in_threads, write_all


@dataclass(frozen=True, slots=True)
class Scratch:
    """An open file, and how to call what blocks on it."""

    descriptor: int
    _call: Callable[..., Awaitable[Any]]

    @property
    def size(self) -> int:
        """Its size now."""
        return os.fstat(self.descriptor).st_size

    async def write(self, chunk: bytes) -> None:
        """Add bytes. Temporary when the disk does not take them."""
        with disk_errors():
            await self._call(write_all, chunk)

    async def read(self) -> AsyncIterator[bytes]:
        """All its bytes, in chunks of 1 MiB, wherever a child left its position."""
        offset = 0
        while chunk := await self._call(os.pread, READ_BYTES, offset):
            offset += len(chunk)
            yield chunk


@contextmanager
def open_scratch(directory: Path) -> Iterator[Scratch]:
    """A new file of the disk that holds the spool: /tmp may be memory."""
    with disk_errors(), tempfile.TemporaryFile(dir=directory) as file:
        descriptor = os.dup(file.fileno())
    with in_threads(descriptor) as call:
        yield Scratch(descriptor, call)
