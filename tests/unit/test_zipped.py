"""A zip of one file: streamed, and the same each time."""

import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator

from tdt.documents.zipped import zip_one

BLOCK = bytes(range(256)) * 4096
"""1 MiB."""


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield BLOCK


async def test_the_same_file_gives_the_same_bytes() -> None:
    made = []
    for _ in range(2):
        whole = bytearray()
        await zip_one("PESALR2_123456782_261125_001.xml", 3 * len(BLOCK), chunks(3), whole.extend)
        made.append(bytes(whole))
    assert made[0] == made[1]
    with zipfile.ZipFile(io.BytesIO(made[0])) as archive:
        assert archive.testzip() is None
        [entry] = archive.infolist()
        assert (entry.filename, entry.file_size) == ("PESALR2_123456782_261125_001.xml", 3 * len(BLOCK))
        assert archive.read(entry) == BLOCK * 3


async def test_memory_stays_flat() -> None:
    digest = hashlib.sha256()
    tracemalloc.start()
    try:
        await zip_one("flux.xml", 200 * len(BLOCK), chunks(200), digest.update)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(BLOCK)
