"""Children that work on documents: their results, their limits, their deaths; nothing stays of a task given up."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from reportlab.lib.pagesizes import A4

from tdt.documents.child import Cause, ChildBug, ChildFailed, Children, Limits
from tdt.domain.errors import Refused, Temporary
from tests import child_tasks as tasks
from tests import pdfs
from tests.programs import CONFINED

LIMITS = Limits(memory_bytes=96 << 20, seconds=20, file_bytes=4 << 20)


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children(2, LIMITS)
    yield children
    await children.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):  # noqa: ASYNC110 - the end of somebody else's child tells nobody
            await asyncio.sleep(0.01)


async def started(reading: int) -> int:
    """The pid that a task wrote when it began."""
    async with asyncio.timeout(10):
        return int((await asyncio.to_thread(os.read, reading, 100)).decode())


async def test_bytes_go_from_file_to_file_and_a_result_comes_back(children: Children, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    data = os.urandom(3 << 20)
    source.write_bytes(data)
    with source.open("rb") as given, target.open("wb") as made:
        assert await children.run(tasks.COPY, "é:", [given.fileno(), made.fileno()]) == len(data)
    assert target.read_bytes() == "é:".encode() + data


async def test_a_bad_document_is_told_with_its_code(children: Children) -> None:
    with pytest.raises(Refused, match="abîmé") as caught:
        await children.run(tasks.REFUSE, "Fichier abîmé.")
    assert caught.value.code == "PDF_ILLISIBLE"


async def test_a_mistake_of_ours_comes_with_its_traceback(children: Children) -> None:
    with pytest.raises(ChildBug, match=r"child_tasks\.py"):
        await children.run(tasks.MISTAKE, "key")
    with pytest.raises(ChildBug, match="no_such_module"):
        await children.run(tasks.UNKNOWN, "")


async def test_memory_is_limited_for_each_child_alone(children: Children) -> None:
    with pytest.raises(ChildFailed) as caught:
        await children.run(tasks.EAT, 200 << 20)
    assert caught.value.cause is Cause.MEMORY
    assert await children.run(tasks.EAT, 20 << 20) == 20 << 20
    wide = Limits(memory_bytes=300 << 20, seconds=20)
    assert await children.run(tasks.EAT, 200 << 20, limits=wide) == 200 << 20


async def test_time_is_limited(children: Children) -> None:
    short = Limits(memory_bytes=96 << 20, seconds=0.3)
    for work in (children.run(tasks.SPIN, "", limits=short), children.run(tasks.SLEEP, 60.0, limits=short)):
        with pytest.raises(ChildFailed) as caught:
            await work
        assert caught.value.cause is Cause.TIME


async def test_what_is_written_is_limited(children: Children, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as made:
        assert await children.run(tasks.FILL, 3, [made.fileno()]) == 3 << 20
        with pytest.raises(ChildFailed) as caught:
            await children.run(tasks.FILL, 3, [made.fileno()])
    assert caught.value.cause is Cause.SIZE


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
async def test_a_crash_is_no_verdict_on_the_document(children: Children, number: int) -> None:
    with pytest.raises(ChildFailed) as caught:
        await children.run(tasks.DIE, int(number))
    assert caught.value.cause is Cause.CRASH


async def test_an_answer_of_another_kind_is_not_believed(children: Children) -> None:
    with pytest.raises(ChildFailed) as caught:
        await children.run(tasks.BABBLE, "")
    assert caught.value.cause is Cause.CRASH


async def test_cancelled_the_child_is_killed(children: Children) -> None:
    reading, writing = os.pipe()
    task = asyncio.create_task(children.run(tasks.SLEEP, 60.0, [writing]))
    pid = await started(reading)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await gone(pid)
    os.close(reading)
    os.close(writing)
    assert await children.run(tasks.EAT, 1) == 1


async def test_closed_nothing_stays(children: Children) -> None:
    reading, writing = os.pipe()
    task = asyncio.create_task(children.run(tasks.SLEEP, 60.0, [writing]))
    pid = await started(reading)
    await children.close()
    with pytest.raises(Temporary):
        await task
    await gone(pid)
    os.close(reading)
    os.close(writing)


async def test_a_few_at_a_time(children: Children) -> None:
    reading, writing = os.pipe()
    running = [asyncio.create_task(children.run(tasks.SLEEP, 60.0, [writing])) for _ in range(3)]
    pids = {await started(reading)}
    if len(pids) < 2:
        pids.add(await started(reading))
    os.set_blocking(reading, False)
    # both places are taken: the third begins when one of them is free again
    with pytest.raises(BlockingIOError):
        os.read(reading, 100)
    os.set_blocking(reading, True)
    running[0].cancel()
    assert await started(reading) not in pids
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    os.close(reading)
    os.close(writing)


async def test_when_the_host_dies_one_tries_again_with_another(children: Children) -> None:
    first = await children.run(tasks.SEE, "")
    reading, writing = os.pipe()
    with pytest.raises(Temporary):
        await children.run(tasks.KILL_HOST, "", [writing])
    await gone(await started(reading))
    os.close(reading)
    os.close(writing)
    second = await children.run(tasks.SEE, "")
    assert first["parent"] != second["parent"]


async def test_a_child_sees_no_credential_no_other_file_and_nothing_of_the_one_before(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/tdt")
    monkeypatch.setenv("TDT_DSN", "postgresql://secret")
    for _ in range(2):
        seen = await children.run(tasks.SEE, "")
        assert seen["kept"] == "1"
        assert seen["files"] == "0"
        assert not {"CREDENTIALS_DIRECTORY", "TDT_DSN", "NOTIFY_SOCKET"} & seen.keys()


def test_under_uvloop_too(tmp_path: Path) -> None:
    async def work() -> list[int]:
        children = Children(2, LIMITS)
        try:
            return list(await asyncio.gather(*(children.run(tasks.EAT, size) for size in (1, 2, 3))))
        finally:
            await children.close()

    assert uvloop.run(work()) == [1, 2, 3]


CONFINED_WORK = """
import asyncio, sys
from tdt.documents.child import Children, Limits
from tdt.documents.scratch import open_scratch
from tdt.documents.stamp import STAMP, StampOrder
from pathlib import Path

async def work():
    children = Children(1, Limits(memory_bytes=256 << 20, seconds=30))
    order = StampOrder(("a", "b", "c", "d"), "top-right", 10.0, 10.0, "all", "", 0.8)
    with open_scratch(Path(sys.argv[1])) as source, open_scratch(Path(sys.argv[1])) as target:
        await source.write(Path(sys.argv[2]).read_bytes())
        print((await children.run(STAMP, order, (source.descriptor, target.descriptor))).pages)
    await children.close()

asyncio.run(work())
"""


async def test_under_memory_deny_write_execute_too(tmp_path: Path) -> None:
    """As the units of systemd have it."""
    source = tmp_path / "source.pdf"
    source.write_bytes(pdfs.make(A4, pages=2))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", CONFINED, sys.executable, "-c", CONFINED_WORK, str(tmp_path), str(source)),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    assert (process.returncode, told) == (0, b"2\n")
