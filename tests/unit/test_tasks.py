"""Tasks end, also those that a cancellation has passed by."""

import asyncio

import pytest

from tdt.tasks import end


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
