"""Watch the ages: a pass each minute, on one worker at a time; every worker shows the last one, whoever made it."""

from datetime import timedelta

import structlog
from prometheus_client import CollectorRegistry, Gauge

from tdt.db.watchdog import Pass
from tdt.deps import Deps
from tdt.flows import watchdog
from tdt.tasks import every

log = structlog.get_logger()

WATCH_SECONDS = 60.0
SPACING = timedelta(seconds=45)
"""Another worker's pass of a moment ago is enough."""
NAMED = 20
"""Subjects named in one line of the log."""


class LatenessGauges:
    """The last pass, as one worker knows it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._at = Gauge(
            "tdt_watchdog_last_pass_timestamp_seconds", "When the ages were last looked at", registry=registry
        )
        self._seconds = Gauge("tdt_watchdog_pass_seconds", "How long that took", registry=registry)
        self._late = Gauge("tdt_late", "What is older than its limit, by rule", ["rule"], registry=registry)

    def show(self, last: Pass) -> None:
        """Replace all."""
        self._at.set(last.at.timestamp())
        self._seconds.set(last.seconds)
        for rule, count in last.late.items():
            self._late.labels(rule).set(count)


async def watch_lateness(deps: Deps, gauges: LatenessGauges, worker: str) -> None:
    """Every minute."""
    await every(WATCH_SECONDS, "watchdog.failed", lambda: look(deps, gauges, worker))


async def look(deps: Deps, gauges: LatenessGauges, worker: str) -> None:
    """Once: a pass, unless another worker has just made one; a line of the log for each rule newly broken."""
    made = await watchdog.look(deps, worker, SPACING)
    last = made[0] if made is not None else await watchdog.get_last(deps)
    if last is not None:
        gauges.show(last)
    if made is not None:
        for rule, subjects in made[1].items():
            log.warning(
                "late", rule=rule, late=made[0].late[rule], count=len(subjects), subjects=list(subjects[:NAMED])
            )
