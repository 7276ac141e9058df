"""Tasks end, also those that a cancellation has passed by; what is done again and again survives what may fail."""

import asyncio
from typing import Any

import pytest
import structlog

from tdt import tasks
from tdt.domain.errors import Permanent, Refused, TdtError, Temporary
from tdt.tasks import end, every, insist, run_until


async def deaf(times: int, heard: list[int]) -> None:
    """Loses this many cancellations, as what waits in a library may."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append(times)
            if len(heard) > times:
                raise


async def started(*tasks: asyncio.Task[None]) -> None:
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_a_cancellation_that_is_lost_is_told_again(lost: int) -> None:
    heard: list[int] = []
    task = asyncio.create_task(deaf(lost, heard))
    await started(task)
    await end(task)
    assert task.cancelled()
    assert len(heard) == lost + 1


async def test_a_task_that_has_failed_or_is_done_is_left_as_it_is() -> None:
    async def fail() -> None:
        raise ValueError("its own")

    async def finish() -> None:
        return

    tasks = [asyncio.create_task(fail()), asyncio.create_task(finish())]
    await asyncio.wait(tasks)
    await end(*tasks)
    assert isinstance(tasks[0].exception(), ValueError)
    assert not tasks[1].cancelled()


async def test_whoever_is_cancelled_meanwhile_leaves_nothing_behind() -> None:
    heard: list[int] = []
    task = asyncio.create_task(deaf(1, heard))
    await started(task)
    ending = asyncio.create_task(end(task))
    await started(ending)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert task.cancelled()


async def test_what_runs_ends_with_the_event() -> None:
    event, ended = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        try:
            event.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert not await run_until(event, run())
    assert ended.is_set()


async def test_what_comes_to_its_own_end_says_so() -> None:
    async def finish() -> None:
        await asyncio.sleep(0)

    async def fail() -> None:
        raise ValueError("its own")

    assert await run_until(asyncio.Event(), finish())
    with pytest.raises(ValueError, match="its own"):
        await run_until(asyncio.Event(), fail())


class Step:
    """Raises these one after the other, then succeeds; the last one ends a loop."""

    def __init__(self, *errors: Exception):
        self.errors = list(errors)

    async def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


async def test_a_step_is_tried_until_its_service_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RETRY_SECONDS", 0.0)
    with structlog.testing.capture_logs() as told:
        await insist("x.away", Step(*(Temporary("away") for _ in range(3))))
    assert [(line["event"], line["code"], line["reason"]) for line in told] == [("x.away", "INDISPONIBLE", "away")]


@pytest.mark.parametrize("fault", [ValueError("ours"), Refused("no")])
async def test_a_step_that_no_patience_corrects_is_not_insisted_upon(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        await insist("x.away", Step(fault))


async def test_a_look_that_fails_is_told_and_comes_again() -> None:
    failures: list[TdtError] = [Temporary("away"), Permanent("no")]
    with structlog.testing.capture_logs() as told, pytest.raises(ValueError, match="ours"):
        await every(0.0, "x.failed", Step(*failures, ValueError("ours")))
    assert [(line["event"], line["log_level"], line["reason"]) for line in told] == [
        ("x.failed", "warning", "away"),
        ("x.failed", "warning", "no"),
    ]


@pytest.mark.parametrize("wait_first", [False, True])
async def test_a_look_waits_before_the_first_only_where_it_should(wait_first: bool) -> None:
    looked = asyncio.Event()

    async def look() -> Any:
        looked.set()

    looking = asyncio.create_task(every(3600.0, "x.failed", look, wait_first=wait_first))
    for _ in range(5):
        await asyncio.sleep(0)
    assert looked.is_set() != wait_first
    await end(looking)
    assert looking.cancelled()
