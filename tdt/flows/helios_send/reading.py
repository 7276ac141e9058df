"""The stored bytes of a flow, read once, in flat memory."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor

from tdt.db.helios import HeliosTransaction
from tdt.deps import Deps
from tdt.domain.content import HEAD_BYTES
from tdt.domain.helios.encoding import ByteObserver
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.pes import PesReader
from tdt.domain.helios.stream import PesUnreadable
from tdt.domain.ids import AuthorityId, ContentId
from tdt.flows.helios_send.findings import Reading


async def read(deps: Deps, found: HeliosTransaction) -> Reading:
    """Header, first bytes, SHA-1 and encoding, outside the event loop.

    A thread for this flow alone: libxml2 keeps the names of a document as long as the thread that parsed it.
    """
    reader = PesReader()
    try:
        with ThreadPoolExecutor(1, "pes") as thread:
            return await _read(deps, found, reader, thread)
    finally:
        reader.abandon()


async def _read(deps: Deps, found: HeliosTransaction, reader: PesReader, thread: ThreadPoolExecutor) -> Reading:
    digest, observer, head = hashlib.sha1(usedforsecurity=False), ByteObserver(), b""
    failure: PesUnreadable | None = None
    loop = asyncio.get_running_loop()

    def look(chunk: bytes) -> None:
        digest.update(chunk)
        observer.feed(chunk)

    async for chunk in deps.stream(found.authority_id, found.content_id):
        if len(head) < HEAD_BYTES:
            head += chunk[: HEAD_BYTES - len(head)]
        # side by side: both leave the interpreter's lock to each other
        looked = asyncio.to_thread(look, chunk)
        if failure is None:
            failure, _ = await asyncio.gather(loop.run_in_executor(thread, _feed, reader, chunk), looked)
        else:
            await looked
    header = await loop.run_in_executor(thread, _close, reader) if failure is None else failure
    return Reading(header, head, digest.digest(), observer.seen, reader.carried)


def _feed(reader: PesReader, chunk: bytes) -> PesUnreadable | None:
    try:
        reader.feed(chunk)
    except PesUnreadable as error:
        return error
    return None


def _close(reader: PesReader) -> PesHeader | PesUnreadable:
    try:
        return reader.close()
    except PesUnreadable as error:
        return error


async def read_sha1(deps: Deps, authority: AuthorityId, content: ContentId) -> bytes:
    """The SHA-1 of a body, as it lies there now."""
    digest = hashlib.sha1(usedforsecurity=False)
    async for chunk in deps.stream(authority, content):
        await asyncio.to_thread(digest.update, chunk)
    return digest.digest()
