"""The stored bytes of a flow, read once, in flat memory."""

import asyncio
import hashlib

from tdt.db.helios import HeliosTransaction
from tdt.deps import Deps
from tdt.domain.content import HEAD_BYTES
from tdt.domain.helios.pes import PesReader
from tdt.domain.helios.stream import PesUnreadable
from tdt.flows.helios_send.findings import Reading


async def read(deps: Deps, found: HeliosTransaction) -> Reading:
    """Header, first bytes and SHA-1, outside the event loop."""
    reader, digest, head = PesReader(), hashlib.sha1(usedforsecurity=False), b""
    failure: PesUnreadable | None = None
    async for chunk in deps.stream(found.authority_id, found.content_id):
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        # side by side: both leave the interpreter's lock to each other
        digested = asyncio.to_thread(digest.update, chunk)
        if failure is None:
            failure, _ = await asyncio.gather(asyncio.to_thread(_feed, reader, chunk), digested)
        else:
            await digested
    if failure is None:
        try:
            return Reading(reader.close(), head, digest.digest())
        except PesUnreadable as error:
            failure = error
    return Reading(failure, head, digest.digest())


def _feed(reader: PesReader, chunk: bytes) -> PesUnreadable | None:
    try:
        reader.feed(chunk)
    except PesUnreadable as error:
        return error
    return None


async def read_sha1(deps: Deps, found: HeliosTransaction) -> bytes:
    """The SHA-1 alone."""
    digest = hashlib.sha1(usedforsecurity=False)
    async for chunk in deps.stream(found.authority_id, found.content_id):
        await asyncio.to_thread(digest.update, chunk)
    return digest.digest()
