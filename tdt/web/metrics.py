"""What the web process measures, for Prometheus."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tdt.web.connections import Places

log = structlog.get_logger()

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "tdt_http_requests_total", "Requests answered", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "tdt_http_request_seconds", "Time to answer", ["path"], buckets=SECONDS, registry=self._registry
        )
        self._refused = Counter(
            "tdt_connections_refused_total", "Connections closed", ["reason"], registry=self._registry
        )
        self._logins = Counter(
            "tdt_logins_refused_total", "Connections without an account", ["code"], registry=self._registry
        )
        self._handshakes = Counter(
            "tdt_tls_handshakes_refused_total", "TLS handshakes that failed", ["reason"], registry=self._registry
        )
        self._established = Counter(
            "tdt_tls_handshakes_total", "TLS handshakes that succeeded", ["version"], registry=self._registry
        )
        self._open = Gauge("tdt_connections_open", "Clients connected", registry=self._registry)
        self._handshaking = Gauge("tdt_tls_handshakes_open", "TLS handshakes under way", registry=self._registry)
        self._evicted = Gauge(
            "tdt_connections_evicted", "Connections closed to make room, since the start", registry=self._registry
        )
        self._reloaded = Gauge(
            "tdt_trust_reload_failed", "1 while the files of [server] cannot be read", registry=self._registry
        )

    def watch_connections(self, places: Places) -> None:
        """Tell who is connected, whenever asked."""
        self._open.set_function(lambda: len(places))
        self._handshaking.set_function(lambda: places.handshaking)
        self._evicted.set_function(lambda: places.evicted)

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_refused(self, reason: str) -> None:
        """Count a connection closed for its certificate."""
        self._refused.labels(reason).inc()

    def count_login(self, code: str) -> None:
        """Count a request refused for want of an account, or of a right password."""
        self._logins.labels(code).inc()

    def count_handshake(self, version: str) -> None:
        """Count a TLS handshake that succeeded."""
        self._established.labels(version).inc()

    def tell_handshake(self, reason: str) -> None:
        """Count a TLS handshake that failed, and say why."""
        self._handshakes.labels(reason).inc()
        log.info("handshake_refused", reason=reason)

    def tell_reload(self, failed: bool) -> None:
        """Say whether the trust files can be read."""
        self._reloaded.set(int(failed))

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)
