"""The classifications in the background: plan the daily requests, read as data what was received before."""

import asyncio
from datetime import datetime, time, timedelta

from tdt.db.classifications import list_unread, move_to_planned, move_to_read, move_to_unusable
from tdt.db.content import get_small
from tdt.db.jobs import insert_job
from tdt.deps import Deps
from tdt.domain.actes.classification import judge_classification
from tdt.domain.calendar import PARIS, paris_date
from tdt.domain.jobs import JobKind

SPREAD = timedelta(hours=1)
"""The requests of a day leave over that long: the ministry's server is everybody's."""
AT_A_TIME = 200
SCATTER = 2_654_435_761
"""Knuth's multiplier: neighbouring numbers fall far apart."""


async def plan_daily(deps: Deps) -> int:
    """Plan the request 7-1 of the day for each collectivité that has none planned, from the hour set on.

    Gives how many. Several workers share the work: each collectivité is planned once for each civil day.
    """
    now, hour = deps.now(), deps.config.actes.daily_classification_hour
    day = paris_date(now)
    if hour < 0 or now < datetime.combine(day, time(hour), PARIS):
        return 0
    planned = 0
    while True:
        async with deps.transaction("system") as connection:
            batch = await move_to_planned(connection, day, AT_A_TIME)
            for authority in batch:
                at = now + SPREAD * (authority * SCATTER % 2**32 / 2**32)
                await insert_job(connection, JobKind.ACTES_DAILY_CLASSIFICATION, authority, authority, at)
        planned += len(batch)
        if len(batch) < AT_A_TIME:
            return planned


async def read_as_data(deps: Deps) -> int:
    """Read the classifications that are kept as bytes only; one that cannot serve is never in force any more."""
    done = 0
    while True:
        async with deps.transaction("system") as connection:
            unread = await list_unread(connection, AT_A_TIME)
            for one in unread:
                data = await get_small(connection, one.content_id)
                read, fault = await asyncio.to_thread(judge_classification, data, paris_date(deps.now()))
                if read is None or fault:
                    await move_to_unusable(connection, one.id, fault)
                else:
                    await move_to_read(connection, one.id, read)
        done += len(unread)
        if len(unread) < AT_A_TIME:
            return done
