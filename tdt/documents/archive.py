"""The tar.gz that leaves for the préfecture: flat, always the same bytes for the same entries, written as a stream."""

import asyncio
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tdt.documents.spool import SpoolWriter
from tdt.domain.content import Body
from tdt.domain.errors import Permanent

try:
    # 8 to 19 times as fast as zlib at its default level.
    from isal.isal_zlib import compressobj
except ImportError:
    from zlib import compressobj  # type: ignore[assignment]

LEVEL = 1
"""isal's level 0 expands what is compressed already, its level 3 is slower and no smaller."""
GZIP_WINDOW = 31
BATCH_BYTES = 1 << 18
"""Given to a thread at once: small archives take one hop, big ones keep their memory flat. Always this many, whatever
the chunks of the source, so that the compressor gives the same bytes."""

MTIME = 946_684_800
"""2000-01-01, the same for every entry. Not zero: GNU tar warns of files as old as the epoch."""
MODE = 0o644
MAX_NAME = 100
"""What the name field of ustar holds without the prefix field, which would make a folder of it."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One file of the archive; `chunks` opens its bytes, which must be `size` long."""

    name: str
    size: int
    chunks: Callable[[], AsyncIterator[bytes]]


def in_memory(name: str, data: bytes) -> ArchiveEntry:
    """A small file that is held already."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return ArchiveEntry(name, len(data), chunks)


async def write_archive(entries: Sequence[ArchiveEntry], writer: SpoolWriter) -> Body:
    """Write the archive and finish the writer. Raises Permanent on a bad entry; the writer is then discarded."""
    done = False
    try:
        _check_names(entries)
        output = _Output(writer)
        for entry in entries:
            await output.add(_header(entry))
            await _add_content(output, entry)
            await output.add(b"\0" * (-entry.size % tarfile.BLOCKSIZE))
        await output.close()
        body = await undivided(writer.finish())
        done = True
        return body
    finally:
        if not done:
            writer.discard()


class _Output:
    """Gathers bytes, and compresses and writes them batch by batch in a thread."""

    def __init__(self, writer: SpoolWriter):
        self._writer = writer
        self._compressor = compressobj(LEVEL, wbits=GZIP_WINDOW)
        self._pending = bytearray()
        self._size = 0

    async def add(self, data: bytes) -> None:
        self._size += len(data)
        view = memoryview(data)
        while len(self._pending) + len(view) >= BATCH_BYTES:
            taken = BATCH_BYTES - len(self._pending)
            self._pending += view[:taken]
            view = view[taken:]
            batch, self._pending = bytes(self._pending), bytearray()
            await undivided(asyncio.to_thread(self._compress, batch))
        self._pending += view

    async def close(self) -> None:
        """The end of the tar (two blocks of zeros, filled up to a record as tar does), then of the gzip stream."""
        await self.add(b"\0" * (2 * tarfile.BLOCKSIZE))
        await self.add(b"\0" * (-self._size % tarfile.RECORDSIZE))
        await undivided(asyncio.to_thread(self._finish, bytes(self._pending)))

    def _compress(self, data: bytes) -> None:
        self._writer.write(self._compressor.compress(data))

    def _finish(self, data: bytes) -> None:
        self._writer.write(self._compressor.compress(data) + self._compressor.flush())


async def undivided(step: Coroutine[Any, Any, Result]) -> Result:
    """Await a short step; when cancelled, wait for its end first: nobody may discard the writer under a thread."""
    running = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise


async def _add_content(output: _Output, entry: ArchiveEntry) -> None:
    chunks = entry.chunks()
    size = 0
    try:
        async for chunk in chunks:
            size += len(chunk)
            if size > entry.size:
                raise Permanent(f"Le fichier {entry.name} dépasse sa taille déclarée ({entry.size} octets).")
            await output.add(chunk)
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()
    if size < entry.size:
        raise Permanent(f"Le fichier {entry.name} fait {size} octets au lieu de {entry.size}.")


def _header(entry: ArchiveEntry) -> bytes:
    member = tarfile.TarInfo(entry.name)
    member.size = entry.size
    member.mtime = MTIME
    member.mode = MODE
    try:
        return member.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError as error:
        raise Permanent(f"Le fichier {entry.name} n'entre pas dans l'archive.") from error


def _check_names(entries: Sequence[ArchiveEntry]) -> None:
    names = [entry.name for entry in entries]
    for name in names:
        plain = name.isascii() and name.isprintable() and "/" not in name and name not in ("", ".", "..")
        if not plain or len(name) > MAX_NAME:
            raise Permanent(f"Nom de fichier impossible dans l'archive : {name!r}.")
    if len(set(names)) != len(names):
        raise Permanent("Deux fichiers de l'archive portent le même nom.")
