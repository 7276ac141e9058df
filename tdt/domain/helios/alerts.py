"""When a flow, or a route, has waited too long: what an operator is told, once for each event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tdt.domain.calendar import after_working_hours, before_working_hours
from tdt.domain.helios.model import HeliosStatus as S
from tdt.domain.maintenance import before_closings
from tdt.domain.transmission import Window


class Kind(StrEnum):
    """What is told."""

    POSTED = "posted"
    """Its checks do not end: no antivirus, no worker, work set aside."""
    WAITING = "waiting"
    """It does not leave: S2LOW's `Transaction Helios bloquée`."""
    ACQUIT = "acquit"
    """The DGFiP does not answer."""
    SILENCE = "silence"
    """Nothing comes by a route any more, though flows wait for their acquits."""


OF_STATUS: Mapping[S, Kind] = {
    S.POSTE: Kind.POSTED,
    S.EN_ATTENTE_DE_TRANSMISSION: Kind.WAITING,
    S.TRANSMIS: Kind.ACQUIT,
}


@dataclass(frozen=True, slots=True)
class AlertLimits:
    """How long is too long; 0 is never. Hours of what the DGFiP must do are counted on working days only."""

    posted_minutes: float
    waiting_hours: float
    acquit_hours: float
    silence_hours: float
    silence_flows: int


def alert_at(status: S, since: datetime, limits: AlertLimits) -> datetime | None:
    """When an operator is told that a flow is in this status for too long; None when nobody ever is."""
    match OF_STATUS.get(status):
        case Kind.POSTED if limits.posted_minutes:
            return since + timedelta(minutes=limits.posted_minutes)
        case Kind.WAITING if limits.waiting_hours:
            return since + timedelta(hours=limits.waiting_hours)
        case Kind.ACQUIT if limits.acquit_hours:
            return after_working_hours(since, limits.acquit_hours)
    return None


def late_since(kind: Kind, now: datetime, limits: AlertLimits) -> datetime | None:
    """What is so since before this instant is late now; None when nothing is."""
    match kind:
        case Kind.POSTED if limits.posted_minutes:
            return now - timedelta(minutes=limits.posted_minutes)
        case Kind.WAITING if limits.waiting_hours:
            return now - timedelta(hours=limits.waiting_hours)
        case Kind.ACQUIT if limits.acquit_hours:
            return before_working_hours(now, limits.acquit_hours)
        case Kind.SILENCE if limits.silence_hours:
            return before_working_hours(now, limits.silence_hours)
    return None


def late_since_open(now: datetime, limits: AlertLimits, closings: Sequence[Window]) -> dict[Kind, datetime | None]:
    """The same of each, the time in which the DGFiP had announced that it is closed not counted.

    Our own checks go on meanwhile: theirs is counted.
    """
    late = {kind: late_since(kind, now, limits) for kind in Kind}
    return {
        kind: before_closings(closings, before, now, working=kind in (Kind.ACQUIT, Kind.SILENCE))
        if before is not None and kind is not Kind.POSTED
        else before
        for kind, before in late.items()
    }
