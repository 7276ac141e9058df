"""asyncpg's question about types: asked once in a process for PostgreSQL's own, by each connection for ours."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tdt.db import known_types
from tdt.db.pool import transaction
from tests.postgres import TestDatabase
from tests.tenants import application

ARRAYS = "select $1::bigint[] as numbers, $2::uuid[] as names, $3::timestamptz[] as instants, $4::jsonb as told"
VALUES = ([1, None, 3], [UUID(int=7)], [datetime(2026, 11, 27, tzinfo=UTC)], {"é": [1]})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The types that connections of this test ask about."""
    found = list[tuple[int, ...]]()
    ask: Any = asyncpg.Connection._introspect_types

    async def counting(connection: Any, typeoids: Any, timeout: Any) -> Any:
        found.append(tuple(typeoids))
        return await ask(connection, typeoids, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", counting)
    monkeypatch.setattr(known_types, "_known", {})
    return found


async def fetch(database: TestDatabase, query: str, *values: object) -> list[Any]:
    """With a connection of its own."""
    async with application(database.app_dsn) as pool, transaction(pool, "system") as connection:
        return [tuple(row) for row in await connection.fetch(query, *values)]


async def test_arrays_are_asked_about_once(database: TestDatabase, asked: list[tuple[int, ...]]) -> None:
    for _ in range(3):
        assert await fetch(database, ARRAYS, *VALUES) == [VALUES]
    assert len(asked) == 1, "asyncpg does not ask this way any more: is tdt/db/known_types still of use?"


async def test_types_of_our_own_are_asked_about_each_time(database: TestDatabase, asked: list[tuple[int, ...]]) -> None:
    """Another database may give another type this number."""
    for _ in range(2):
        assert await fetch(database, "select (null::breaker) is null, null::breaker") == [(True, None)]
    assert len(asked) == 2
