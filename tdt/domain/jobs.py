"""Background jobs: their kinds, and what becomes of one after a try."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tdt.domain.errors import Conflict, Held, Permanent, Refused, Temporary, Uncertain
from tdt.domain.ids import AuthorityId, JobId


class JobKind(StrEnum):
    """One per background flow (tdt.workers.handlers)."""

    CONTENT_ARCHIVE = "content.archive"
    ACTES_ANALYSE = "actes.analyse"
    ACTES_PACKAGE = "actes.package"
    ACTES_TRANSMIT = "actes.transmit"
    ACTES_INGEST = "actes.ingest"
    ACTES_ACKNOWLEDGE = "actes.acknowledge"
    ACTES_CLASSIFICATION = "actes.classification"
    ACTES_DAILY_CLASSIFICATION = "actes.daily_classification"
    HELIOS_ANALYSE = "helios.analyse"
    HELIOS_TRANSMIT = "helios.transmit"
    HELIOS_INGEST = "helios.ingest"
    HELIOS_REREAD = "helios.reread"
    HELIOS_SCHEMA = "helios.schema"
    HELIOS_INDEX = "helios.index"
    NOTICE_SEND = "notice.send"
    ACTE_NOTIFY = "acte.notify"


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `job`: do `kind` to `object_id`. `attempts` counts this try; `large`: it waited among the large."""

    id: JobId
    kind: JobKind
    authority_id: AuthorityId | None
    object_id: int
    attempts: int
    large: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The job is finished: its row goes."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """To be tried again from this instant on. Not `counted`: it was no failure, nor a step towards being set aside."""

    at: datetime
    reason: str
    counted: bool = True
    fixed: bool = False
    """The error said when; otherwise it is a delay from the clock of the worker, right or wrong."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Set aside for an operator: trying again would give the same. `code` is that of the error."""

    reason: str
    code: str = ""


NextStep = Done | RetryAt | Dead

UNEXPECTED = "INATTENDU"
"""Code of what is no error of ours: a fault of the program, five times."""
KILLER = "TRAVAILLEUR_TUE"
KILLED = "Le travailleur qui s'en chargeait est mort {} fois de suite (mémoire épuisée ?) : mis de côté."

FIRST_RETRY = timedelta(seconds=1)
LONGEST_RETRY = timedelta(minutes=10)


def next_step(job: Job, error: BaseException | None, now: datetime, retry: timedelta = FIRST_RETRY) -> NextStep:
    """Decide from the class of the error.

    Temporary and Uncertain wait, longer each time from `retry` on, and never give up: an outage means wait. An error
    may carry its own instant in `details["retry_at"]`. A refusal that reached the runner is set aside, an unknown
    error or a conflict after five tries.
    """
    if error is None:
        return Done()
    if isinstance(error, Temporary | Uncertain):
        at = error.details.get("retry_at")
        # why a flow is held is for people to read where they see that it waits
        held = isinstance(error, Held)
        reason = f"{error.code} : {error.message}" if held else error.code
        if isinstance(at, datetime):
            return RetryAt(at, reason, counted=not held, fixed=True)
        return RetryAt(now + _delay(job, retry), reason, counted=not held)
    if isinstance(error, Conflict):
        return RetryAt(now + _delay(job, retry), error.code) if job.attempts < 5 else Dead(str(error), error.code)
    if isinstance(error, Permanent | Refused):
        return Dead(str(error), error.code)
    if job.attempts < 5:
        return RetryAt(now + _delay(job, retry), type(error).__name__)
    return Dead(f"{type(error).__name__}: {error}", UNEXPECTED)


def _delay(job: Job, retry: timedelta) -> timedelta:
    grown: timedelta = retry * (2 ** min(job.attempts - 1, 10))
    return min(grown, max(LONGEST_RETRY, retry))
