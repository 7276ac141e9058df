"""Alerts are told once for each event, and end when what they told of is over."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tdt.db.alerts import Alert, insert_alerts, list_open, move_to_ended
from tdt.db.pool import Pool, transaction
from tests.postgres import TestDatabase
from tests.tenants import application

SINCE = datetime(2026, 11, 26, 8, tzinfo=UTC)


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn) as pool:
        yield pool


async def test_an_alert_is_new_once_and_anew_for_another_instant(pool: Pool) -> None:
    one = Alert(None, "late", "helios:3", SINCE, {"limit": 60})
    later = Alert(None, "late", "helios:3", SINCE + timedelta(hours=1))
    async with transaction(pool, "system") as connection:
        assert await insert_alerts(connection, [one]) == [one]
        assert await insert_alerts(connection, [one, later]) == [later]
        assert await list_open(connection) == [one, later]
        told = await connection.fetch("select tag, data from audit order by id")
    assert [(row["tag"], row["data"]["since"]) for row in told] == [
        ("system:alert:raise", SINCE.isoformat()),
        ("system:alert:raise", later.since.isoformat()),
    ]


async def test_what_is_over_ends_and_only_that(pool: Pool) -> None:
    late = [Alert(None, "late", f"acte:{number}", SINCE) for number in (1, 2)]
    other = Alert(None, "breaker", "route:1", SINCE)
    async with transaction(pool, "system") as connection:
        await insert_alerts(connection, [*late, other])
        assert await move_to_ended(connection, "late", [("acte:2", SINCE)]) == [late[0]]
        assert await move_to_ended(connection, "late", [("acte:2", SINCE)]) == []
        assert await list_open(connection) == [late[1], other]
