"""The calendar of the State's maintenance: closings as they are announced, in TSV or iCalendar; time that counts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tdt.domain.calendar import PARIS, before_working_hours, is_working_day, paris_date
from tdt.domain.errors import Refused
from tdt.domain.transmission import HORIZON, HOUR, Window, hour_of, is_closing

DAY = timedelta(days=1)
TSV_COLUMNS = ("from", "until", "days", "hours", "reason", "announced_by")
TSV_HEADER = f"Le fichier TSV commence par la ligne : {' '.join(TSV_COLUMNS)} (séparés par des tabulations)."
TSV_FAULT = "Ligne {} : {} n'est pas lisible ({})."
ICS_FAULT = "Événement « {} » : {}."
RECURRENCE = "seules les répétitions DAILY et WEEKLY (BYDAY, UNTIL) sont comprises : déclarez les dates une à une"
WEEKDAYS = {"MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6, "SU": 7}


def closed_time(windows: Sequence[Window], start: datetime, end: datetime, *, working: bool = False) -> timedelta:
    """How much of this time the State was closed; `working`: of its working days only."""
    closings = [one for one in windows if is_closing(one)]
    start = max(start, end - HORIZON)
    if not closings or start >= end:
        return timedelta()
    edges = {edge for one in closings for edge in (one.starts_at, one.ends_at) if edge is not None}
    edges |= {hour_of(start) + HOUR * count for count in range(1, (end - start) // HOUR + 2)}
    moments = [start, *sorted(one for one in edges if start < one < end), end]
    return sum(
        (
            after - at
            for at, after in pairwise(moments)
            if any(one.applies(at) for one in closings) and (not working or is_working_day(paris_date(at)))
        ),
        timedelta(),
    )


def before_closings(windows: Sequence[Window], before: datetime, now: datetime, *, working: bool = False) -> datetime:
    """What is so since before an instant is late: earlier by the time in which the State was closed, as announced.

    `working`: the limit counts working days only.
    """
    counted_to = now
    for _ in range(100):
        closed = closed_time(windows, before, counted_to, working=working)
        if not closed:
            return before
        counted_to = before
        before = before_working_hours(before, closed / HOUR) if working else before - closed
    return before


def read_tsv(text: str) -> list[Window]:
    """Closings, one a line, times of Paris. Raises Refused with the line and what is wrong in it."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip() and not line.startswith("#")]
    if not lines or tuple(lines[0].split("\t")) != TSV_COLUMNS:
        raise Refused(TSV_HEADER)
    return [_tsv_window(number, line) for number, line in enumerate(lines[1:], 2)]


def _tsv_window(number: int, line: str) -> Window:
    cells = [cell.strip() for cell in line.split("\t")]
    row = dict(zip(TSV_COLUMNS, [*cells, *[""] * len(TSV_COLUMNS)], strict=False))
    read: dict[str, datetime | None] = {}
    for name in ("from", "until"):
        try:
            read[name] = datetime.fromisoformat(row[name]).replace(tzinfo=PARIS) if row[name] else None
        except ValueError as error:
            raise Refused(TSV_FAULT.format(number, name, row[name])) from error
    start = read["from"]
    days, hours = row["days"].replace(",", " ").split(), re.fullmatch(r"(\d{1,2})-(\d{1,2})", row["hours"] or "0-24")
    if start is None or hours is None or not all(day.isdigit() for day in days):
        name = "from" if start is None else "hours" if hours is None else "days"
        raise Refused(TSV_FAULT.format(number, name, row[name]))
    return Window(
        0,
        start,
        read["until"],
        frozenset(map(int, days)),
        int(hours[1]),
        int(hours[2]),
        row["reason"],
        announced_by=row["announced_by"],
    )


@dataclass(frozen=True, slots=True)
class _Event:
    start: datetime
    end: datetime
    rule: Mapping[str, str]
    summary: str
    by: str


