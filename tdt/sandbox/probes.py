"""Small questions to a local port: is this process ready?"""

import asyncio
import contextlib

SECONDS = 2.0


async def answers_http(port: int, path: str) -> bool:
    """Whether a GET on this loopback port is answered 200."""
    return (await _ask(port, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())).split(b" ")[1:2] == [b"200"]


async def greets_imap(port: int) -> bool:
    """Whether an IMAP server says hello on this loopback port."""
    return (await _ask(port, b"")).startswith(b"* OK")


async def listens(port: int) -> bool:
    """Whether this loopback port accepts connections."""
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
    except (OSError, TimeoutError):
        return False


async def _ask(port: int, request: bytes) -> bytes:
    """The first line of the answer; empty when nobody answers."""
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):
        return b""
