"""Read one stored body to its end, wherever it lies, and compare: flat memory, at a pace that others do not feel."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

from tdt.db import verify as db
from tdt.deps import Deps
from tdt.domain.verification import Code, Finding

CHUNKS = 4
"""Read at once: 4 MiB."""


class Pace:
    """No more than so many bytes per second for all who read together; 0: as fast as it goes."""

    def __init__(self, bytes_per_second: int):
        self._rate = bytes_per_second
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        """Wait until these bytes, which were just read, are paid for."""
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / self._rate
        await asyncio.sleep(self._free_at - now)


class _Gap(Exception):
    """The bytes cannot be read to their end."""

    def __init__(self, code: Code, detail: str):
        super().__init__(detail)
        self.code = code
        self.detail = detail


async def check_body(deps: Deps, pace: Pace, body: db.Stored, sha1: Sequence[tuple[str, bytes]]) -> list[Finding]:
    """What differs of a body. A body that moved or went meanwhile (archived, purged) is looked at as it is now."""
    found = await _compare(deps, pace, body, sha1)
    if not found:
        return found
    async with deps.transaction("system") as connection:
        now = await db.get_body(connection, body.id)
        said = (await db.list_sha1(connection, [body.id])).get(body.id, []) if now is not None else []
    if now is None:
        return []
    return found if (now, said) == (body, list(sha1)) else await _compare(deps, pace, now, said)


async def _compare(deps: Deps, pace: Pace, body: db.Stored, sha1: Sequence[tuple[str, bytes]]) -> list[Finding]:
    subject = f"content:{body.id}"
    sha256_read, sha1_read, size = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0
    try:
        async for data in _read(deps, body):
            size += len(data)
            await asyncio.to_thread(sha256_read.update, data)
            if sha1:
                await asyncio.to_thread(sha1_read.update, data)
            await pace.take(len(data))
    except _Gap as gap:
        return [Finding(gap.code, subject, gap.detail, body.authority_id)]
    found = []
    if size != body.size:
        detail = f"{body.size} octets attendus, {size} trouvés"
        found.append(Finding(Code.SIZE, subject, detail, body.authority_id))
    elif sha256_read.digest() != body.sha256:
        detail = f"SHA-256 attendu {body.sha256.hex()}, trouvé {sha256_read.hexdigest()}"
        found.append(Finding(Code.DIGEST, subject, detail, body.authority_id))
    else:
        # once the bytes are known to be right, another digest of them is the fault of its row
        for what, expected in sha1:
            if expected != sha1_read.digest():
                detail = f"{what} : {expected.hex()}, trouvé {sha1_read.hexdigest()}"
                found.append(Finding(Code.SHA1, subject, detail, body.authority_id))
    return found


async def _read(deps: Deps, body: db.Stored) -> AsyncIterator[bytes]:
    if body.place == "row":
        async with deps.transaction("system") as connection:
            data = await db.get_row_bytes(connection, body.id)
        yield data or b""
    elif body.place == "spool":
        try:
            async for chunk in deps.spool.read(body.spool_name or ""):
                yield chunk
        except FileNotFoundError as error:
            raise _Gap(Code.SPOOL_FILE, body.spool_name or "") from error
    else:
        async for chunk in _read_archive(deps, body):
            yield chunk


async def _read_archive(deps: Deps, body: db.Stored) -> AsyncIterator[bytes]:
    last = -1
    while True:
        async with deps.transaction("system") as connection:
            chunks = await db.list_chunks(connection, body, last, CHUNKS)
        for seq, data in chunks:
            if seq != last + 1:
                raise _Gap(Code.CHUNK, f"morceau {last + 1} absent")
            last = seq
            yield data
        if len(chunks) < CHUNKS:
            break
    if last < 0 < body.size:
        raise _Gap(Code.CHUNK, "aucun morceau")
