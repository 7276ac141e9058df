"""Breakers: when to stop knocking at a remote that does not answer, who tries it again, and when all may go on."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tdt.domain.errors import Held, TdtError, Temporary, Uncertain

PAUSED = "LIAISON_SUSPENDUE"
"""Code of what waits because its remote does not answer: no failure, no attempt, and it goes on by itself."""

LEASE = timedelta(seconds=30)
"""How long one try has the remote to itself, should its process die; one that takes longer is joined by a second."""

NUMBER_OF_ALL = ("421", "425", "426", "452", "530")
"""Replies of FTP and SMTP that say "nobody, not now": no word on what was handed over. 530: it does not let us in."""
SERVER_FAULT = 500


class Remote(StrEnum):
    """What may stop answering. The first three have a breaker for each route."""

    ACTES = "actes"
    HELIOS = "helios"
    RECEPTION = "reception"
    """The mailbox or the reception directory of a route: shown, its listener keeps its own pace."""
    ANTIVIRUS = "antivirus"
    MAIL = "mail"


WAITS = {
    Remote.ACTES: "Le ministère ne répond pas en ce moment : l'envoi attend, et partira de lui-même quand il répondra.",
    Remote.HELIOS: "La DGFiP ne répond pas en ce moment : l'envoi attend, et partira de lui-même quand elle répondra.",
    Remote.RECEPTION: "La boîte de la route ne répond pas en ce moment.",
    Remote.ANTIVIRUS: "L'antivirus ne répond pas en ce moment : le contrôle attend, et se fera de lui-même.",
    Remote.MAIL: "Le serveur de courrier ne répond pas en ce moment : le courriel attend, et partira de lui-même.",
}
"""Without an hour: what is written once in a workflow stays true as long as it waits."""


@dataclass(frozen=True, slots=True)
class Rules:
    """After how many failures in a row it opens, how long until the first try again, and at most between two."""

    failures: int
    first: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Breaker:
    """Closed without `opened_at`. Open: one thing at a time may try the remote, from `probe_at` on."""

    failures: int = 0
    opened_at: datetime | None = None
    probe_at: datetime | None = None
    probing_until: datetime | None = None
    probes: int = 0
    forced: bool = False
    """Opened by an operator: nothing tries it until it is closed."""
    last_error: str = ""

    @property
    def is_open(self) -> bool:
        """Does it keep things from leaving?"""
        return self.opened_at is not None

    def state(self, now: datetime) -> str:
        """As an operator reads it."""
        if not self.is_open:
            return "closed"
        return "forced" if self.forced else "half-open" if _is_probed(self, now) else "open"


@dataclass(frozen=True, slots=True)
class Go:
    """The remote may be tried; `probe`: alone, to see whether it is back."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may be tried before this instant; those that wait look again one by one over the time after it."""

    at: datetime
    over: timedelta


def ask(breaker: Breaker, now: datetime, rules: Rules) -> Go | Wait:
    """May the remote be tried now? Who goes on a probe says so in the same transaction (`begin`)."""
    if breaker.opened_at is None:
        return Go()
    if breaker.forced:
        return Wait(now + rules.longest, rules.longest)
    # a short outage costs little, a long one lets many look again, seldom
    over = min(max(now - breaker.opened_at, rules.first), rules.longest)
    if _is_probed(breaker, now):
        # its end wakes all that waits: looking again is for a probe whose process was killed
        return Wait(breaker.probing_until or now, over)
    if breaker.probe_at is not None and now < breaker.probe_at:
        return Wait(breaker.probe_at, over)
    return Go(probe=True)


def begin(breaker: Breaker, now: datetime) -> Breaker:
    """One goes to see whether the remote is back."""
    return replace(breaker, probing_until=now + LEASE)


def fail(breaker: Breaker, now: datetime, rules: Rules, probe: bool, error: str) -> Breaker:
    """A try failed because of the remote. Those that had begun before it opened change nothing any more."""
    if breaker.is_open and not probe:
        return replace(breaker, last_error=error)
    if breaker.is_open:
        return replace(leave(breaker, now, rules), last_error=error)
    failures = breaker.failures + 1
    if failures < rules.failures:
        return replace(breaker, failures=failures, last_error=error)
    return Breaker(failures, opened_at=now, probe_at=now + rules.first, last_error=error)


def succeed(breaker: Breaker) -> Breaker:
    """The remote has answered, whatever it said. What an operator opened only an operator closes."""
    return replace(breaker, failures=0, probing_until=None) if breaker.forced else Breaker()


def leave(breaker: Breaker, now: datetime, rules: Rules) -> Breaker:
    """A probe did not show that the remote is back: another will, later each time."""
    probes = breaker.probes + 1
    pause = min(rules.first * 2 ** min(probes, 20), rules.longest)
    return replace(breaker, probes=probes, probe_at=now + pause, probing_until=None)


def give_back(breaker: Breaker) -> Breaker:
    """A probe was not needed: the remote was not tried, another may at once."""
    return replace(breaker, probing_until=None)


class Sign(StrEnum):
    """What the end of a try says of the remote."""

    ANSWERED = "answered"
    FAILED = "failed"
    NOTHING = "nothing"
    NOT_ASKED = "not asked"
    """There was nothing to ask after all."""


@dataclass(slots=True)
class Asking:
    """A remote that may be asked. Whoever finds that it need not be says so; else going on well is its answer."""

    sign: Sign = Sign.ANSWERED

    def not_needed(self) -> None:
        """Nothing was sent to the remote, and nothing is said of it."""
        self.sign = Sign.NOT_ASKED


def read_sign(error: BaseException | None) -> Sign:
    """What it says of what it was given is an answer of the remote; a connection that fails, or its own fault, is not.

    A connection lost once bytes had left fails as well, as does a fault of the server told then: a remote that takes
    everything and never says so would put all that waits in doubt, one by one. Nothing is learnt from another doubt
    (it did say something), nor from what is ours (settings, disk, database).
    """
    if error is None:
        return Sign.ANSWERED
    if not isinstance(error, TdtError):
        return Sign.NOTHING
    if _is_fault_of_remote(error):
        return Sign.FAILED
    answered = "reply" in error.details or "status" in error.details
    return Sign.ANSWERED if answered and not isinstance(error, Uncertain) else Sign.NOTHING


def _is_fault_of_remote(error: TdtError) -> bool:
    reply, status = error.details.get("reply"), error.details.get("status")
    if isinstance(status, int):
        return status >= SERVER_FAULT
    if reply is not None:
        return str(reply).startswith(NUMBER_OF_ALL)
    return isinstance(error, Temporary | Uncertain) and bool(error.details.get("of_remote"))


def hold(remote: Remote, at: datetime) -> Held:
    """What the worker is told of what waits for its remote."""
    return Held(WAITS[remote], code=PAUSED, details={"retry_at": at})


def wait_for_probe(breaker: Breaker, error: TdtError | None) -> None:
    """What failed and opened it, or found it still down, tries again when the remote is to be tried again."""
    if error is not None and breaker.probe_at is not None and isinstance(error, Temporary):
        error.details.setdefault("retry_at", breaker.probe_at)


def spread(wait: Wait, number: int) -> datetime:
    """When one of the many that wait looks again: after whoever tries the remote, and not all at once.

    Any answer of the remote wakes them all sooner.
    """
    return wait.at + wait.over * (number % 997 + 1) / 997


def _is_probed(breaker: Breaker, now: datetime) -> bool:
    return breaker.probing_until is not None and now < breaker.probing_until
