"""What a worker measures, for Prometheus."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tdt.db.balances import Counts
from tdt.db.helios_alerts import Waiting
from tdt.domain.expiry import THRESHOLDS, Ending, Kind
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.flows.helios_alerts import Silence
from tdt.workers.breakers import BreakerGauges
from tdt.workers.helios_gauges import HeliosGauges
from tdt.workers.lateness import LatenessGauges
from tdt.workers.work_gauges import WorkGauges

SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120, 600)


class WorkerMetrics:
    """What one worker counts, and the certificates as it last saw them, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = Counter("tdt_jobs_total", "Jobs tried, by outcome", ["kind", "outcome"], registry=self._registry)
        self._seconds = Histogram(
            "tdt_job_seconds", "Time of one try", ["kind"], buckets=SECONDS, registry=self._registry
        )
        self._days_left = Gauge(
            "tdt_certificate_days_left",
            "Days before the end: each certificate or list of the installation; of accounts, the next to end",
            ["kind", "name"],
            registry=self._registry,
        )
        self._accounts_ending = Gauge(
            "tdt_account_certificates_ending",
            "Certificates of active accounts that end within so many days; 0: ended",
            ["within_days"],
            registry=self._registry,
        )
        self._unreadable = Gauge(
            "tdt_certificates_unreadable", "Files of certificates or lists that cannot be read", registry=self._registry
        )

        self._unanswered = Gauge(
            "tdt_actes_unanswered",
            "Transactions of ACTES that the ministry has not answered for actes.unanswered_hours",
            registry=self._registry,
        )

        self._held = Gauge(
            "tdt_held_flows", "Flows that wait for a convention or a suspension", ["kind"], registry=self._registry
        )

        self._waiting = Gauge(
            "tdt_received_waiting",
            "Mails and files of the State that wait for an operator",
            ["kind", "reason"],
            registry=self._registry,
        )

        self._proposals = Gauge(
            "tdt_siret_proposals_waiting", "SIRETs of flows that wait for an operator", registry=self._registry
        )
        self._helios = HeliosGauges(self._registry)
        self.breakers = BreakerGauges(self._registry)
        self.lateness = LatenessGauges(self._registry)
        self.work = WorkGauges(self._registry)

        self._balances = Gauge(
            "tdt_balances",
            "Balances: without signature, routes that do not balance, collectivités late",
            ["state"],
            registry=self._registry,
        )

        self._revocation = Counter(
            "tdt_revocation_fetches_total", "Lists and OCSP answers fetched", ["outcome"], registry=self._registry
        )

    def count_revocation(self, renewed: int, failed: int) -> None:
        """Count what a pass over the lists and OCSP answers came to."""
        self._revocation.labels("renewed").inc(renewed)
        self._revocation.labels("failed").inc(failed)

    def show_balances(self, counts: Counts) -> None:
        """Replace how the daily balances stand."""
        self._balances.labels("unsigned").set(counts.unsigned)
        self._balances.labels("unbalanced").set(counts.unbalanced)
        self._balances.labels("late").set(counts.late)

    def show_unanswered(self, count: int) -> None:
        """Replace how many transactions the ministry leaves without answer."""
        self._unanswered.set(count)

    def show_held(self, held: Mapping[str, int]) -> None:
        """Replace how many flows wait for a convention, by kind of job."""
        for kind in (JobKind.ACTES_TRANSMIT, JobKind.HELIOS_TRANSMIT):
            self._held.labels(kind).set(held.get(kind, 0))

    def show_proposals(self, count: int) -> None:
        """Replace how many SIRETs wait for a decision."""
        self._proposals.set(count)

    def show_waiting(self, waiting: Mapping[tuple[str, str], int]) -> None:
        """Replace how much waits in the operator's box, by kind of route and reason."""
        for kind in RouteKind:
            for reason in ("forged", "unattributed", "attributed", "ocre"):
                self._waiting.labels(kind, reason).set(waiting.get((kind, reason), 0))

    def show_helios(self, waiting: Sequence[Waiting], routes: Sequence[Silence], now: datetime) -> None:
        """Replace what waits at HELIOS, by state and route."""
        self._helios.show(waiting, routes, now)

    def show_certificates(self, certificates: Sequence[Ending], now: datetime) -> None:
        """Replace what is shown of the calendar; nothing personal goes into a label."""
        self._days_left.clear()
        dated = [(one, one.days_left(now) or 0) for one in certificates if one.ends_at is not None]
        of_accounts = [(one, days) for one, days in dated if one.kind is Kind.ACCOUNT]
        for one, days in sorted(dated, key=lambda each: each[1], reverse=True):  # of one name, the first to end stays
            if one.kind is not Kind.ACCOUNT:
                self._days_left.labels(one.kind, one.name).set(days)
        to_come = [days for one, days in of_accounts if one.ends_at is not None and one.ends_at >= now]
        if to_come:
            self._days_left.labels(Kind.ACCOUNT, "first to end").set(min(to_come))
        self._accounts_ending.labels("0").set(len(of_accounts) - len(to_come))
        for threshold in THRESHOLDS:
            self._accounts_ending.labels(str(threshold)).set(sum(days <= threshold for days in to_come))
        unreadable = [one for one in certificates if one.ends_at is None and one.kind is not Kind.ACCOUNT]
        self._unreadable.set(len(unreadable))

    def observe(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one try of a job."""
        self._jobs.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)
