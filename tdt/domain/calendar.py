"""Civil dates in Europe/Paris: every date that appears in a name, a serial or a rule is computed here; working days."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")


def paris_date(instant: datetime) -> date:
    """Civil date in Paris of an aware instant."""
    if instant.tzinfo is None:
        raise ValueError("an instant must carry its time zone")
    return instant.astimezone(PARIS).date()


def paris_midnight(day: date) -> datetime:
    """The instant at which a civil day begins in Paris."""
    return datetime.combine(day, time(), PARIS)


def paris_hour(day: date, hour: int) -> datetime:
    """The instant of this hour of a civil day in Paris."""
    return datetime.combine(day, time(hour), PARIS)


def postgres_text(instant: datetime) -> str:
    """An instant as PostgreSQL writes a `timestamptz` to a session in Paris: `2024-03-04 10:11:12.5+01`."""
    local = instant.astimezone(PARIS)
    fraction = f".{local.microsecond:06}".rstrip("0").rstrip(".")
    return f"{local:%Y-%m-%d %H:%M:%S}{fraction}{local:%z}"[:-2]


def parse_civil_date(text: str) -> date | None:
    """The date written `YYYY-M-D` (one or two digits for month and day, as S2LOW stores it), or None."""
    parts = text.split("-")
    if len(parts) != 3 or len(parts[0]) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if not all(1 <= len(part) <= 2 for part in parts[1:]):
        return None
    try:
        return date(int(parts[0]), int(parts[1]), int(parts[2]))
    except ValueError:
        return None


SATURDAY = 5


def is_working_day(day: date) -> bool:
    """Neither a Saturday, a Sunday nor a public holiday."""
    return day.weekday() < SATURDAY and day not in holidays(day.year)


def after_working_hours(since: datetime, hours: float) -> datetime:
    """The instant at which so many hours of working days (of 24 hours, in Paris) have gone by since another one."""
    at, left = since.astimezone(UTC), timedelta(hours=hours)
    while True:
        end = paris_midnight(paris_date(at) + timedelta(days=1)).astimezone(UTC)
        if is_working_day(paris_date(at)):
            if at + left <= end:
                return at + left
            left -= end - at
        at = end


def before_working_hours(now: datetime, hours: float) -> datetime:
    """The latest instant since which so many hours of working days have gone by."""
    at, left, day = now.astimezone(UTC), timedelta(hours=hours), paris_date(now)
    while True:
        beginning = paris_midnight(day).astimezone(UTC)
        if is_working_day(day):
            if at - left >= beginning:
                return at - left
            left -= at - beginning
        at, day = beginning, day - timedelta(days=1)


def holidays(year: int) -> frozenset[date]:
    """The French public holidays of a year (Code du travail L.3133-1)."""
    easter = _easter(year)
    moving = {easter + timedelta(days=days) for days in (1, 39, 50)}
    fixed = {(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)}
    return frozenset(moving | {date(year, month, day) for month, day in fixed})


def _easter(year: int) -> date:
    """Gregorian Easter Sunday, by the algorithm of Meeus, Jones and Butcher."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)
