"""Transmission windows: what an hour takes, and when what waits leaves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.calendar import PARIS
from tdt.domain.transmission import HOUR, Forecast, Load, Window, fits, forecast, hour_of

NOW = datetime(2026, 3, 10, 9, 20, tzinfo=UTC)
"""A Tuesday, 10:20 in Paris."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LIMITED = "Le débit est limité à 100 octets par heure : l'envoi attend son tour."


def limit(rate: int = 100, **changes: object) -> Window:
    return Window(rate, **({"starts_at": LONG_AGO} | changes))  # type: ignore[arg-type]


def at(hours: float) -> datetime:
    """So many hours after the beginning of the present one."""
    return hour_of(NOW) + HOUR * hours


def test_without_window_everything_leaves_at_once() -> None:
    assert forecast(Load(used=10**12, ahead=[10**9] * 3), 10**9, NOW) == Forecast(NOW)


@pytest.mark.parametrize(
    ("used", "ahead", "size", "hours"),
    [
        (0, [], 100, None),
        (0, [], 60, None),
        (60, [], 40, None),
        (60, [], 41, 1),
        (0, [60], 40, None),
        (0, [60], 41, 1),
        (100, [60, 60], 60, 3),
        # in the order of deposit: a small one does not pass a large one
        (50, [60], 10, 1),
        # larger than what an hour takes: alone in its hour
        (0, [], 1000, None),
        (1, [], 1000, 1),
        (0, [1000], 1, 1),
        (1, [1000], 1000, 2),
        (1000, [], 1, 1),
    ],
)
def test_a_rate(used: int, ahead: list[int], size: int, hours: int | None) -> None:
    found = forecast(Load([limit()], used, ahead), size, NOW)
    assert found == (Forecast(NOW) if hours is None else Forecast(at(hours), LIMITED))


def test_a_window_of_the_week_in_paris() -> None:
    nights = limit(0, days={1, 2, 3, 4, 5}, from_hour=8, to_hour=18, reason="heures ouvrées")
    found = forecast(Load([nights]), 5, NOW)
    assert found.at == datetime(2026, 3, 10, 18, tzinfo=PARIS)
    assert found.reason == "Le ministère ne prend rien en ce moment (heures ouvrées) : l'envoi attend."
    assert forecast(Load([nights]), 5, NOW + timedelta(days=4)).at == NOW + timedelta(days=4), "a Saturday"
    # after the clocks have changed (29 March 2026), 8 in Paris is 6 in UTC
    assert nights.applies(datetime(2026, 3, 30, 6, tzinfo=UTC)) and not nights.applies(
        datetime(2026, 3, 27, 6, tzinfo=UTC)
    )


def test_a_planned_outage_ends_within_an_hour() -> None:
    outage = limit(0, starts_at=NOW - HOUR, ends_at=NOW + timedelta(minutes=15))
    assert forecast(Load([outage]), 5, NOW).at == NOW + timedelta(minutes=15)
    later = limit(0, starts_at=NOW + timedelta(minutes=1), ends_at=NOW + 3 * HOUR)
    assert forecast(Load([later, limit()], 100), 5, NOW).at == NOW + 3 * HOUR


def test_the_slowest_counts_and_nothing_tells_the_end_of_what_has_none() -> None:
    assert forecast(Load([limit(1000), limit(100), limit(500)], 100), 1, NOW).at == at(1)
    found = forecast(Load([limit(), limit(0)]), 1, NOW)
    assert found == Forecast(None, "Le ministère ne prend rien en ce moment : l'envoi attend.")
    closed = forecast(Load([limit()], active=False), 1, NOW)
    assert closed == Forecast(None, "La route est fermée : l'envoi attend sa réouverture.")


WINDOWS = st.lists(
    st.builds(
        Window,
        bytes_per_hour=st.integers(0, 300),
        starts_at=st.timedeltas(timedelta(days=-2), timedelta(days=2)).map(lambda span: NOW + span),
        ends_at=st.none() | st.timedeltas(timedelta(days=2), timedelta(days=4)).map(lambda span: NOW + span),
        days=st.frozensets(st.integers(1, 7), max_size=6),
        from_hour=st.integers(0, 11),
        to_hour=st.integers(12, 24),
    ),
    max_size=3,
)


@given(WINDOWS, st.integers(0, 400), st.lists(st.integers(1, 400), max_size=6))
def test_what_is_forecast_respects_every_hour_and_the_order(windows: list[Window], used: int, sizes: list[int]) -> None:
    """Replayed one after the other, no hour takes more than its rate but for one archive alone, and none passes."""
    left: list[tuple[datetime, int]] = []
    for number, size in enumerate(sizes):
        found = forecast(Load(windows, used, sizes[:number]), size, NOW)
        if found.at is None:
            break
        assert found.at >= (left[-1][0] if left else NOW)
        hour = hour_of(found.at)
        before = sum(one for when, one in left if hour_of(when) == hour) + (used if hour == hour_of(NOW) else 0)
        rates = [one.bytes_per_hour for one in windows if one.applies(found.at)]
        assert fits(size, min(rates, default=None), before)
        left.append((found.at, size))
