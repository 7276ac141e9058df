"""What becomes of a job after a try."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.errors import Conflict, Forbidden, Held, NotFound, Permanent, Refused, TdtError, Temporary, Uncertain
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import FIRST_RETRY, LONGEST_RETRY, Dead, Done, Job, JobKind, RetryAt, next_step

NOW = datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)
WAITING: list[type[TdtError]] = [Temporary, Uncertain]


def job(attempts: int = 1) -> Job:
    return Job(JobId(7), JobKind.ACTES_TRANSMIT, AuthorityId(3), 42, attempts)


def test_without_error_it_is_done() -> None:
    assert next_step(job(), None, NOW) == Done()


@pytest.mark.parametrize("kind", WAITING)
@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (8, 128), (10, 512), (11, 600), (12, 600), (1_000_000, 600)]
)
def test_an_outage_waits_longer_each_time_and_never_gives_up(kind: type[TdtError], attempts: int, seconds: int) -> None:
    step = next_step(job(attempts), kind("La préfecture ne répond pas."), NOW)
    assert step == RetryAt(NOW + timedelta(seconds=seconds), kind.code)


@pytest.mark.parametrize("kind", WAITING)
def test_an_error_may_carry_its_own_instant(kind: type[TdtError]) -> None:
    at = NOW + timedelta(hours=5)
    assert next_step(job(3), kind("attendre", details={"retry_at": at}), NOW) == RetryAt(at, kind.code, fixed=True)


def test_a_held_flow_brings_no_nearer_to_being_set_aside() -> None:
    at = NOW + timedelta(hours=1)
    step = next_step(job(900), Held("Convention C-1 : close.", details={"retry_at": at}), NOW)
    assert step == RetryAt(at, "CONVENTION_RETENUE : Convention C-1 : close.", counted=False, fixed=True)


def test_an_instant_that_is_none_counts_for_nothing() -> None:
    error = Temporary("attendre", details={"retry_at": "demain"})
    assert next_step(job(), error, NOW) == RetryAt(NOW + FIRST_RETRY, "INDISPONIBLE")


def test_the_pace_of_the_state_is_kept_beyond_the_longest_retry() -> None:
    hourly = timedelta(hours=1)
    assert next_step(job(), Temporary("x"), NOW, hourly) == RetryAt(NOW + hourly, "INDISPONIBLE")
    assert next_step(job(9), Temporary("x"), NOW, hourly) == RetryAt(NOW + hourly, "INDISPONIBLE")
    minute = timedelta(minutes=1)
    assert next_step(job(9), Temporary("x"), NOW, minute) == RetryAt(NOW + LONGEST_RETRY, "INDISPONIBLE")


@pytest.mark.parametrize("kind", [Permanent, Refused])
@pytest.mark.parametrize("attempts", [1, 4, 100])
def test_what_would_give_the_same_again_is_set_aside_at_once(kind: type[TdtError], attempts: int) -> None:
    assert next_step(job(attempts), kind("Nature inconnue."), NOW) == Dead("Nature inconnue.", kind.code)


def test_a_conflict_is_tried_five_times() -> None:
    error = Conflict("L'acte n'est plus en attente.")
    assert next_step(job(4), error, NOW) == RetryAt(NOW + timedelta(seconds=8), "CONFLIT")
    assert next_step(job(5), error, NOW) == Dead("L'acte n'est plus en attente.", "CONFLIT")


@pytest.mark.parametrize("error", [KeyError("x"), NotFound("rien"), Forbidden("non"), RuntimeError("bogue")])
def test_an_unknown_error_is_tried_five_times_then_set_aside_with_its_class(error: Exception) -> None:
    assert next_step(job(4), error, NOW) == RetryAt(NOW + timedelta(seconds=8), type(error).__name__)
    assert next_step(job(5), error, NOW) == Dead(f"{type(error).__name__}: {error}", "INATTENDU")


@given(
    attempts=st.integers(1, 10**9),
    retry=st.timedeltas(timedelta(milliseconds=1), timedelta(days=1)),
    kind=st.sampled_from(WAITING),
)
def test_a_wait_is_never_shorter_than_the_first_nor_unbounded(
    attempts: int, retry: timedelta, kind: type[TdtError]
) -> None:
    step = next_step(job(attempts), kind("x"), NOW, retry)
    assert isinstance(step, RetryAt)
    assert NOW + retry <= step.at <= NOW + max(LONGEST_RETRY, retry)
