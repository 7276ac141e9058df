"""What the metrics show of the whole installation, counted at once: any worker may, all see the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.db import gauges as db
from tdt.db.status import list_queues, list_workers
from tdt.deps import Deps
from tdt.domain.status import Queue

PERIOD = timedelta(hours=1)
"""Of the sendings that are counted."""


@dataclass(frozen=True, slots=True)
class Measured:
    now: datetime
    actes: Sequence[db.State]
    queues: Sequence[Queue]
    attempts: Mapping[tuple[str, str], int]
    alerts: Mapping[str, int]
    workers: int


async def measure(deps: Deps) -> Measured:
    """Everything, in one transaction."""
    now = deps.now()
    silent = now - timedelta(seconds=deps.config.worker.dead_after_seconds)
    async with deps.transaction("system") as connection:
        return Measured(
            now,
            await db.list_acte_states(connection),
            await list_queues(connection, now),
            await db.count_attempts(connection, now - PERIOD),
            await db.count_alerts(connection),
            sum(one.seen_at > silent for one in await list_workers(connection)),
        )
