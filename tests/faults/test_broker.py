"""A broker that is lost while a connection to it is being opened is waited for: the worker goes on."""

import asyncio
from typing import Any

import aio_pika
import pytest

from tdt.config import Queue
from tdt.queue.rabbit import RabbitWakeups
from tests.postgres import TestDatabase
from tests.tenants import application


async def test_a_connection_that_ends_while_it_is_opened(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = asyncio.Semaphore(0)

    async def connect(*_: Any, **__: Any) -> None:
        tries.release()
        # as aiormq does when the end of the connection is there before it asks for the next frame: seen in a campaign
        # that cut the link; by hand it depends on how the packets fall
        raise StopAsyncIteration

    monkeypatch.setattr(aio_pika.Connection, "connect", connect)
    async with application(database.app_dsn) as pool:
        wakeups = RabbitWakeups(pool, Queue(url="amqp://tdt:secret@127.0.0.1:1/"), 5.0)
        async with wakeups.listen() as rings:
            waiting = asyncio.ensure_future(anext(rings))
            async with asyncio.timeout(20):
                for _ in range(2):  # it came again after the first time
                    await tries.acquire()
            assert not waiting.done()
            waiting.cancel()
