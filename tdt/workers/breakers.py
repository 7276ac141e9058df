"""Watch the breakers: shown in the metrics, told in the log when they change, alerts when one stays open."""

import structlog
from prometheus_client import CollectorRegistry, Gauge

from tdt.db.breakers import Shown
from tdt.deps import Deps
from tdt.flows import breakers
from tdt.tasks import every

log = structlog.get_logger()

WATCH_SECONDS = 20.0


class BreakerGauges:
    """As one worker last saw them; one that never counted a failure has no line."""

    def __init__(self, registry: CollectorRegistry) -> None:
        both = ["remote", "route"]
        self._open = Gauge("tdt_breaker_open", "1: nothing is tried but one thing at a time", both, registry=registry)
        self._failures = Gauge("tdt_breaker_failures", "Failures in a row", both, registry=registry)

    def show(self, shown: list[Shown]) -> None:
        """Replace all."""
        self._open.clear()
        self._failures.clear()
        for one in shown:
            labels = (str(one.place.remote), one.route)
            self._open.labels(*labels).set(one.breaker.is_open)
            self._failures.labels(*labels).set(one.breaker.failures + one.breaker.probes)


async def watch_breakers(deps: Deps, gauges: BreakerGauges) -> None:
    """Every twenty seconds."""
    known: set[str] = set()

    async def look_again() -> None:
        nonlocal known
        known = await look(deps, gauges, known)

    await every(WATCH_SECONDS, "breakers.watch_failed", look_again)


async def look(deps: Deps, gauges: BreakerGauges, known: set[str]) -> set[str]:
    """Once; `known`: those that were open when this worker last looked."""
    shown, told = await breakers.tell(deps)
    gauges.show(list(shown))
    opened = {one.place.subject: one for one in shown if one.breaker.is_open}
    for subject in opened.keys() - known:
        log.warning("breaker.open", breaker=subject, reason=opened[subject].breaker.last_error)
    for subject in known - opened.keys():
        log.info("breaker.closed", breaker=subject)
    for one in told:
        log.warning("breaker.stays_open", breaker=one.place.subject, since=one.breaker.opened_at)
    return set(opened)
