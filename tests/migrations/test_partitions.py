"""The partitions of the months: made ahead, and an insert outside of them never fails."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import pytest

from tdt.db.migrate import FUTURE_MONTHS, make_partitions
from tests.postgres import TestDatabase

PARENTS = {"content_chunk": "archived_at", "attempt": "started_at", "event": "at", "audit": "at"}

INSERT = """
    insert into event (object_kind, object_id, to_status, at) values ('acte', $1, 1, $2)
    returning tableoid::regclass::text"""


@pytest.fixture
async def owner(database: TestDatabase) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database.owner_dsn)
    yield connection
    await connection.close()


async def put(owner: Any, number: int, at: datetime) -> str:
    """Where an event of this instant goes."""
    return str(await owner.fetchval(INSERT, number, at))


async def partitions(owner: Any, parent: str) -> set[str]:
    found = await owner.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::text::regclass", parent
    )
    return {row["name"] for row in found}


async def this_month(owner: Any) -> date:
    today: date = await owner.fetchval("select date_trunc('month', now() at time zone 'UTC')::date")
    return today


def later(month: date, months: int) -> date:
    count = month.year * 12 + month.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


async def test_only_these_tables_have_partitions(owner: Any) -> None:
    found = await owner.fetch("select partrelid::regclass::text as name from pg_partitioned_table")
    assert {row["name"] for row in found} == set(PARENTS)


@pytest.mark.parametrize("parent", PARENTS)
async def test_this_month_and_the_next_ones_are_ready(owner: Any, parent: str) -> None:
    month = await this_month(owner)
    expected = {f"{parent}_{later(month, ahead):%Y%m}" for ahead in range(FUTURE_MONTHS)}
    assert await partitions(owner, parent) == expected | {f"{parent}_default"}


async def test_a_row_goes_to_its_month_and_any_other_to_the_default(owner: Any) -> None:
    month = await this_month(owner)
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    assert await put(owner, 1, start) == f"event_{month:%Y%m}"
    assert await put(owner, 2, await owner.fetchval("select now()")) == f"event_{month:%Y%m}"
    assert await put(owner, 3, datetime(2001, 1, 1, tzinfo=UTC)) == "event_default"
    assert await put(owner, 4, datetime(2999, 1, 1, tzinfo=UTC)) == "event_default"
    assert await owner.fetchval("select count(*) from event") == 4


async def test_the_months_are_those_of_utc_whatever_the_session(owner: Any) -> None:
    await owner.execute("set timezone = 'Pacific/Auckland'")
    await owner.fetchval("select tdt_make_partitions('2031-01-01', 1)")
    assert await put(owner, 1, datetime(2031, 1, 1, tzinfo=UTC)) == "event_203101"
    assert await put(owner, 2, datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC)) == "event_default"
    assert await put(owner, 3, datetime(2031, 1, 31, 23, 59, 59, tzinfo=UTC)) == "event_203101"
    assert await put(owner, 4, datetime(2031, 2, 1, tzinfo=UTC)) == "event_default"


async def test_made_again_nothing_changes(owner: Any) -> None:
    assert await make_partitions(owner) == 0
    assert await owner.fetchval("select tdt_make_partitions('2031-11-15', 3)") == 3 * len(PARENTS)
    assert await owner.fetchval("select tdt_make_partitions('2031-12-31', 3)") == len(PARENTS)
    assert {"event_203111", "event_203112", "event_203201", "event_203202"} <= await partitions(owner, "event")


async def test_rows_that_came_before_their_month_was_made_move_to_it(owner: Any) -> None:
    """The default partition would refuse the new month as long as it held one of its rows."""
    for number, at in enumerate([datetime(2031, 3, 1, tzinfo=UTC), datetime(2031, 3, 31, 23, 59, 59, tzinfo=UTC)]):
        assert await put(owner, number, at) == "event_default"
    assert await put(owner, 9, datetime(2031, 4, 1, tzinfo=UTC)) == "event_default"
    assert await owner.fetchval("select tdt_make_partitions('2031-03-01', 1)") == len(PARENTS)
    found = await owner.fetch("select object_id, tableoid::regclass::text as place from event order by 1")
    assert [tuple(row) for row in found] == [(0, "event_203103"), (1, "event_203103"), (9, "event_default")]


@pytest.mark.parametrize(("parent", "key"), PARENTS.items())
async def test_a_month_has_all_that_its_parent_has(owner: Any, parent: str, key: str) -> None:
    """Indexes, checks and storage: a month is a table that was attached."""
    await owner.fetchval("select tdt_make_partitions('2031-05-01', 1)")
    month = f"{parent}_203105"

    async def facts(query: str, table: str) -> list[str]:
        found = await owner.fetch(query, table)
        return sorted(str(row[0]) for row in found)

    indexes = "select indkey::text || indisunique::text from pg_index where indrelid = $1::text::regclass"
    checks = "select pg_get_constraintdef(oid) from pg_constraint where contype = 'c' and conrelid = $1::text::regclass"
    storage = (
        "select attname::text || attstorage::text from pg_attribute where attnum > 0 and attrelid = $1::text::regclass"
    )
    for query in (indexes, checks, storage):
        assert await facts(query, month) == await facts(query, parent)
    assert await owner.fetchval("select relrowsecurity from pg_class where oid = $1::text::regclass", month)
    bounds = "select pg_get_expr(relpartbound, oid) from pg_class where oid = $1::text::regclass"
    assert "2031-05-01" in await owner.fetchval(bounds, month)
    assert key in await owner.fetchval("select pg_get_partkeydef($1::text::regclass)", parent)


async def test_a_worker_makes_the_months_ahead(owner: Any, database: TestDatabase) -> None:
    month = later(await this_month(owner), 30)
    worker = await asyncpg.connect(database.app_dsn)
    try:
        assert await worker.fetchval("select tdt_make_partitions($1, 1)", month) == len(PARENTS)
    finally:
        await worker.close()
    assert f"event_{month:%Y%m}" in await partitions(owner, "event")
