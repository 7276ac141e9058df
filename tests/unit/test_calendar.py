"""Civil dates in Paris: midnight, both clock changes, the last day of the year."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.calendar import PARIS, paris_date, parse_civil_date


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        # winter: Paris is one hour ahead
        (datetime(2026, 1, 14, 22, 59, 59, 999_999, UTC), date(2026, 1, 14)),
        (datetime(2026, 1, 14, 23, 0, tzinfo=UTC), date(2026, 1, 15)),
        # summer: two hours
        (datetime(2026, 7, 14, 21, 59, 59, 999_999, UTC), date(2026, 7, 14)),
        (datetime(2026, 7, 14, 22, 0, tzinfo=UTC), date(2026, 7, 15)),
        # 29 March 2026, 01:00 UTC: 02:00 becomes 03:00; the midnight before is winter's, the one after summer's
        (datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), date(2026, 3, 28)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
        # 25 October 2026, 01:00 UTC: 03:00 becomes 02:00; this day has 25 hours
        (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), date(2026, 10, 26)),
        # the year changes an hour before UTC's
        (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), date(2026, 12, 31)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), date(2027, 1, 1)),
        (datetime(2028, 2, 28, 23, 0, tzinfo=UTC), date(2028, 2, 29)),
    ],
)
def test_the_date_in_paris(instant: datetime, expected: date) -> None:
    assert paris_date(instant) == expected


def test_the_zone_of_the_instant_changes_nothing() -> None:
    instant = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
    for zone in (PARIS, timezone(timedelta(hours=-10)), timezone(timedelta(hours=14))):
        assert paris_date(instant.astimezone(zone)) == date(2027, 1, 1)


def test_an_instant_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="time zone"):
        paris_date(datetime(2026, 1, 1))


@given(instant=st.datetimes(datetime(1996, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_day_never_goes_back(instant: datetime) -> None:
    today = paris_date(instant)
    assert paris_date(instant + timedelta(seconds=1)) in (today, today + timedelta(days=1))
    assert abs(today - instant.date()) <= timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-29", date(2026, 3, 29)),
        ("2026-3-9", date(2026, 3, 9)),
        ("2028-02-29", date(2028, 2, 29)),
        ("2026-12-31", date(2026, 12, 31)),
    ],
)
def test_a_written_date(text: str, expected: date) -> None:
    assert parse_civil_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-10-00",
        "2026-1-",
        "2026-001-1",
        "0000-01-01",
        "26-01-01",
        "29/03/2026",
        "2026-03-29 ",
        "2026-03-29T00:00:00",
        "2026-+3-29",
        "２０２６-03-29",
        "2026-³-1",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_civil_date(text) is None


@given(day=st.dates(date(1000, 1, 1)))
def test_every_date_is_read_back(day: date) -> None:
    assert parse_civil_date(day.isoformat()) == day
    assert parse_civil_date(f"{day.year}-{day.month}-{day.day}") == day
