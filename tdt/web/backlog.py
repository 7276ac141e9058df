"""What an upload received and has not written yet: a thread digests and writes it while more is received.

However many uploads come at once, few threads write for all of them and what waits has one bound for the process: the
others are not read meanwhile, so that the event loop stays at hand for small requests and memory stays flat.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakSet

from tdt.documents.spool import SpoolWriter

JOINED = 1 << 20
"""Small pieces are joined up to about so much: a thread needs the interpreter's lock between two of them."""
INLINE = 1 << 18
"""More than this is left to a thread."""
FAR_BEHIND = 8 << 20
"""With so much waiting nothing more is received of an upload."""
ALL_BEHIND, LEAST_BEHIND = 12 << 20, 1 << 19
"""Shared out among those that are under way; each keeps enough for a thread to be worth its while."""
WRITERS = 2
"""Threads: digests and writes leave the interpreter's lock, but not the cores, to the event loop."""

_writers = ThreadPoolExecutor(WRITERS, "upload")
_under_way: "WeakSet[Backlog]" = WeakSet()


def count_under_way() -> int:
    """The uploads of this process."""
    return len(_under_way)


class Backlog:
    """Add pieces and `await keep_up()` after each; then `await finish()` or `await stop()`."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[SpoolWriter, bytes]] = deque()
        self._received = self._written = 0
        self._thread: asyncio.Future[None] | None = None
        self._stopped = False

    def add(self, writer: SpoolWriter, data: bytes) -> None:
        """The next bytes of a file."""
        if not self._received:
            _under_way.add(self)
        self._waiting.append((writer, data))
        self._received += len(data)

    async def keep_up(self) -> None:
        """See to it that what waits is being written; wait for it only when it is far behind."""
        if self._thread is not None and self._thread.done():
            await self._join()
        if self._thread is None and self._behind > INLINE:
            self._start()
        if self._behind > min(FAR_BEHIND, max(LEAST_BEHIND, ALL_BEHIND // max(len(_under_way), 1))):
            await self._join()

    async def finish(self) -> None:
        """Come back when everything is written."""
        _under_way.discard(self)
        await self._join()
        if self._behind <= INLINE:
            self._write()
        else:
            self._start()
            await self._join()

    async def stop(self, then: Callable[[], None]) -> None:
        """Write nothing more, and call `then` once the thread has ended, even when nobody waits for it any more."""
        self._stopped = True
        _under_way.discard(self)
        if self._thread is None:
            then()
            return

        def ended(thread: asyncio.Future[None]) -> None:
            if not thread.cancelled():
                thread.exception()  # what it could not write is of no interest any more
            then()

        self._thread.add_done_callback(ended)
        await asyncio.wait([self._thread])

    @property
    def _behind(self) -> int:
        return self._received - self._written

    def _start(self) -> None:
        self._thread = asyncio.get_running_loop().run_in_executor(_writers, self._write)

    async def _join(self) -> None:
        if self._thread is not None:
            await asyncio.shield(self._thread)
            self._thread = None

    def _write(self) -> None:
        while self._waiting and not self._stopped:
            writer, data = self._waiting.popleft()
            pieces, size = [data], len(data)
            while self._waiting and self._waiting[0][0] is writer and size < JOINED:
                pieces.append(self._waiting.popleft()[1])
                size += len(pieces[-1])
            writer.write(b"".join(pieces))
            self._written += size
