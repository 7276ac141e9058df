"""End tasks for sure: one that is cancelled once may not notice."""

import asyncio
from typing import Any

AGAIN_SECONDS = 0.5


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
