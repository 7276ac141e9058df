"""The crash rule: what may have reached the State is never sent again blindly."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.ids import AttemptId, AuthorityId
from tdt.domain.retry import Hold, Send, WaitUntil, decide
from tdt.domain.routes import Attempt, Outcome

START = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
WINDOW = timedelta(minutes=15)


def attempt(outcome: Outcome | None, minutes: int = 0) -> Attempt:
    return Attempt(AttemptId(1), AuthorityId(3), START + timedelta(minutes=minutes), outcome)


def test_nothing_tried_yet_is_sent() -> None:
    assert decide([], START, WINDOW, "resend") == Send()
    assert decide([], START, WINDOW, "hold") == Send()


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.SETTLED, Outcome.ACCEPTED])
def test_a_try_whose_end_is_known_does_not_stand_in_the_way(outcome: Outcome) -> None:
    assert decide([attempt(outcome)], START, WINDOW, "hold") == Send()


@pytest.mark.parametrize("outcome", [None, Outcome.UNCERTAIN])
def test_an_uncertain_try_waits_for_its_window(outcome: Outcome | None) -> None:
    tried = [attempt(outcome)]
    over = START + WINDOW
    assert decide(tried, START, WINDOW, "resend") == WaitUntil(over)
    assert decide(tried, over - timedelta(microseconds=1), WINDOW, "hold") == WaitUntil(over)
    assert decide(tried, over, WINDOW, "resend") == Send()
    assert decide(tried, over, WINDOW, "hold") == Hold()


def test_the_last_uncertain_try_counts() -> None:
    tried = [attempt(None), attempt(Outcome.UNCERTAIN, 20), attempt(Outcome.FAILED, 30)]
    assert decide(tried, START + timedelta(minutes=31), WINDOW, "resend") == WaitUntil(START + timedelta(minutes=35))


def test_what_was_settled_since_no_longer_holds_anything() -> None:
    assert decide([attempt(Outcome.SETTLED), attempt(Outcome.FAILED, 1)], START, WINDOW, "hold") == Send()


@given(
    outcomes=st.lists(st.sampled_from([None, *Outcome])),
    minutes=st.integers(0, 120),
    on_uncertain=st.sampled_from(["resend", "hold"]),
)
def test_nothing_uncertain_is_sent_within_its_window(
    outcomes: list[Outcome | None], minutes: int, on_uncertain: Literal["resend", "hold"]
) -> None:
    tried = [attempt(outcome, 5 * index) for index, outcome in enumerate(outcomes)]
    now = START + timedelta(minutes=minutes)
    if any(one.is_uncertain and now < one.started_at + WINDOW for one in tried):
        assert isinstance(decide(tried, now, WINDOW, on_uncertain), WaitUntil)
