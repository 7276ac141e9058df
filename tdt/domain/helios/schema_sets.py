"""Sets of schemas of the DGFiP: their names, and the days on which each is in force."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.ids import SchemaSetId

NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}")
VERSION = re.compile(r"(?<![0-9])[0-9]+\.[0-9]+(?:\.[0-9]+)?(?![0-9])")
MOST_ACTIVE = 8
"""In force together: the DGFiP takes a version and the one before it."""


@dataclass(frozen=True, slots=True)
class Period:
    """From a day on, to the day before `valid_to`."""

    valid_from: date
    valid_to: date | None

    def covers(self, day: date) -> bool:
        """Whether it is in force on this day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    def text(self) -> str:
        """`2026-01-01 → 2026-06-30`, its last day included."""
        last = "" if self.valid_to is None else date.fromordinal(self.valid_to.toordinal() - 1).isoformat()
        return f"{self.valid_from} → {last}".rstrip()


@dataclass(frozen=True, slots=True)
class SchemaSet:
    """An installed set; `roots` names the schema of each root that it describes."""

    id: SchemaSetId
    name: str
    sha256: bytes
    files: int
    bytes: int
    roots: Mapping[str, str]
    added_at: datetime
    periods: Sequence[Period]

    def is_active(self, day: date) -> bool:
        """Whether flows are checked against it on this day."""
        return any(period.covers(day) for period in self.periods)


def version_in(name: str) -> str:
    """The version that the name of an archive or of a directory tells: `schemas_pes.v5.12` → `5.12`; empty if none."""
    found = VERSION.findall(name)
    return found[-1] if found else ""
