"""When an end is announced, to whom, and in which words."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.authorities import Module
from tdt.domain.conventions import Avenant, Convention, last_day
from tdt.domain.expiry import (
    OUT_OF_DATE,
    THRESHOLDS,
    Agreement,
    Ending,
    Kind,
    Party,
    convention_endings,
    due_threshold,
    last_instant,
    recipients,
)
from tdt.domain.ids import AuthorityId
from tdt.domain.notice_text import TITLE_LENGTH, WIDTH, long_date, write_notice

NOW = datetime(2027, 1, 10, 8, 0, tzinfo=UTC)
A, B = AuthorityId(1), AuthorityId(2)
JEANNE = Party(A, "Commune A", "Jeanne Martin", "Jeanne@a.example")
SOFTWARE = Party(B, "Commune B", "Logiciel", "logiciel@editeur.example")


def ending(kind: Kind = Kind.ACCOUNT, days: float = 25, parties: tuple[Party, ...] = ()) -> Ending:
    return Ending(kind, "k", "CN=Jeanne", NOW + timedelta(days=days), "là", parties)


def test_each_threshold_is_due_from_its_day_until_the_next() -> None:
    expected = {91: None, 90: 90, 61: 90, 60: 60, 31: 60, 30: 30, 25: 30, 8: 30, 7: 7, 1: 7, 0.1: 7, -0.1: None}
    assert {days: due_threshold(ending(days=days), NOW) for days in expected} == expected
    assert due_threshold(Ending(Kind.STATE, "k", "n", None), NOW) is None


@given(st.lists(st.integers(0, 200), min_size=1))
def test_whatever_the_days_looked_at_a_threshold_is_said_at_most_once_and_the_last_one_reached_is_said(
    looked: list[int],
) -> None:
    end = NOW + timedelta(days=150, hours=5)
    one = Ending(Kind.ACCOUNT, "k", "n", end)
    days = sorted(set(looked))
    said = [due_threshold(one, NOW + timedelta(days=day)) for day in days]
    told = list(dict.fromkeys(threshold for threshold in said if threshold is not None))
    assert told == sorted(told, reverse=True)
    left = [150 - day for day in days if day <= 150]
    reached = [threshold for threshold in THRESHOLDS if left and left[-1] <= threshold]
    assert told[-1:] == ([min(reached)] if reached else [])


def test_days_are_civil_days_in_paris() -> None:
    end = datetime(2027, 4, 1, 21, 30, tzinfo=UTC)  # the 1st, 23:30 in Paris, summer time
    midnight = datetime(2027, 3, 1, 23, 0, tzinfo=UTC)  # the 2nd, 0:00, winter time
    one = Ending(Kind.ACCOUNT, "k", "n", end)
    assert [one.days_left(midnight - timedelta(seconds=1)), one.days_left(midnight)] == [31, 30]
    assert due_threshold(one, midnight) == 30
    assert last_instant(date(2027, 4, 1)).astimezone(UTC) == datetime(2027, 4, 1, 21, 59, 59, tzinfo=UTC)


def test_an_authority_without_an_end_is_no_trouble() -> None:
    one = Ending(Kind.AUTHORITY, "k", "n", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert (one.ends_on, due_threshold(one, NOW)) == (date(9999, 12, 31), None)


def test_a_revocation_list_is_not_announced_at_each_renewal() -> None:
    def of(life: int, left: float) -> Ending:
        end = NOW + timedelta(days=left)
        return Ending(Kind.CRL, "k", "n", end, begins_at=end - timedelta(days=life))

    assert [due_threshold(of(7, left), NOW) for left in (7, 3, 0.5)] == [None, None, None]
    assert [due_threshold(of(365, left), NOW) for left in (90, 45, 3)] == [90, 60, 7]
    assert [due_threshold(of(life, -0.1), NOW) for life in (1, 7, 365)] == [OUT_OF_DATE] * 3


def test_recipients_are_the_account_its_administrators_and_the_operators_each_once() -> None:
    one = ending(parties=(JEANNE, SOFTWARE))
    administrators = {A: ["adm1@a.example", "adm2@a.example"]}
    assert recipients(one, administrators, ["exploitant@tdt.example"]) == {
        "jeanne@a.example": (JEANNE,),
        "logiciel@editeur.example": (SOFTWARE,),
        "adm1@a.example": (JEANNE,),
        "adm2@a.example": (JEANNE,),
        "exploitant@tdt.example": None,
    }
    # the administrator holds an account on it, and is an operator too: one notice, the widest
    assert recipients(one, {A: ["JEANNE@a.example"]}, ["jeanne@A.example"]) == {
        "jeanne@a.example": None,
        "logiciel@editeur.example": (SOFTWARE,),
    }
    nobody = ending(parties=(Party(A, "Commune A", "Sans adresse"),))
    assert recipients(nobody, {}, []) == {}


@pytest.mark.parametrize("kind", [Kind.SERVER, Kind.STATE, Kind.AUTHORITY, Kind.CRL])
def test_what_only_the_operator_can_renew_is_told_to_nobody_else(kind: Kind) -> None:
    assert recipients(ending(kind, parties=(JEANNE,)), {A: ["adm@a.example"]}, ["e@tdt.example"]) == {
        "e@tdt.example": None
    }


def test_the_text_says_what_when_for_whom_and_what_to_do() -> None:
    text = write_notice(ending(parties=(JEANNE, SOFTWARE)), (JEANNE,), NOW, "https://tdt.example")
    assert text.title == "Certificat à renouveler avant le 4 février 2027 : Jeanne Martin (Commune A)"
    assert "    CN=Jeanne\n    fin : 4 février 2027 (dans 25 jours)\n" in text.body
    assert "Comptes concernés :\n\n    - Jeanne Martin (Commune A)\n" in text.body
    assert "ne permettra plus de se connecter" in text.body
    assert "Que faire, et qui : Le titulaire commande" in text.body
    assert "https://tdt.example" in text.body
    assert "Logiciel" not in text.body, "another collectivité's account"


def test_every_kind_has_a_text_in_short_lines() -> None:
    for kind, days in itertools.product(Kind, (-1, 0, 1, 60)):
        parties = (JEANNE, SOFTWARE) if kind is Kind.ACCOUNT else ()
        text = write_notice(ending(kind, days, parties), parties, NOW, "https://tdt.example")
        assert max(map(len, text.body.splitlines())) <= WIDTH + 10
        assert {-1: "date dépassée", 0: "aujourd'hui", 1: "dans 1 jour)", 60: "dans 60 jours"}[days] in text.body


def test_names_cannot_break_a_line_nor_a_header() -> None:
    evil = Party(A, "A\r\nBcc: x@y.example", "J\x1b[0m\0" + "x" * 500)
    text = write_notice(ending(parties=(evil,)), (evil,) * 40, NOW, "https://tdt.example")
    assert len(text.title) == TITLE_LENGTH
    assert text.title.isprintable()
    assert not any(line.startswith("Bcc") for line in text.body.splitlines())
    assert "    - et 10 autres" in text.body


def test_long_dates_are_french() -> None:
    assert [long_date(date(2027, 1, 1)), long_date(date(2028, 2, 29))] == ["1er janvier 2027", "29 février 2028"]


def agreement(number: int, starts: date, ends: date | None, **others: object) -> Agreement:
    party: Party = others.pop("party", Party(A, "Commune A"))  # type: ignore[assignment]
    values = {"module": Module.ACTES, "authority_id": party.authority_id, "reference": f"C{number}", **others}
    return Agreement(
        Convention(id=number, signed_on=starts, starts_on=starts, ends_on=ends, **values),  # type: ignore[arg-type]
        party,
    )


def test_the_end_of_a_convention_follows_its_avenants() -> None:
    start, end = date(2024, 1, 1), date(2027, 2, 1)
    later, much_later = date(2027, 6, 30), date(2028, 1, 1)
    cases: list[tuple[tuple[tuple[date, date | None], ...], date]] = [
        ((), end),
        (((date(2026, 1, 1), None),), end),
        (((date(2026, 1, 1), later),), later),
        (((date(2026, 6, 1), later), (date(2026, 1, 1), much_later)), later),  # the last to take effect
        (((end + timedelta(days=1), later),), later),  # signed ahead, without a gap
        (((end + timedelta(days=2), later),), end),  # too late: it ends before
        (((end, later), (later, much_later)), much_later),
    ]
    for dates, last in cases:
        avenants = tuple(
            Avenant(number, f"A{number}", start, effective, ends_on=ends)
            for number, (effective, ends) in enumerate(dates)
        )
        assert last_day(agreement(1, start, end, avenants=avenants).convention) == last
    assert last_day(agreement(1, start, None).convention) is None


def test_a_convention_that_another_one_takes_over_is_not_announced() -> None:
    end = date(2027, 2, 1)
    old = agreement(1, date(2024, 1, 1), end, domains=frozenset({"1"}))
    after = end + timedelta(days=1)
    for other, announced in (
        (agreement(2, after, None), False),
        (agreement(2, after, None, domains=frozenset({"1", "2"})), False),
        (agreement(2, after, None, domains=frozenset({"2"})), True),
        (agreement(2, after + timedelta(days=1), None), True),
        (agreement(2, date(2026, 1, 1), end), True),
        (agreement(2, after, None, module=Module.HELIOS), True),
        (agreement(2, after, None, party=Party(B, "Commune B")), True),
        (agreement(2, after, None, avenants=(Avenant(1, "A1", after, after, domains=frozenset({"2"})),)), True),
    ):
        assert any(one.name.startswith("C1") for one in convention_endings([old, other])) is announced
    [one] = convention_endings([old])
    assert (one.kind.notice, one.subject, one.name) == ("convention.ending", "convention:1:2027-02-01", "C1 (ACTES)")
    assert due_threshold(one, NOW) == 30
