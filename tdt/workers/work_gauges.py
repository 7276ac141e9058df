"""What waits, what was sent, what is wrong, for Prometheus: the whole installation, as one worker last counted it."""

from prometheus_client import CollectorRegistry, Gauge

from tdt.deps import Deps
from tdt.flows import gauges
from tdt.flows.gauges import Measured
from tdt.tasks import every

WATCH_SECONDS = 30.0
ALERTS = ("late", "balance", "digest", "restore", "breaker")
"""Shown as 0 too, so that a series is there before its first alert."""


class WorkGauges:
    """Labels are kinds, statuses, outcomes and names of routes: never a collectivité."""

    def __init__(self, registry: CollectorRegistry) -> None:
        line = ["kind", "size"]
        self._jobs = Gauge(
            "tdt_queue_jobs", "Jobs: due, later, running, dead (set aside)", [*line, "state"], registry=registry
        )
        self._due = Gauge("tdt_queue_oldest_seconds", "Since when the oldest due job waits", line, registry=registry)
        both = ["status", "route"]
        self._actes = Gauge("tdt_actes", "Transactions of ACTES that wait for somebody", both, registry=registry)
        self._oldest = Gauge("tdt_actes_oldest_seconds", "How long the oldest is in it", both, registry=registry)
        self._attempts = Gauge(
            "tdt_attempts_last_hour", "Sendings begun in the last hour", ["route", "outcome"], registry=registry
        )
        self._alerts = Gauge("tdt_alerts", "Alerts that are open", ["kind"], registry=registry)
        self._workers = Gauge("tdt_workers_alive", "Workers whose heart beats", registry=registry)

    def show(self, seen: Measured) -> None:
        """Replace all."""
        for gauge in (self._jobs, self._due, self._actes, self._oldest, self._attempts, self._alerts):
            gauge.clear()
        for one in seen.queues:
            line = (one.kind, "large" if one.large else "small")
            for state, count in (("due", one.due), ("later", one.later), ("running", one.running), ("dead", one.dead)):
                self._jobs.labels(*line, state).set(count)
            self._due.labels(*line).set((seen.now - one.oldest).total_seconds() if one.oldest else 0)
        for acte in seen.actes:
            self._actes.labels(str(acte.status), acte.route).set(acte.count)
            self._oldest.labels(str(acte.status), acte.route).set((seen.now - acte.oldest).total_seconds())
        for (route, outcome), count in seen.attempts.items():
            self._attempts.labels(route, outcome).set(count)
        for kind in {*ALERTS, *seen.alerts}:
            self._alerts.labels(kind).set(seen.alerts.get(kind, 0))
        self._workers.set(seen.workers)


async def watch_work(deps: Deps, shown: WorkGauges) -> None:
    """Every half minute."""

    async def look() -> None:
        shown.show(await gauges.measure(deps))

    await every(WATCH_SECONDS, "gauges.failed", look)
