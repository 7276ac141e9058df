"""`tdt admin maintenance`: the calendar of the State, written, read from files, and what follows from it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tdt.domain.errors import Refused
from tdt.domain.maintenance import before_closings, closed_time, read_ics, read_tsv
from tdt.domain.transmission import Window
from tests.commands import open_terminal
from tests.postgres import TestDatabase

ROOT = ("admin", "maintenance")
ROUTE = ("admin", "routes", "create", "--kind", "actes", "--transport", "https", "--set", "url=https://localhost/")
HOUR = timedelta(hours=1)
TSV = (
    "from\tuntil\tdays\thours\treason\tannounced_by\n2026-12-24T20:00\t2026-12-26T06:00\t\t\tbascule\tDGFiP\n"
    "2026-01-01\t\t6,7\t0-8\tnuits\t\n"
)
ICS = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Arrêt annuel\\, Hélios
DTSTART;TZID=Europe/Paris:20261224T200000
DTEND:20261226T050000Z
END:VEVENT
BEGIN:VEVENT
SUMMARY:Nuit du vendredi
DTSTART:20260102T220000
DTEND:20260103T053000
RRULE:FREQ=WEEKLY;BYDAY=FR
END:VEVENT
BEGIN:VEVENT
STATUS:CANCELLED
SUMMARY:Rien
DTSTART;VALUE=DATE:20260102
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_the_calendar_is_written_read_from_files_and_taken_back(database: TestDatabase, tmp_path: Path) -> None:
    terminal = open_terminal(database, tmp_path)
    terminal.run(*ROUTE, "--name", "Ministère")
    [route] = [row["id"] for row in terminal.rows("admin", "routes", "list")]
    terminal.run(*ROOT, "add", "actes", "--from", "2020-01-01", "--reason", "bascule", "--by", "DGCL")
    terminal.run(*ROOT, "add", "actes", "--route", route, "--from", "2020-01-01", "--until", "2020-01-02")
    assert "n'existe pas" in terminal.run(*ROOT, "add", "actes", "--route", 99, "--from", "2020-01-01", code=1)
    file = tmp_path / "fermetures.tsv"
    file.write_text(TSV, encoding="utf-8")
    assert "2 fermeture(s) enregistrée(s), 0" in terminal.run(*ROOT, "import", "helios", file)
    assert "0 fermeture(s) enregistrée(s), 2" in terminal.run(*ROOT, "import", "helios", file)
    rows = terminal.rows(*ROOT, "list")
    told = [(row["kind"], row["route"], row["reason"], row["announced_by"], row["now"]) for row in rows]
    assert told[:2] == [("actes", None, "bascule", "DGCL", True), (None, route, "", "", False)]
    assert [one[:4] for one in told[2:]] == [("helios", None, "nuits", ""), ("helios", None, "bascule", "DGFiP")]
    terminal.run(*ROOT, "remove", rows[0]["id"])
    assert len(terminal.rows(*ROOT, "list")) == 3
    tags = asyncio.run(terminal.query("select tag from audit where tag like 'cli:route:window%' order by id"))
    assert [row["tag"].rpartition("-")[2] for row in tags] == ["add"] * 4 + ["remove"]


def test_events_of_a_calendar_are_windows() -> None:
    once, evening, morning = read_ics(ICS)
    assert (once.starts_at, once.ends_at) == (
        datetime(2026, 12, 24, 19, tzinfo=UTC),
        datetime(2026, 12, 26, 5, tzinfo=UTC),
    )
    assert once.reason == "Arrêt annuel, Hélios"
    assert (evening.days, evening.from_hour, evening.to_hour) == ({5}, 22, 24)
    assert (morning.days, morning.from_hour, morning.to_hour) == ({6}, 0, 6), "whole hours, none too few"


@pytest.mark.parametrize("lasts", ["PT7H30M", "PT450M", "P0DT7H29M60S", "+PT7H30M"])
def test_an_event_may_say_how_long_it_lasts(lasts: str) -> None:
    assert read_ics(ICS.replace("DTEND:20260103T053000", f"DURATION:{lasts}")) == read_ics(ICS)


@pytest.mark.parametrize("lasts", ["", "P", "PT", "-PT1H", "4H", "PT99999999999H", "PT0S"])
def test_a_duration_that_is_none_is_refused(lasts: str) -> None:
    with pytest.raises(Refused):
        read_ics(ICS.replace("DTEND:20260103T053000", f"DURATION:{lasts}"))


@pytest.mark.parametrize(
    "rule", ["FREQ=MONTHLY", "FREQ=WEEKLY;BYDAY=1FR", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;INTERVAL=2"]
)
def test_a_repetition_that_is_not_understood_is_refused(rule: str) -> None:
    with pytest.raises(Refused):
        read_ics(ICS.replace("FREQ=WEEKLY;BYDAY=FR", rule))


@pytest.mark.parametrize("text", ["", "from\tuntil\n", TSV.replace("0-8", "x"), TSV.replace("2026-01-01", "janvier")])
def test_a_table_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        read_tsv(text)


def test_the_time_of_a_closing_is_no_lateness() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
    closing = Window(0, now - 5 * HOUR, now - 2 * HOUR)
    assert closed_time([closing], now - 3 * HOUR, now) == HOUR
    assert before_closings([closing], now - 4 * HOUR, now) == now - 7 * HOUR
    assert before_closings([closing], now - HOUR, now) == now - HOUR
    assert before_closings([Window(10, now - 5 * HOUR)], now - 4 * HOUR, now) == now - 4 * HOUR, "slow is not closed"
    sunday = datetime(2026, 11, 22, 12, tzinfo=UTC)
    weekend = Window(0, sunday - 3 * HOUR, sunday)
    assert closed_time([weekend], sunday - 9 * HOUR, now, working=True) == timedelta(), "not counted twice"
