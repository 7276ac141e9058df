"""A worker whose clock is hours ahead or late delays nothing by hours: what it gives back is due by Postgres' clock."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tdt.db import jobs as db
from tdt.domain.jobs import JobKind, RetryAt
from tests.claims import claim_next
from tests.faults.plant import Plant, plant
from tests.postgres import TestDatabase

HOURS = timedelta(hours=2)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def works(database: TestDatabase, tmp_path: Any) -> AsyncIterator[Plant]:
    async with plant(database, tmp_path) as running:
        yield running


async def given_back(works: Plant, skew: timedelta, step: RetryAt) -> timedelta:
    """In how long a job is due that a worker with such a clock gives back; `step.at` is a distance from its clock."""
    async with works.deps.transaction("system") as connection:
        await db.insert_job(connection, JobKind.HELIOS_INGEST, None, 1)
        job = await claim_next(connection, "w")
        assert job is not None
        now: datetime = await connection.fetchval("select now()")
        await db.move_to_ready(connection, "w", job.id, replace(step, at=step.at + (now + skew - EPOCH)), now + skew)
        run_at: datetime = await connection.fetchval("select run_at from job where id = $1", job.id)
        return run_at - now


EPOCH = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


@pytest.mark.parametrize("skew", [HOURS, -HOURS, timedelta(0)])
async def test_a_delay_is_a_delay_whatever_the_clock(works: Plant, skew: timedelta) -> None:
    assert await given_back(works, skew, RetryAt(EPOCH + MINUTE, "INDISPONIBLE")) == MINUTE


async def test_an_instant_said_by_a_clock_that_is_ahead_is_no_hours_away(works: Plant) -> None:
    assert await given_back(works, HOURS, RetryAt(EPOCH + MINUTE, "INCERTAIN", fixed=True)) == MINUTE


async def test_an_instant_of_postgres_is_kept_by_a_clock_that_is_late(works: Plant) -> None:
    at = EPOCH + HOURS + MINUTE  # a minute from now, as Postgres counts
    assert await given_back(works, -HOURS, RetryAt(at, "INCERTAIN", fixed=True)) == MINUTE
