"""What a worker measures, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600)


class WorkerMetrics:
    """Counters of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = Counter("tdt_jobs_total", "Jobs tried, by outcome", ["kind", "outcome"], registry=self._registry)
        self._seconds = Histogram(
            "tdt_job_seconds", "Time of one try", ["kind"], buckets=SECONDS, registry=self._registry
        )

    def observe(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one try of a job."""
        self._jobs.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)
