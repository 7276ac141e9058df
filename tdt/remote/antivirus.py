"""The antivirus: clamd, by INSTREAM. What it cannot say now is never a verdict: it is asked again."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tdt import config
from tdt.domain.antivirus import Engine, read_engine
from tdt.domain.errors import Temporary
from tdt.remote.errors import Remote, translated
from tdt.remote.streams import send

SERVICE = "Antivirus (clamd)"
UNAVAILABLE, LIMIT = "ANTIVIRUS_INDISPONIBLE", "ANTIVIRUS_LIMITE"
SIZE_LIMIT = "INSTREAM size limit exceeded"
OTHER_LIMITS = "Heuristics.Limits.Exceeded"
"""What clamd says to have "found" (with AlertExceedsMax) in what its settings did not let it read to the end."""
LARGEST_CHUNK = 1 << 20
LARGEST_ANSWER = 65_536

_REMOTE = Remote(SERVICE, (asyncio.LimitOverrunError,), code=UNAVAILABLE)


class Antivirus:
    """The clamd of `[antivirus]`; one connection for each question."""

    def __init__(self, settings: config.Antivirus):
        self._settings = settings

    @property
    def configured(self) -> bool:
        """Is there one at all? Without it nothing is scanned."""
        return bool(self._settings.address)

    async def engine(self) -> Engine:
        """Who answers, with which signatures. Temporary when nobody does."""
        async with self._asking(b"VERSION") as (answer, _):
            return read_engine(await self._answer(answer))

    async def scan(self, chunks: AsyncIterator[bytes]) -> str:
        """The name of what was found in these bytes, empty when nothing was. Memory holds one chunk at a time.

        Temporary when there is no verdict: nobody answers, in time, or the bytes exceed what clamd takes.
        """
        async with self._asking(b"INSTREAM") as (answer, writer):
            await self._send(chunks, answer, writer)
            return _read_verdict(await self._answer(answer))

    async def _send(
        self, chunks: AsyncIterator[bytes], answer: asyncio.Task[bytes], writer: asyncio.StreamWriter
    ) -> None:
        async for chunk in chunks:
            for start in range(0, len(chunk), LARGEST_CHUNK):
                part = chunk[start : start + LARGEST_CHUNK]
                if not await self._sent(struct.pack(">I", len(part)) + part, answer, writer):
                    return
        await self._sent(struct.pack(">I", 0), answer, writer)

    async def _sent(self, data: bytes, answer: asyncio.Task[bytes], writer: asyncio.StreamWriter) -> bool:
        """False when clamd has said its answer before the end: it then takes nothing more."""
        if answer.done():
            return False
        try:
            async with asyncio.timeout(self._settings.timeout):
                await send(writer, data)
        except ConnectionError:
            # why it hung up may still be told
            return False
        return True

    async def _answer(self, answer: asyncio.Task[bytes]) -> str:
        async with asyncio.timeout(self._settings.timeout):
            return (await answer).rstrip(b"\0").decode("utf-8", "replace")

    @asynccontextmanager
    async def _asking(self, command: bytes) -> AsyncIterator[tuple[asyncio.Task[bytes], asyncio.StreamWriter]]:
        with translated(_REMOTE):
            async with asyncio.timeout(self._settings.timeout):
                reader, writer = await self._connect()
            answer = asyncio.create_task(reader.readuntil(b"\0"))
            answer.add_done_callback(lambda task: task.cancelled() or task.exception())
            try:
                writer.write(b"z" + command + b"\0")
                yield answer, writer
            finally:
                answer.cancel()
                writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._settings.address
        if address.startswith("unix:"):
            return await asyncio.open_unix_connection(address.removeprefix("unix:"), limit=LARGEST_ANSWER)
        host, _, port = address.rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=LARGEST_ANSWER)


def _read_verdict(answer: str) -> str:
    """`stream: OK`, `stream: NAME FOUND`, or an error."""
    verdict = answer.removeprefix("stream: ").strip()
    if verdict == "OK":
        return ""
    found = verdict.removesuffix(" FOUND")
    if verdict.startswith(SIZE_LIMIT) or found.startswith(OTHER_LIMITS):
        raise Temporary(
            f"{SERVICE} : ses réglages ne lui laissent pas lire tout le fichier", code=LIMIT, details={"reply": verdict}
        )
    if found == verdict or not found:
        raise Temporary(f"{SERVICE} : pas de verdict", code=UNAVAILABLE, details={"reply": verdict})
    return found
