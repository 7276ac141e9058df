"""Files being fetched from a remote that deletes them as soon as it has sent them.

Until its row is committed, such a file exists only here: it is written under a name that tells where it comes from and
how long it must be, so that the next start finds it whole, or knows that it is not.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from tdt.documents.spool import sync_directory


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
        return [self._describe(path) for path in sorted(self._directory.iterdir())]

    async def fetch(self, name: str, size: int, chunks: AsyncIterator[bytes]) -> Fetched:
        """Write a file as it comes and make it durable."""
        fetched = Fetched(name, size, self._directory / f"{size}~{quote(name, safe='')}")
        file = await asyncio.to_thread(os.open, fetched.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(_write, file, chunk)
            await asyncio.to_thread(os.fdatasync, file)
        finally:
            os.close(file)
        await asyncio.to_thread(sync_directory, self._directory)
        return fetched

    def _describe(self, path: Path) -> Fetched:
        size, _, name = path.name.partition("~")
        return Fetched(unquote(name), int(size), path)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a local file, in chunks of 1 MiB, read outside the event loop."""
    file = await asyncio.to_thread(path.open, "rb", 0)
    try:
        while chunk := await asyncio.to_thread(file.read, 1 << 20):
            yield chunk
    finally:
        file.close()


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
