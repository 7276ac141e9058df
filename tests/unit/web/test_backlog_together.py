"""Many uploads at once: what waits to be written is bounded for all of them together."""

import asyncio
import threading
from typing import cast

from tdt.documents.spool import SpoolWriter
from tdt.web.backlog import ALL_BEHIND, LEAST_BEHIND, WRITERS, Backlog


class Slow:
    """A writer whose disk waits for the test."""

    def __init__(self) -> None:
        self.disk = threading.Event()
        self.written = self.at_once = self.most = 0
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        with self._lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.disk.wait(20)
        with self._lock:
            self.at_once -= 1
            self.written += len(data)


async def test_all_together_keep_to_one_bound_and_few_threads() -> None:
    slow, piece, received = Slow(), bytes(256 << 10), 0
    writer = cast(SpoolWriter, slow)
    many = [Backlog() for _ in range(20)]

    async def receive(backlog: Backlog) -> None:
        nonlocal received
        for _ in range(40):
            backlog.add(writer, piece)
            received += len(piece)
            await backlog.keep_up()
            await asyncio.sleep(0)
        await backlog.finish()

    uploads = [asyncio.create_task(receive(backlog)) for backlog in many]
    before = -1
    while before != received:
        # until each of them waits for the disk
        before = received
        await asyncio.sleep(0.05)
    # each may exceed its share by the piece that told it so
    assert 20 * LEAST_BEHIND <= received <= ALL_BEHIND + 20 * 2 * len(piece)
    slow.disk.set()
    await asyncio.gather(*uploads)
    assert (slow.written, slow.most) == (received, WRITERS)
    assert received == 20 * 40 * len(piece)


async def test_one_alone_may_be_further_behind() -> None:
    slow, piece = Slow(), bytes(1 << 20)
    backlog = Backlog()
    for _ in range(7):
        backlog.add(cast(SpoolWriter, slow), piece)
        await asyncio.wait_for(backlog.keep_up(), 5)
    slow.disk.set()
    await backlog.finish()
    assert slow.written == 7 << 20
