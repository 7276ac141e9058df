"""One flow in a balance: where the ledger and the table say that it stood at an instant, and what contradicts them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tdt.domain.actes.model import ActeStatus
from tdt.domain.balance import Bucket, Fault, FaultCode, Tally, bucket_of, key_of
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind

OURS = "tdt"
"""The origin of what was deposited here; what was taken over from elsewhere has no deposit in the ledger."""
LEFT = (int(HeliosStatus.TRANSMIS), int(HeliosStatus.TRANSMIS_SANS_ACQUITTEMENT))
LETTERS = (int(ActeStatus.DOCUMENT_RECU), int(ActeStatus.DOCUMENT_RECU_SANS_AR))
ANSWERS = {
    RouteKind.ACTES: (int(ActeStatus.ACQUITTEMENT_RECU),),
    RouteKind.HELIOS: (
        int(HeliosStatus.ACQUITTEMENT_RECU),
        int(HeliosStatus.REFUSE),
        int(HeliosStatus.INFORMATION_DISPONIBLE),
    ),
}


@dataclass(frozen=True, slots=True)
class Event:
    """A move that the ledger tells; from None: a deposit. `moved_from`: the instant written there, if not `at`."""

    at: datetime
    source: int | None
    target: int
    moved_from: datetime | None = None

    @property
    def written(self) -> datetime:
        """Its instant in the ledger, which is that of what was written with it."""
        return self.moved_from or self.at


def in_order(told: Sequence[Event]) -> tuple[Event, ...]:
    """Moves in the order in which they were made, none later than the one that follows it.

    What is written is when a transaction began: an AR whose transaction began before the one that told of the sending,
    and waited for it, bears the earlier instant. It proves that the act had left by then.
    """
    ordered: list[Event] = []
    for one in reversed(told):
        at = min(one.at, ordered[-1].at) if ordered else one.at
        ordered.append(one if at == one.at else replace(one, at=at, moved_from=one.at))
    return tuple(reversed(ordered))


@dataclass(frozen=True, slots=True)
class RouteMove:
    """A flow left by another route than the one that it had."""

    at: datetime
    before: RouteId
    after: RouteId


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of a flow, now."""

    status: int
    route: RouteId
    letter: bool = False
    origin: str = OURS


@dataclass(frozen=True, slots=True)
class Flow:
    """All that is known of a flow, each part from where it is written.

    `row`: None when there is no such transaction; `accepted`: when its attempts were accepted or proved; `answers`:
    when the answers of the State were applied, or that were read as answering it; `answered`: an answer names it.
    """

    id: int
    module: RouteKind
    row: Row | None
    events: tuple[Event, ...] = ()
    accepted: tuple[datetime, ...] = ()
    answers: frozenset[datetime] = frozenset()
    answered: tuple[datetime, ...] = ()
    moves: tuple[RouteMove, ...] = ()
    tried: tuple[datetime, ...] = ()
    """When its attempts began, whatever came of them."""

    @property
    def letter(self) -> bool:
        """Whether it came from the préfecture."""
        if self.row is not None:
            return self.row.letter
        return self.module is RouteKind.ACTES and bool(self.events) and self.events[0].target in LETTERS

    @property
    def taken_over(self) -> bool:
        """Whether another platform took its deposit."""
        deposited = any(one.source is None for one in self.events)
        return self.row is not None and self.row.origin != OURS and not deposited

    def recorded(self, at: datetime) -> int | None:
        """Its status at this instant by the ledger; None when it was not deposited."""
        before = [one for one in self.events if one.at < at]
        if before:
            return before[-1].target
        if not self.taken_over:
            return None
        return self.found(at)

    def found(self, at: datetime) -> int | None:
        """Its status at this instant by the table: that of now, without what the ledger tells since."""
        if self.row is None:
            return None
        later = next((one for one in self.events if one.at >= at), None)
        return later.source if later is not None else self.row.status

    def route(self, at: datetime, fallback: RouteId) -> RouteId:
        """The route that it had at this instant."""
        past = [one for one in self.moves if one.at < at]
        if past:
            return past[-1].after
        if self.moves:
            return self.moves[0].before
        return self.row.route if self.row is not None else fallback

    def has_left(self, at: datetime) -> bool:
        """Whether the ledger says that it was sent before this instant; what was taken over counts by its attempts."""
        if self.taken_over:
            return self.was_accepted(at) or any(one.target in LEFT for one in self.events if one.at < at)
        return any(one.target in LEFT for one in self.events if one.at < at)

    def was_accepted(self, at: datetime) -> bool:
        """Whether an attempt says that the State had it before this instant; or its answer does, to one that failed."""
        if any(one < at for one in self.accepted):
            return True
        return any(one < at for one in self.tried) and self.was_answered(at)

    def was_answered(self, at: datetime) -> bool:
        """Whether an answer of the State about it came before this instant."""
        applied = (one.written for one in self.events if one.at < at and _is_answer(self.module, one))
        return any(one < at for one in self.answered) or any(one in self.answers for one in applied)

    def key_recorded(self, at: datetime) -> str | None:
        """Where the ledger counts it."""
        status = self.recorded(at)
        return key_of(self.module, status, self.has_left(at), self.letter) if status is not None else None

    def key_found(self, at: datetime) -> str | None:
        """Where the table and the attempts count it."""
        status = self.found(at)
        return key_of(self.module, status, self.was_accepted(at), self.letter) if status is not None else None


