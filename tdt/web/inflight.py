"""The requests being served, so that a stop can wait for them.

aiohttp drops what a connection still sends as soon as it shuts down: an upload in flight would be lost. So the server
first stops listening, lets these requests end, and only then lets aiohttp close.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class InFlight:
    """Counts the requests of one process."""

    def __init__(self) -> None:
        self.stopping = False
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def drain(self, seconds: float) -> None:
        """Wait for the requests in flight, that long at most; connections end with their current request."""
        self.stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._none.wait()
