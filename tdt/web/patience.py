"""How long a body may take: silence and a trickle end, a slow line does not."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from tdt.config import Server


async def receive(request: web.Request, server: Server) -> AsyncIterator[bytes]:
    """The pieces of a body. Raises TimeoutError when the client is silent for too long, or slower than the slowest.

    Only the time spent waiting for the client counts: one that we keep waiting is not slow.
    """
    clock = asyncio.get_running_loop().time
    waited, received = 0.0, 0
    content = request.content
    while not content.at_eof():
        started = clock()
        async with asyncio.timeout(server.stall_seconds):
            chunk, _ = await content.readchunk()  # readany() would join several: one more copy of all
        waited += clock() - started
        received += len(chunk)
        if waited >= server.stall_seconds:
            if received < waited * server.slowest_bytes:
                raise TimeoutError
            waited, received = 0.0, 0
        if chunk:
            yield chunk