def find_faults(flow: Flow, end: datetime) -> Iterator[Fault]:
    """What does not add up with this flow at the end of the day."""
    recorded, found = flow.recorded(end), flow.found(end)
    if recorded is not None and flow.row is None:
        yield Fault(flow.id, FaultCode.MISSING)
        return
    if found is not None and recorded is None:
        yield Fault(flow.id, FaultCode.UNRECORDED)
        return
    if recorded is None:
        return
    if found != recorded:
        yield Fault(flow.id, FaultCode.STATUS)
    if flow.letter or flow.taken_over:
        return
    left, accepted = flow.has_left(end), flow.was_accepted(end)
    if accepted and not left:
        yield Fault(flow.id, FaultCode.ACCEPTED)
    if left and not accepted:
        yield Fault(flow.id, FaultCode.WITHOUT_ATTEMPT)
    yield from _answer_faults(flow, end)


def _answer_faults(flow: Flow, end: datetime) -> Iterator[Fault]:
    applied = [one for one in flow.events if one.at < end and _is_answer(flow.module, one)]
    named = [at for at in flow.answered if at < end]
    if applied and not named and not any(one.written in flow.answers for one in applied):
        yield Fault(flow.id, FaultCode.WITHOUT_ANSWER)
    if named and not applied:
        yield Fault(flow.id, FaultCode.NOT_APPLIED)


def _is_answer(module: RouteKind, event: Event) -> bool:
    """A move that only an answer of the State makes; what comes back from archiving is none."""
    answers = ANSWERS[module]
    return event.target in answers and event.source != event.target


def tally_recorded(flows: Sequence[Flow], at: datetime, fallback: RouteId) -> dict[RouteId, Tally]:
    """The ledger's tallies of these flows at an instant."""
    return _tally((one.route(at, fallback), one.key_recorded(at)) for one in flows)


def tally_found(flows: Sequence[Flow], at: datetime, fallback: RouteId) -> dict[RouteId, Tally]:
    """The table's."""
    return _tally((one.route(at, fallback), one.key_found(at)) for one in flows)


def _tally(pairs: Iterator[tuple[RouteId, str | None]]) -> dict[RouteId, Tally]:
    tallies: dict[RouteId, Tally] = {}
    for route, key in pairs:
        if key is not None:
            tallies.setdefault(route, Counter())[key] += 1
    return tallies


def count_movements(flows: Sequence[Flow], start: datetime, end: datetime, fallback: RouteId) -> dict[RouteId, Tally]:
    """What happened from one instant to the other: deposits, and how many flows came into each bucket."""
    moved: dict[RouteId, Tally] = {}
    for flow in flows:
        tally = moved.setdefault(flow.route(end, fallback), Counter())
        left = flow.has_left(start)
        before = flow.recorded(start)
        last = bucket_of(flow.module, before, left, flow.letter) if before is not None else None
        for one in flow.events:
            if not start <= one.at < end:
                continue
            left = left or one.target in LEFT
            bucket = bucket_of(flow.module, one.target, left, flow.letter)
            if one.source is None and bucket is not Bucket.LETTER:
                tally["deposited"] += 1
            if bucket is not last:
                tally[bucket] += 1
            last = bucket
    return moved
