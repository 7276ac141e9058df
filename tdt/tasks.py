"""Tasks: ended for sure, run until an event, tried until a service is back, done again every so often."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from tdt.domain.errors import TdtError, Temporary

log = structlog.get_logger()

AGAIN_SECONDS = 0.5
RETRY_SECONDS = 1.0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks and wait until each has ended, whatever way it ends.

    A cancellation can be lost: `asyncio.wait_for` of Python 3.11, on which the FTP and IMAP libraries rely, drops it
    when what it waits for ends at that very instant, and a cleanup that fails puts its own error in its place. So it is
    told again. When the caller is cancelled meanwhile it still waits, for what it would leave behind may hold a lock or
    a mailbox, and is cancelled afterwards.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at: the loop does not complain of it
    if cancelled is not None:
        raise cancelled


async def run_until(event: asyncio.Event, running: Coroutine[Any, Any, object]) -> bool:
    """Run this, and end it once the event is set. Whether it came to its own end; what it raises comes out."""
    task = asyncio.create_task(running)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            return True
        return False
    finally:
        await end(task, waiting)


async def insist(event: str, step: Callable[[], Awaitable[object]]) -> None:
    """Try a step until the services that it needs are there: an outage is told once in the log, and waited for."""
    told = False
    while True:
        try:
            await step()
        except Temporary as error:
            if not told:
                log.warning(event, code=error.code, reason=error.message)
            told = True
        else:
            return
        await asyncio.sleep(RETRY_SECONDS)


async def every(seconds: float, event: str, look: Callable[[], Awaitable[object]], *, wait_first: bool = False) -> None:
    """Look, wait, and look again, for ever. One that fails is told in the log as `event`; a fault of ours ends it."""
    if wait_first:
        await asyncio.sleep(seconds)
    while True:
        try:
            await look()
        except TdtError as error:
            log.warning(event, code=error.code, reason=error.message)
        await asyncio.sleep(seconds)
