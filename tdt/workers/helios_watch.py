"""Watch HELIOS: what waits shown in the metrics, what waits too long told to the operator."""

from datetime import date

import structlog

from tdt.deps import Deps
from tdt.domain.calendar import paris_date
from tdt.flows import helios_alerts
from tdt.tasks import every
from tdt.workers.metrics import WorkerMetrics

log = structlog.get_logger()

WATCH_SECONDS = 60.0
NAMED = 20
"""Flows named in one line of the log."""


async def watch_helios(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every minute. A line of the log for what is newly late; without a mail server it is all that is told."""
    told: date | None = None

    async def look_again() -> None:
        nonlocal told
        told = await look(deps, metrics, told)

    await every(WATCH_SECONDS, "helios.watch_failed", look_again)


async def look(deps: Deps, metrics: WorkerMetrics, told: date | None) -> date | None:
    """Once; `told`: the last day whose list this worker has written to the log, there being no mail server."""
    waiting, routes = await helios_alerts.count(deps)
    metrics.show_helios(waiting, routes, deps.now())
    new = await helios_alerts.tell(deps)
    for kind, flows in new.flows.items():
        log.warning("helios.late", kind=kind, count=len(flows), flows=list(flows[:NAMED]))
    for route in new.routes:
        log.warning("helios.silence", route=route)
    today = paris_date(deps.now())
    if told == today:
        return told
    count = await helios_alerts.tell_day(deps)
    if count:
        log.warning("helios.unacknowledged", count=count)
    return today if count and not deps.mailer.configured else told
