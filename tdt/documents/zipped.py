"""A zip of one file, streamed: the same file under the same name gives the same bytes."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable

LEVEL = 6
DATE = (1980, 1, 1, 0, 0, 0)
"""The first that the format knows: a zip that told when it was made would be another one each time."""
MODE = 0o644 << 16


class _Sink(io.RawIOBase):
    """Hands on what is written; cannot go back, so that sizes stand after the file, as in any streamed zip."""

    def __init__(self, write: Callable[[bytes], None]):
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        block = bytes(data)  # type: ignore[call-overload]
        self._write(block)
        return len(block)


async def zip_one(name: str, size: int, chunks: AsyncIterator[bytes], write: Callable[[bytes], None]) -> None:
    """Write a zip that holds `chunks` as one file of this name and size; in threads, for compressing takes its time."""
    with zipfile.ZipFile(_Sink(write), "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        entry = zipfile.ZipInfo(name, DATE)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.file_size = size  # beyond 2 GiB the format is another one, which must be known beforehand
        entry.external_attr = MODE
        with archive.open(entry, "w") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
