"""Clocks that are wrong: libfaketime on one of our processes, from its start to its end."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
PLACES = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime")
LIBRARY = "libfaketime.so.1"
JUMPS = ("+2h", "-2h", "midnight")
BEFORE_MIDNIGHT = timedelta(seconds=6)


def find_library() -> str | None:
    """Where the package libfaketime puts it."""
    found = [path for place in PLACES if (path := Path(place) / LIBRARY).is_file()]
    return str(found[0]) if found else None


def wrong_clock(jump: str, library: str) -> dict[str, str]:
    """The variables of a process whose clock is so; what measures durations stays right."""
    offset = jump if jump != "midnight" else f"{_seconds_to_midnight():+d}"
    return {"LD_PRELOAD": library, "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _seconds_to_midnight() -> int:
    """So that the process sees midnight in Paris some seconds after its start."""
    now = datetime.fromtimestamp(time.time(), UTC).astimezone(PARIS)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight - now - BEFORE_MIDNIGHT).total_seconds())
