"""Mails of many megabytes: one at a time in a process, and none that is larger than anything the ministry sends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from tdt.db.content import get_content
from tdt.db.pool import Connection
from tdt.db.routes import Received
from tdt.deps import Deps
from tdt.domain.actes.mail import MAIL_LIMIT
from tdt.domain.errors import Permanent, Temporary

LARGE = 2 << 20
AGAIN = timedelta(seconds=3)
_one = threading.Lock()
"""Of this process: what counts is its memory."""


@contextmanager
def alone(size: int, now: datetime) -> Iterator[None]:
    """Around the reading of a mail. Temporary when it is large and another large one is being read."""
    if size <= LARGE:
        yield
        return
    if not _one.acquire(blocking=False):
        raise Temporary("Un autre courriel volumineux est en cours de lecture.", details={"retry_at": now + AGAIN})
    try:
        yield
    finally:
        _one.release()


async def size_of(connection: Connection, received: Received) -> int:
    """How large a reception is."""
    content = await get_content(connection, received.content_id)
    if content is None:
        raise Permanent("Le courriel reçu a disparu.", details={"received_id": received.id})
    return content.size


async def load(deps: Deps, received: Received, size: int) -> bytes:
    """Its bytes; of one that is too large to be read, those at its start, which hold its headers."""
    if size > MAIL_LIMIT:
        async for chunk in deps.stream("system", received.content_id):
            return chunk
    return b"".join([chunk async for chunk in deps.stream("system", received.content_id)])
