"""Civil dates in Europe/Paris: every date that appears in a name, a serial or a rule is computed here."""

from datetime import date, datetime, time
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
