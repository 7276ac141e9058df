"""Transmission windows: how many bytes a route takes in each hour, and when an archive that waits will leave."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tdt.domain.breaker import PAUSED
from tdt.domain.calendar import PARIS
from tdt.domain.errors import Held
from tdt.domain.plain import instant

HOUR = timedelta(hours=1)
HORIZON = timedelta(days=15)
"""Beyond that nothing is forecast."""

POSTPONED = "FENETRE_TRANSMISSION"
"""Code of what waits for its hour: no failure, and looked at again by itself."""


CROWDED = "ENVOIS_SIMULTANES"
"""Code of what waits because as many sendings as its route takes are being made."""


@dataclass(frozen=True, slots=True)
class Window:
    """A limit on a route, in bytes per hour; `days` are 1 (Monday) to 7, all when empty; hours are those of Paris."""

    bytes_per_hour: int
    starts_at: datetime
    ends_at: datetime | None = None
    days: AbstractSet[int] = frozenset()
    from_hour: int = 0
    to_hour: int = 24
    reason: str = ""
    id: int = 0
    announced_by: str = ""

    def applies(self, instant: datetime) -> bool:
        """Whether it limits what leaves at this instant."""
        if instant < self.starts_at or (self.ends_at is not None and instant >= self.ends_at):
            return False
        local = instant.astimezone(PARIS)
        return (not self.days or local.isoweekday() in self.days) and self.from_hour <= local.hour < self.to_hour


def is_closing(window: Window) -> bool:
    """Does it say that nothing leaves, rather than how much?"""
    return window.bytes_per_hour == 0


@dataclass(frozen=True, slots=True)
class Load:
    """What stands before an archive on its route: the bytes of this hour, the archives that wait, in their order."""

    windows: Sequence[Window] = ()
    used: int = 0
    ahead: Sequence[int] = ()
    active: bool = True
    who: str = "Le ministère"
    """At the other end, as the reasons name it."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When an archive will leave, None when nothing tells; `reason` says in French what it waits for."""

    at: datetime | None
    reason: str = ""

    def plain(self) -> dict[str, object]:
        """As JSON says it."""
        return {"at": instant(self.at), "reason": self.reason}


SET_ASIDE = "L'envoi est mis de côté : l'exploitant doit intervenir."
"""Why is for the operator alone, who reads it beside the job: it may name machines."""
TRIED: Mapping[str, str] = {
    "INDISPONIBLE": "{0} est injoignable ou ne prend rien pour le moment : un nouvel essai est prévu.",
    "INCERTAIN": "On ne sait pas encore si {1} a reçu l'envoi : sa réponse est attendue d'abord.",
}
FORCED = "L'exploitant a arrêté les envois sur cette route : l'envoi attend qu'il les reprenne."
TRIED_OTHERWISE = "Le dernier essai n'a pas abouti : un nouvel essai est prévu."


@dataclass(frozen=True, slots=True)
class Try:
    """What became of the last try to send: the state of the job, when it is due again, and its last error."""

    state: str | None
    run_at: datetime | None
    error: str


def explain_try(last: Try, who: str, now: datetime) -> Forecast | None:
    """What a job that has already been tried says of the departure; None when only the windows of the route tell."""
    if last.state == "dead":
        return Forecast(None, SET_ASIDE)
    code, _, why = last.error.partition(" : ")
    if not code or code == POSTPONED:
        return None
    if code == PAUSED:
        return Forecast(_again(last, now), why)
    if why:
        # a convention that holds it, other sendings: the next look is known, not the departure
        return Forecast(None, why)
    return Forecast(_again(last, now), TRIED.get(code, TRIED_OTHERWISE).format(who, who[0].lower() + who[1:]))


def _again(last: Try, now: datetime) -> datetime:
    return max(last.run_at, now) if last.run_at is not None else now


CROWD = "La route porte déjà autant d'envois à la fois qu'elle en admet ({}) : l'envoi attend son tour."
CLOSED_ROUTE = "La route est fermée : l'envoi attend sa réouverture."
CLOSED = "{} ne prend rien en ce moment{} : l'envoi attend."
LIMITED = "Le débit est limité à {} octets par heure{} : l'envoi attend son tour."


def hour_of(instant: datetime) -> datetime:
    """The beginning of its hour. Hours of Paris and of UTC begin together."""
    return instant.replace(minute=0, second=0, microsecond=0)


def fits(size: int, rate: int | None, used: int) -> bool:
    """Whether an archive may leave in an hour in which so much has left already.

    One that is larger than what an hour takes leaves alone in its hour: it would never leave otherwise.
    """
    if rate is None:
        return True
    return rate > 0 and (used == 0 or used + size <= rate)


def forecast(load: Load, size: int, now: datetime) -> Forecast:
    """When an archive of this size leaves: in the order of `ahead`, each as soon as its hour takes it.

    `at` is `now` when it may leave at once: who is about to send asks the same question.
    """
    if not load.active:
        return Forecast(None, CLOSED_ROUTE)
    waiting = [*load.ahead, size]
    taken = _Taken(hour_of(now), load.used)
    next_one = 0
    for moment in _instants(load.windows, now):
        limit = _limit(load.windows, moment)
        rate = limit.bytes_per_hour if limit is not None else None
        taken.turn(moment)
        while fits(waiting[next_one], rate, taken.bytes):
            taken.bytes += waiting[next_one]
            next_one += 1
            if next_one == len(waiting):
                return Forecast(moment, _why(load, now) if moment > now else "")
    return Forecast(None, _why(load, now))


def postpone(until: Forecast, now: datetime) -> Held:
    """What the worker is told of a sending that waits for its hour: looked at again then, and every hour meanwhile."""
    return Held(until.reason, code=POSTPONED, details={"retry_at": until.at or now + HOUR})


@dataclass(slots=True)
class _Taken:
    """The bytes of the hour that is being looked at."""

    hour: datetime
    bytes: int = field(default=0)

    def turn(self, instant: datetime) -> None:
        if hour_of(instant) != self.hour:
            self.hour, self.bytes = hour_of(instant), 0


def _limit(windows: Iterable[Window], instant: datetime) -> Window | None:
    """The slowest of those that apply."""
    return min((one for one in windows if one.applies(instant)), key=lambda one: one.bytes_per_hour, default=None)


def _instants(windows: Sequence[Window], now: datetime) -> Iterator[datetime]:
    """Now, then every instant at which what is allowed may change: each hour, each end of a window."""
    yield now
    if not windows:
        return
    edges = {edge for one in windows for edge in (one.starts_at, one.ends_at) if edge is not None}
    first = hour_of(now)
    hours = {first + HOUR * count for count in range(1, HORIZON // HOUR + 1)}
    yield from sorted(one for one in hours | edges if now < one <= now + HORIZON)


def _why(load: Load, now: datetime) -> str:
    limit = _limit(load.windows, now)
    if limit is None:
        return ""
    because = f" ({limit.reason})" if limit.reason else ""
    if limit.bytes_per_hour == 0:
        return CLOSED.format(load.who, because)
    return LIMITED.format(limit.bytes_per_hour, because)
