"""The delays of an act: two months franc, restarted by a letter that came in time."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.deadlines import (
    Deadline,
    DeadlineKind,
    Exchange,
    add_months,
    end_of,
    list_deadlines,
)
from tdt.domain.calendar import holidays

RECEIVED = date(2025, 6, 16)


@pytest.mark.parametrize(
    ("since", "last"),
    [
        (date(2025, 6, 16), date(2025, 8, 18)),  # the 17th of August is a Sunday
        (date(2025, 1, 8), date(2025, 3, 10)),  # the 9th of March is a Sunday
        (date(2025, 1, 7), date(2025, 3, 10)),  # the 8th a Saturday
        (date(2025, 12, 31), date(2026, 3, 2)),  # 28 February, the 1st of March a Sunday
        (date(2025, 2, 20), date(2025, 4, 22)),  # the 21st of April is Easter Monday
        (date(2025, 9, 10), date(2025, 11, 12)),  # the 11th of November
    ],
)
def test_a_delai_franc_ends_on_a_working_day(since: date, last: date) -> None:
    assert end_of(since, 2) == last


def test_the_holidays_of_a_year() -> None:
    moving = {date(2025, 4, 21), date(2025, 5, 29), date(2025, 6, 9)}
    assert moving <= holidays(2025)
    assert date(2024, 4, 1) in holidays(2024)
    assert len(holidays(2025)) == 11


def test_an_act_alone_has_the_two_months_of_the_prefet() -> None:
    assert list_deadlines(RECEIVED, 1, []) == [
        Deadline(DeadlineKind.DEFERE, date(2025, 8, 18), RECEIVED, "réception de l'acte")
    ]


def test_a_budget_has_a_month_of_its_own() -> None:
    kinds = {one.kind: one.on for one in list_deadlines(RECEIVED, 5, [])}
    assert kinds[DeadlineKind.CONTROLE_BUDGETAIRE] == date(2025, 7, 17)


def test_a_demande_de_pieces_restarts_from_the_reception_of_the_pieces() -> None:
    asked = Exchange(7, 3, date(2025, 7, 2), answered_on=date(2025, 7, 10))
    (control,) = list_deadlines(RECEIVED, 1, [asked])
    assert (control.since, control.on) == (date(2025, 7, 10), date(2025, 9, 11))
    assert control.reason == "réception de la réponse à la demande de pièces complémentaires"


def test_a_demande_without_answer_restarts_at_the_implicit_refusal_and_wants_its_answer() -> None:
    control, answer = list_deadlines(RECEIVED, 1, [Exchange(7, 3, date(2025, 7, 2))])
    assert (control.since, control.on) == (date(2025, 9, 2), date(2025, 11, 3))
    assert (answer.kind, answer.on, answer.letter) == (DeadlineKind.REPONSE, date(2025, 9, 2), 7)


def test_a_letter_that_came_too_late_restarts_nothing() -> None:
    (control,) = list_deadlines(RECEIVED, 1, [Exchange(7, 3, date(2025, 8, 19), date(2025, 8, 20))])
    assert control.since == RECEIVED


def test_observations_after_pieces_restart_in_their_turn() -> None:
    pieces = Exchange(7, 3, date(2025, 7, 2), date(2025, 7, 10))
    observed = Exchange(9, 4, date(2025, 9, 1), date(2025, 10, 1))
    (control,) = list_deadlines(RECEIVED, 1, [observed, pieces])
    assert (control.since, control.reason) == (date(2025, 10, 1), "réception de la réponse à la lettre d'observations")


@given(st.dates(date(1990, 1, 1), date(2200, 1, 1)), st.integers(0, 30))
def test_months_are_added_within_the_calendar(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day <= day.day
    assert end_of(day, months) > later
