"""The spool on a real disk: digests, durability, and nothing left when an upload is given up at any point."""

import asyncio
import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdt.documents.spool import READ_BYTES, Spool
from tdt.domain.content import HEAD_BYTES, Body

INLINE = 1000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", INLINE)


def names(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.directory.iterdir())


def open_in(directory: Path) -> list[str]:
    """The files of this folder that this process holds open, removed ones included."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith(f"{directory}/"):
            found.append(target)
    return found


async def read(spool: Spool, body: Body) -> bytes:
    return b"".join([chunk async for chunk in spool.read(body.spool_name or "")])


async def put(spool: Spool, data: bytes) -> Body:
    writer = spool.writer()
    writer.write(data)
    return await writer.finish()


async def drained() -> None:
    """Every thread that was given work has ended it."""
    await asyncio.get_running_loop().shutdown_default_executor()


@pytest.mark.parametrize("size", [0, 1, INLINE])
async def test_a_small_body_stays_in_memory(spool: Spool, size: int) -> None:
    data = os.urandom(size)
    body = await put(spool, data)
    assert (body.data, body.spool_name) == (data, None)
    assert names(spool) == []


async def test_a_body_larger_by_a_byte_goes_to_a_file_of_its_own(spool: Spool) -> None:
    data = os.urandom(INLINE + 1)
    bodies = [await put(spool, data), await put(spool, data)]
    assert bodies[0].data is None
    assert names(spool) == sorted(body.spool_name or "" for body in bodies)
    assert spool.path(names(spool)[0]).stat().st_mode & 0o777 == 0o600
    assert await read(spool, bodies[0]) == data
    assert open_in(spool.directory) == []


def test_a_body_under_way_has_no_final_name(spool: Spool) -> None:
    writer = spool.writer()
    writer.write(b"x" * (INLINE + 1))
    assert [name.endswith(".part") for name in names(spool)] == [True]
    writer.discard()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(chunks=st.lists(st.binary(max_size=3 * HEAD_BYTES), max_size=6))
def test_size_digests_head_and_bytes_do_not_depend_on_the_chunks(spool: Spool, chunks: list[bytes]) -> None:
    async def once() -> tuple[Body, bytes]:
        writer = spool.writer()
        for chunk in chunks:
            writer.write(chunk)
        assert writer.size == sum(map(len, chunks))
        body = await writer.finish()
        return body, body.data if body.data is not None else await read(spool, body)

    data = b"".join(chunks)
    body, kept = asyncio.run(once())
    assert kept == data
    assert (body.size, body.head) == (len(data), data[:HEAD_BYTES])
    assert body.sha256 == hashlib.sha256(data).digest()
    assert body.sha1 == hashlib.sha1(data, usedforsecurity=False).digest()


async def test_a_large_body_is_read_in_chunks(spool: Spool) -> None:
    data = os.urandom(2 * READ_BYTES + 7)
    body = await put(spool, data)
    assert [len(chunk) async for chunk in spool.read(body.spool_name or "")] == [READ_BYTES, READ_BYTES, 7]


@pytest.mark.parametrize("size", [10, INLINE + 10])
async def test_discard_leaves_nothing_at_any_time(spool: Spool, size: int) -> None:
    unused = spool.writer()
    unused.discard()
    half = spool.writer()
    half.write(b"x" * size)
    half.discard()
    half.discard()
    done = spool.writer()
    done.write(b"x" * size)
    await done.finish()
    done.discard()
    assert names(spool) == []
    assert open_in(spool.directory) == []


async def test_cancelled_before_its_thread_could_start(spool: Spool) -> None:
    release = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    blocked = asyncio.get_running_loop().run_in_executor(None, release.wait)
    writer = spool.writer()
    writer.write(b"x" * (INLINE + 1))
    finishing = asyncio.create_task(writer.finish())
    await asyncio.sleep(0)
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    writer.discard()
    assert names(spool) == []
    release.set()
    await blocked
    await drained()
    assert names(spool) == []
    assert open_in(spool.directory) == []


async def test_cancelled_while_its_thread_works(spool: Spool) -> None:
    """Many times, at moments that differ: the descriptor is closed once, and nothing of the body stays."""
    for yields in range(60):
        writer = spool.writer()
        writer.write(b"x" * 200_000)
        finishing = asyncio.create_task(writer.finish())
        for _ in range(1 + yields % 20):
            await asyncio.sleep(0)
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
        writer.discard()
        with (spool.directory.parent / "witness").open("wb", 0) as witness:  # takes the number that was just freed
            await asyncio.sleep(0)
            witness.write(b"y")
    await drained()
    assert names(spool) == []
    assert open_in(spool.directory) == []


async def test_cancelled_and_not_discarded_the_body_is_whole_or_absent(spool: Spool) -> None:
    writer = spool.writer()
    writer.write(b"x" * 200_000)
    finishing = asyncio.create_task(writer.finish())
    await asyncio.sleep(0)
    finishing.cancel()
    await asyncio.gather(finishing, return_exceptions=True)
    await drained()
    assert [spool.path(name).stat().st_size for name in names(spool)] == [200_000]
    assert open_in(spool.directory) == []


async def test_a_reader_that_is_cancelled_closes_its_file(spool: Spool) -> None:
    body = await put(spool, os.urandom(3 * READ_BYTES))

    async def consume() -> None:
        async for _ in spool.read(body.spool_name or ""):
            pass

    for yields in range(20):
        reading = asyncio.create_task(consume())
        for _ in range(1 + yields % 10):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await drained()
    await asyncio.sleep(0)  # the loop hears of the threads' end
    assert open_in(spool.directory) == []


async def test_a_file_removed_while_it_is_read_is_read_to_its_end(spool: Spool) -> None:
    data = os.urandom(2 * READ_BYTES)
    body = await put(spool, data)
    chunks = spool.read(body.spool_name or "")
    first = await anext(chunks)
    spool.remove(body.spool_name or "")
    assert first + b"".join([chunk async for chunk in chunks]) == data
    spool.remove(body.spool_name or "")


async def test_a_body_that_is_gone_says_so(spool: Spool) -> None:
    with pytest.raises(FileNotFoundError):
        await anext(spool.read("0" * 32))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".hidden", "a/b"])
def test_a_name_never_leaves_the_folder(spool: Spool, name: str) -> None:
    with pytest.raises(ValueError, match="spool name"):
        spool.path(name)


def test_the_folder_is_closed_to_others_and_writable(spool: Spool) -> None:
    assert spool.directory.stat().st_mode & 0o777 == 0o700
    assert spool.is_writable()


def test_a_folder_that_is_gone_is_not_writable(spool: Spool) -> None:
    spool.directory.rmdir()
    assert not spool.is_writable()
