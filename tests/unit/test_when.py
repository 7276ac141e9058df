"""Dates as PHP's strtotime reads them; the expected values were computed by hand, in Paris."""

from datetime import UTC, datetime

import pytest

from tdt.domain.when import read_when

NOW = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)
"""The 1st of April in Paris, half past midnight."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-31", "2020-01-30T23:00:00"),
        ("2020-7-1", "2020-06-30T22:00:00"),
        ("2020/07/01", "2020-06-30T22:00:00"),
        ("20200701", "2020-06-30T22:00:00"),
        ("01-07-2020", "2020-06-30T22:00:00"),
        ("1.7.2020", "2020-06-30T22:00:00"),
        ("07/01/2020", "2020-06-30T22:00:00"),
        ("2020-07-01 12:30", "2020-07-01T10:30:00"),
        ("2020-07-01T12:30:15", "2020-07-01T10:30:15"),
        ("2020-07-01T12:30:15.250Z", "2020-07-01T12:30:15"),
        ("2020-07-01T12:30:15+02:00", "2020-07-01T10:30:15"),
        ("2020-07-01 12:30:15 -0500", "2020-07-01T17:30:15"),
        (" 2020-07-01 ", "2020-06-30T22:00:00"),
        ("@1593554400", "2020-06-30T22:00:00"),
        ("now", "2026-03-31T22:30:00"),
        ("today", "2026-03-31T22:00:00"),
        ("Yesterday", "2026-03-30T22:00:00"),
        ("tomorrow", "2026-04-01T22:00:00"),
        ("-1 day", "2026-03-30T22:30:00"),
        ("+ 2 weeks", "2026-04-14T22:30:00"),
        ("3 days ago", "2026-03-28T23:30:00"),
        ("last month", "2026-02-28T23:30:00"),
        ("-1 year", "2025-03-31T22:30:00"),
        ("-90 minutes", "2026-03-31T21:00:00"),
    ],
)
def test_the_usual_shapes(text: str, expected: str) -> None:
    found = read_when(text, NOW)
    assert found is not None
    assert found.astimezone(UTC).replace(tzinfo=None).isoformat() == expected


def test_a_month_too_short_goes_on_in_the_next_one() -> None:
    found = read_when("-1 month", datetime(2026, 3, 31, 10, tzinfo=UTC))
    assert found is not None
    assert found.isoformat()[:10] == "2026-03-03"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demain",
        "2020-13-01",
        "2020-02-30",
        "2020-07-01 25:00",
        "32/01/2020",
        "@9999999999999",
        "-99999 years",
        "x" * 50,
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert read_when(text, NOW) is None
