"""Databases that no migration has touched yet."""

import asyncio
import itertools
from collections.abc import Iterator

import asyncpg
import pytest

from tdt.sandbox import postgres
from tests.postgres import TestServer

_numbers = itertools.count(1)


@pytest.fixture
def bare_database(postgres_server: TestServer) -> Iterator[str]:
    """The DSN, as the owner, of an empty database."""
    name = f"tdt_empty_{next(_numbers)}"
    asyncio.run(postgres.make_database(postgres_server.cluster, name))
    yield postgres_server.cluster.dsn(postgres.OWNER, name)
    asyncio.run(_drop(postgres_server.admin_dsn, name))


async def _drop(admin_dsn: str, name: str) -> None:
    connection = await asyncpg.connect(admin_dsn)
    try:
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()