def read_ics(text: str) -> list[Window]:
    """The events of an iCalendar file (RFC 5545), cancelled ones left out. Raises Refused with the event and why."""
    windows: list[Window] = []
    for block in re.findall(r"BEGIN:VEVENT\r?\n(.*?)END:VEVENT", re.sub(r"\r?\n[ \t]", "", text), re.DOTALL):
        lines = [line.partition(":") for line in block.splitlines()]
        named = {name.split(";")[0].upper(): (name, value) for name, _, value in lines}
        if named.get("STATUS", ("", ""))[1].upper() != "CANCELLED":
            windows += _of_event(_event(named))
    return windows


def _event(named: Mapping[str, tuple[str, str]]) -> _Event:
    def text(name: str) -> str:
        return re.sub(
            r"\\([,;\\])", r"\1", named.get(name, ("", ""))[1].replace("\\n", " ").replace("\\N", " ")
        ).strip()

    summary = text("SUMMARY")
    try:
        start = _ics_time(*named["DTSTART"])
        whole_day = len(named["DTSTART"][1]) == len("20261126")
        lasts = _ics_duration(text("DURATION")) if "DURATION" in named else DAY if whole_day else None
        end = _ics_time(*named["DTEND"]) if "DTEND" in named else start + lasts if lasts else None
    except (KeyError, ValueError, ZoneInfoNotFoundError) as error:
        raise Refused(ICS_FAULT.format(summary, "DTSTART, DTEND ou DURATION manque ou n'est pas lisible")) from error
    if end is None or end <= start:
        raise Refused(ICS_FAULT.format(summary, "sa fin n'est pas après son début"))
    parts = (part.partition("=") for part in text("RRULE").split(";") if part)
    return _Event(
        start, end, {name: value for name, _, value in parts}, summary, text("ORGANIZER").removeprefix("mailto:")
    )


def _ics_time(name: str, value: str) -> datetime:
    zone = re.search(r'TZID="?([^";:]+)', name)
    if len(value) == len("20261126"):
        return datetime.strptime(value, "%Y%m%d").replace(tzinfo=PARIS)
    if value.endswith("Z"):
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return datetime.strptime(value, "%Y%m%dT%H%M%S").replace(tzinfo=ZoneInfo(zone[1]) if zone else PARIS)


def _ics_duration(value: str) -> timedelta:
    """RFC 5545 §3.3.6, whole: `PT4H`, `P1DT12H`, `P2W`. ValueError."""
    found = re.fullmatch(
        r"\+?P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,4})S)?)?", value
    )
    if found is None or not any(found.groups()):
        raise ValueError(value)
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def _of_event(event: _Event) -> Iterator[Window]:
    once = Window(0, event.start, event.end, reason=event.summary, announced_by=event.by)
    if not event.rule:
        yield once
        return
    first, last = event.start.astimezone(PARIS), event.end.astimezone(PARIS)
    known = event.rule.keys() <= {"FREQ", "BYDAY", "UNTIL", "WKST", "INTERVAL"}
    frequency, days = event.rule.get("FREQ"), event.rule.get("BYDAY", "").split(",")
    whole = event.rule.get("INTERVAL", "1") == "1" and event.end - event.start <= DAY
    if (
        not known
        or not whole
        or frequency not in ("DAILY", "WEEKLY")
        or not all(day in WEEKDAYS for day in days if day)
    ):
        raise Refused(ICS_FAULT.format(event.summary, RECURRENCE))
    of_days = {WEEKDAYS[day] for day in days if day} or ({first.isoweekday()} if frequency == "WEEKLY" else set())
    until = event.rule.get("UNTIL")
    try:
        ends_at = _ics_time("", until) + (event.end - event.start) if until else None
    except ValueError as error:
        raise Refused(ICS_FAULT.format(event.summary, "UNTIL n'est pas lisible")) from error
    to_hour = last.hour + (
        1 if last.minute or last.second else 0
    )  # a window is of whole hours: none is taken too early
    every = replace(once, ends_at=ends_at, days=frozenset(of_days), from_hour=first.hour)
    if last.date() == first.date():
        yield replace(every, to_hour=to_hour)
        return
    yield replace(every, to_hour=24)
    if to_hour:
        yield replace(every, days=frozenset(day % 7 + 1 for day in of_days), from_hour=0, to_hour=to_hour)
