"""Collectivités for tests of the database, and the pool that sees them as the application does."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tdt.db.authorities import NewAuthority, insert_authority
from tdt.db.pool import Pool, open_pool, transaction
from tdt.domain.ids import AuthorityId

_numbers = itertools.count(100_000_000)


@asynccontextmanager
async def application(dsn: str, size: int = 5) -> AsyncIterator[Pool]:
    """A pool of the role tdt_app: row-level security applies."""
    pool = await open_pool(dsn, size)
    try:
        yield pool
    finally:
        pool.terminate()


async def add_authority(pool: Pool) -> AuthorityId:
    """One more collectivité, of a SIREN of its own."""
    siren = str(next(_numbers))
    async with transaction(pool, "system") as connection:
        return await insert_authority(connection, NewAuthority(f"Commune {siren}", siren, 31, "034", "3"))
