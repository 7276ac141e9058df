"""A connection that the other end has closed, on both loops: uvloop, as in production, has errors of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from tdt.remote.dgfip_ftp import _copy
from tdt.remote.errors import Progress
from tdt.remote.streams import send

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


async def _closed() -> asyncio.StreamWriter:
    """The near end of a connection that the far end has reset, once this end knows it."""

    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        async with asyncio.timeout(20):
            while not writer.is_closing():
                writer.write(b"x")
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # the loop has called connection_lost, the handle is gone
        return writer


def run(loop: str, work: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(_awaited(work))


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


@pytest.mark.parametrize("loop", LOOPS)
def test_what_is_sent_on_a_closed_connection_is_an_error_of_the_connection(loop: str) -> None:
    async def work() -> None:
        with pytest.raises(ConnectionError):
            await send(await _closed(), b"data")

    run(loop, work)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_data_connection_closed_before_the_end_leaves_the_reply_to_be_read(loop: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"1234"
        yield b"5678"

    async def work() -> None:
        progress = Progress()
        assert not await _copy(chunks(), 8, await _closed(), progress)
        assert progress.sent

    run(loop, work)
