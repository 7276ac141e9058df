"""Who administers, and what an act of administration changed: the audit keeps the values before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tdt.domain.authorities import Owner, Principal, Right, may


class Source(StrEnum):
    """Through which door somebody acts: the first word of an audit tag."""

    API = "api"
    CLI = "cli"
    SYSTEM = "system"
    """The program itself, when a date has come."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does an act of administration: an account through the API, or the operator at the command line.

    The operator (`who` is None) may do everything; `name` is its login on the machine, kept in the audit.
    """

    source: Source
    who: Principal | None
    name: str = ""

    def administers(self, owner: Owner) -> bool:
        """May this actor change this?"""
        return self.who is None or may(self.who, Right.ADMINISTER, owner=owner)


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """What differs, before and after, by field; a field that one side lacks counts as None there."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}
