"""Instants and days as JSON says them."""

from datetime import UTC, date, datetime


def instant(at: datetime | None) -> str | None:
    """ISO 8601, in UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds") if at is not None else None


def day(on: date | None) -> str | None:
    """`YYYY-MM-DD`."""
    return on.isoformat() if on is not None else None
