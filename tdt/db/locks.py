"""Advisory locks: one worker at a time listens to a route; a dead one frees it at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tdt.db.pool import UNREACHABLE, Pool, session
from tdt.domain.errors import Temporary

ROUTE_LOCKS = 0x746474
"""First key of the two-key locks on routes: `tdt` in hexadecimal."""


@asynccontextmanager
async def hold_route(pool: Pool, route: int) -> AsyncIterator[asyncio.Event | None]:
    """Hold the lock of a route: gives an event set when the lock is lost with its connection, or None if it is taken.

    Raises Temporary when the database is away.
    """
    lost = asyncio.Event()
    of_the_block: BaseException | None = None

    def on_lost(*_: Any) -> None:
        lost.set()

    try:
        async with session(pool) as connection:
            if not await connection.fetchval("select pg_try_advisory_lock($1, $2)", ROUTE_LOCKS, route):
                yield None
                return
            connection.add_termination_listener(on_lost)
            try:
                yield lost
            except BaseException as error:
                of_the_block = error
                raise
            finally:
                if not connection.is_closed():
                    connection.remove_termination_listener(on_lost)
                    await connection.execute("select pg_advisory_unlock($1, $2)", ROUTE_LOCKS, route)
    except UNREACHABLE as error:
        if of_the_block is not None:
            # a full disk, a mailbox that is away: not the database's; a cancellation, which unlocking must not undo
            raise of_the_block from None
        raise Temporary("La base de données ne répond pas.") from error
