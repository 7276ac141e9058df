"""Bytes handed over on a connection that the other end may have closed meanwhile."""

import asyncio


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write, and wait until there is room for more. Raises ConnectionError, whatever the loop.

    uvloop raises RuntimeError for a transport that is closed, which would be taken for a fault of ours.
    """
    if writer.is_closing():
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()
