"""When a flow waits too long, in hours of working days where the DGFiP is waited for; the words of the mails."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.calendar import after_working_hours, before_working_hours
from tdt.domain.helios.alert_text import SHOWN, LateFlow, LateRoute, Unacknowledged, write_day, write_flows, write_route
from tdt.domain.helios.alerts import AlertLimits, Kind, alert_at, late_since
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import HeliosId

LIMITS = AlertLimits(20, 48, 24, 4, 20)
NEVER = AlertLimits(0, 0, 0, 0, 20)
PLATFORM = "https://tdt.example"
FRIDAY = datetime(2026, 3, 13, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "hours", "expected"),
    [
        (datetime(2026, 3, 10, 8, tzinfo=UTC), 24, datetime(2026, 3, 11, 8, tzinfo=UTC)),
        (FRIDAY, 24, datetime(2026, 3, 16, 17, tzinfo=UTC)),  # a week-end does not count
        (
            FRIDAY + timedelta(hours=12),
            1,
            datetime(2026, 3, 16, 0, tzinfo=UTC),
        ),  # Saturday: from Monday 0:00 in Paris on
        (datetime(2026, 4, 3, 20, tzinfo=UTC), 4, datetime(2026, 4, 7, 0, tzinfo=UTC)),  # Easter Monday
        (
            datetime(2026, 5, 14, tzinfo=UTC),
            24,
            datetime(2026, 5, 15, 22, tzinfo=UTC),
        ),  # Ascension: over as Friday ends
        (datetime(2026, 3, 27, 12, tzinfo=UTC), 24, datetime(2026, 3, 30, 11, tzinfo=UTC)),  # the hour of summer time
    ],
)
def test_hours_of_working_days(since: datetime, hours: float, expected: datetime) -> None:
    assert after_working_hours(since, hours) == expected
    assert before_working_hours(expected, hours) >= since


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.floats(0.1, 200, allow_nan=False),
)
def test_both_ways_agree(since: datetime, hours: float) -> None:
    due = after_working_hours(since, hours)
    instant = timedelta(microseconds=10)
    assert before_working_hours(due + instant, hours) >= since
    assert before_working_hours(due - instant, hours) <= since


def test_when_it_is_told() -> None:
    assert alert_at(HeliosStatus.POSTE, FRIDAY, LIMITS) == FRIDAY + timedelta(minutes=20)
    assert alert_at(HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, FRIDAY, LIMITS) == FRIDAY + timedelta(hours=48)
    assert alert_at(HeliosStatus.TRANSMIS, FRIDAY, LIMITS) == FRIDAY + timedelta(days=3)
    assert alert_at(HeliosStatus.TRANSMIS_SANS_ACQUITTEMENT, FRIDAY, LIMITS) is None
    for status in HeliosStatus:
        assert alert_at(status, FRIDAY, NEVER) is None
    for kind in Kind:
        assert late_since(kind, FRIDAY, NEVER) is None
        late = late_since(kind, FRIDAY, LIMITS)
        assert late is not None and late < FRIDAY


def flow(number: int, reason: str | None = None) -> LateFlow:
    return LateFlow(HeliosId(number), "Commune\nd'Exemple", "N1", None, FRIDAY, "DGFiP", reason)


def test_the_words_of_s2low_for_one_that_is_blocked() -> None:
    text = write_flows(Kind.WAITING, [flow(7, "ENVOI_INCERTAIN")], LIMITS, PLATFORM)
    assert text.title == "Transaction Helios bloquée"
    assert "La transaction Helios 7 est en attente depuis plus de 48H !" in text.body
    assert "- 7 : Commune d'Exemple, NomFic N1, CodCol -, depuis le 13/03/2026 18:00, route DGFiP, ENVOI_INCERTAIN" in (
        text.body
    )


@pytest.mark.parametrize("kind", [Kind.POSTED, Kind.WAITING, Kind.ACQUIT])
def test_many_in_one_mail(kind: Kind) -> None:
    text = write_flows(kind, [flow(number) for number in range(SHOWN + 3)], LIMITS, PLATFORM)
    assert text.title.startswith("103 ")
    assert "et 3 autres" in text.body
    assert "Que faire" in text.body and PLATFORM in text.body
    assert "Bonjour" in text.body


def test_a_silent_route_and_the_list_of_the_day() -> None:
    text = write_route(LateRoute("DGFiP", None, 21), LIMITS, PLATFORM)
    assert text.title == "Rien n'est plus reçu de la DGFiP : route DGFiP"
    assert "alors que 21\nflux" in text.body and "depuis sa création" in text.body
    one = Unacknowledged(HeliosId(3), "Ville", FRIDAY, "N1", "012", "034001", "00", "VHPCE31", "ab" * 20, "ftp_gateway")
    day = write_day(date(2026, 3, 16), [one], PLATFORM)
    assert day.title == "1 flux Helios transmis et non acquittés au 16 mars 2026"
    assert f"3;Ville;13/03/2026 18:00;N1;012;034001;00;VHPCE31;{'ab' * 20};ftp_gateway\n" in day.body
