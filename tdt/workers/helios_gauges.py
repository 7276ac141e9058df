"""What waits at HELIOS, for Prometheus: by state and route, how many, how old, how many too long."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge

from tdt.db.helios_alerts import Waiting
from tdt.flows.helios_alerts import Silence


class HeliosGauges:
    """Gauges of one worker, as it last looked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        both = ["status", "route"]
        self._flows = Gauge("tdt_helios_flows", "Flows at 1, 2 and 3", both, registry=registry)
        self._oldest = Gauge("tdt_helios_oldest_seconds", "Age of the oldest of them", both, registry=registry)
        self._late = Gauge("tdt_helios_late", "Those that wait for too long", both, registry=registry)
        self._silent = Gauge(
            "tdt_helios_silent", "1: nothing comes by the route though flows wait", ["route"], registry=registry
        )
        self._received = Gauge(
            "tdt_helios_last_received_seconds", "Since the last file of the route", ["route"], registry=registry
        )

    def show(self, waiting: Sequence[Waiting], routes: Sequence[Silence], now: datetime) -> None:
        """Replace all."""
        for gauge in (self._flows, self._oldest, self._late, self._silent, self._received):
            gauge.clear()
        for route in routes:
            for status in (1, 2, 3):
                self._flows.labels(str(status), route.route).set(0)
                self._late.labels(str(status), route.route).set(0)
            self._silent.labels(route.route).set(route.late)
            if route.last is not None:
                self._received.labels(route.route).set((now - route.last).total_seconds())
        for one in waiting:
            labels = (str(one.status), one.route)
            self._flows.labels(*labels).set(one.count)
            self._oldest.labels(*labels).set((now - one.oldest).total_seconds())
            self._late.labels(*labels).set(one.late)
