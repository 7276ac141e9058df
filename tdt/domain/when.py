"""The dates that clients write, as PHP's strtotime reads them in Paris: the usual shapes, not all of its grammar."""

import re
from datetime import UTC, date, datetime, timedelta

from tdt.domain.calendar import PARIS, paris_date, paris_midnight

TIME = r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?)?"
ZONE = r" *(?P<zone>Z|[+-]\d{2}:?\d{2})?"
SHAPES = [
    re.compile(shape + TIME + ZONE, re.ASCII)
    for shape in (
        r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})",
        r"(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<day>\d{1,2})[-.](?P<month>\d{1,2})[-.](?P<year>\d{4})",
        # with slashes PHP reads the month first
        r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})",
    )
]
WORDS = {"today": 0, "midnight": 0, "yesterday": -1, "tomorrow": 1}
RELATIVE = re.compile(r"(?P<count>[+-]? ?\d{1,5}|last|next) ?(?P<unit>day|week|month|year|hour|minute)s?(?P<ago> ago)?")
DAYS = {"day": 1, "week": 7}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 40
"""No date is longer."""


def read_when(text: str, now: datetime) -> datetime | None:
    """The instant that a text names; None when it is no date."""
    wanted = text.strip().lower() if len(text) <= LONGEST else ""
    if wanted == "now":
        return now
    if wanted in WORDS:
        return paris_midnight(paris_date(now) + timedelta(days=WORDS[wanted]))
    try:
        if re.fullmatch(r"@-?\d{1,11}", wanted, re.ASCII):
            return EPOCH + timedelta(seconds=int(wanted[1:]))
        return _absolute(text.strip()) or _relative(wanted, now)
    except (ValueError, OverflowError):
        return None


def _absolute(text: str) -> datetime | None:
    for shape in SHAPES:
        if found := shape.fullmatch(text):
            parts = {name: int(value or 0) for name, value in found.groupdict().items() if name != "zone"}
            second = parts.pop("second")
            plain = datetime(**parts) + timedelta(seconds=second)  # type: ignore[arg-type]
            return _in_zone(plain, found["zone"])
    return None


def _in_zone(plain: datetime, zone: str | None) -> datetime:
    if zone is None:
        return plain.replace(tzinfo=PARIS)
    if zone == "Z":
        return plain.replace(tzinfo=UTC)
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    offset = timedelta(hours=hours, minutes=minutes)
    return plain.replace(tzinfo=UTC) - (offset if zone[0] == "+" else -offset)


def _relative(text: str, now: datetime) -> datetime | None:
    found = RELATIVE.fullmatch(text)
    if found is None:
        return None
    written = found["count"].replace(" ", "")
    count = {"last": -1, "next": 1}.get(written) or int(written)
    if found["ago"]:
        count = -count
    unit = found["unit"]
    if unit in ("hour", "minute"):
        return now + timedelta(**{f"{unit}s": count})
    local = now.astimezone(PARIS)
    if unit in DAYS:
        return local + timedelta(days=count * DAYS[unit])
    return _months(local, count * (12 if unit == "year" else 1))


def _months(local: datetime, months: int) -> datetime:
    """PHP's months: the 31st of a shorter month is a day of the next one."""
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = date(year, month + 1, 1) + timedelta(days=local.day - 1)
    return datetime.combine(day, local.timetz())
