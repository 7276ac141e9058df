"""The bytes of an upload on their way to the spool: in order, whole, written by a thread, and dropped on request."""

import asyncio
from pathlib import Path

import pytest

from tdt.documents.spool import Spool
from tdt.domain.errors import Temporary
from tdt.web.backlog import FAR_BEHIND, Backlog

PIECE = bytes(range(256)) * 512


async def test_pieces_arrive_in_order_and_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1000)
    backlog, first, second = Backlog(), spool.writer(), spool.writer()
    for number in range(60):
        backlog.add(first, number.to_bytes(2) + PIECE)
        await backlog.keep_up()
    backlog.add(second, b"short")
    await backlog.finish()
    body = await first.finish()
    assert spool.path(body.spool_name or "").read_bytes() == b"".join(n.to_bytes(2) + PIECE for n in range(60))
    assert (await second.finish()).data == b"short"


async def test_no_more_than_so_much_waits(tmp_path: Path) -> None:
    backlog, writer = Backlog(), Spool(tmp_path, 1000).writer()
    received = 0
    for _ in range(400):
        backlog.add(writer, PIECE)
        received += len(PIECE)
        await backlog.keep_up()
        assert received - writer.size <= FAR_BEHIND + len(PIECE)
    await backlog.finish()
    assert writer.size == received
    writer.discard()


async def test_a_disk_that_refuses_is_told_and_nothing_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 1000)
    backlog, writer = Backlog(), spool.writer()
    for path in (tmp_path / "spool").iterdir():
        path.rmdir()
    (tmp_path / "spool").rmdir()
    with pytest.raises(Temporary):
        for _ in range(400):
            backlog.add(writer, PIECE)
            await backlog.keep_up()
    await backlog.stop(writer.discard)


async def test_stopped_while_a_thread_writes_it_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1000)
    backlog, writer = Backlog(), spool.writer()
    for _ in range(30):
        backlog.add(writer, PIECE)
    await backlog.keep_up()
    stopping = asyncio.create_task(backlog.stop(writer.discard))
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    deadline = asyncio.get_running_loop().time() + 10
    while holds_files(tmp_path):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


def holds_files(directory: Path) -> bool:
    return any(path.is_file() for path in directory.rglob("*"))
