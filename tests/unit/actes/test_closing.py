"""The rules of closing, archiving and of what is done by hand, without a server."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from tdt.domain.actes.closing import (
    CLOSABLE,
    ENDED,
    GIVE_UP,
    SAE_MANUAL,
    SAE_TARGETS,
    Past,
    again_obstacle,
    closing_obstacle,
    may_end,
    sae_obstacle,
)
from tdt.domain.actes.model import ActeStatus as S
from tdt.domain.actes.status import may_move
from tdt.domain.ids import AttemptId, AuthorityId
from tdt.domain.routes import Attempt, Outcome

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_two_months_are_those_of_the_calendar() -> None:
    assert not may_end(None, NOW, always=False)
    assert may_end(None, NOW, always=True)
    assert not may_end(datetime(2026, 3, 1, 13, tzinfo=UTC), NOW, always=False)
    assert may_end(datetime(2026, 2, 28, 12, tzinfo=UTC), NOW, always=False)
    # to the end of a shorter month, at the same hour in Paris on both sides of the change of hour
    received = datetime(2025, 12, 31, 12, tzinfo=UTC)
    end = datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert not may_end(received, end, always=False)
    assert may_end(received, end + timedelta(seconds=1), always=False)
    assert may_end(datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 5, 1, 11, 0, 1, tzinfo=UTC), always=False)


@pytest.mark.parametrize(
    ("status", "target", "ended"), list(itertools.product(S, (*ENDED, S.EN_ATTENTE_SAE), (True, False)))
)
def test_what_is_closed_may_move_so(status: S, target: S, ended: bool) -> None:
    obstacle = closing_obstacle(12, status, target, ended)
    if not obstacle:
        assert may_move(status, target)
        assert status in CLOSABLE
        assert ended or target is S.EN_ATTENTE_SAE or status is S.EN_ATTENTE_D_ETRE_SIGNEE
    else:
        assert "12" in obstacle
        assert obstacle.endswith("\n")


def test_what_an_archivist_or_an_operator_says_is_a_move_of_the_table() -> None:
    for status, target in itertools.product(S, S):
        if not sae_obstacle(status, target):
            assert may_move(status, target)
            assert target in SAE_TARGETS
        if target in SAE_MANUAL.get(status, frozenset()):
            assert may_move(status, target)
    assert all(may_move(status, S.ERREUR) for status in GIVE_UP)


def attempt(outcome: Outcome | None) -> Attempt:
    return Attempt(AttemptId(1), AuthorityId(1), NOW, outcome)


def test_nothing_that_may_have_arrived_is_put_in_line_again() -> None:
    outcomes = (None, *Outcome)
    for archived, accepted, refused, target, outcome in itertools.product(
        (True, False), (True, False), (True, False), S, outcomes
    ):
        past = Past(archived, accepted, [attempt(outcome), attempt(Outcome.FAILED)], refused)
        if not again_obstacle(S.ERREUR, target, past):
            assert refused or outcome is Outcome.FAILED
            assert may_move(S.ERREUR, target)
            assert target is S.POSTE or (archived and accepted)
            assert target is not S.POSTE or not archived
    ready = Past(archived=True, accepted=True, attempts=[], refused_by_ministry=False)
    assert again_obstacle(S.ERREUR, S.EN_ATTENTE_DE_TRANSMISSION, ready) == ""
    assert all(again_obstacle(status, S.EN_ATTENTE_DE_TRANSMISSION, ready) for status in set(S) - {S.ERREUR})
