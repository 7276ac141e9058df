"""What is late by thousands, as when the State is down: the oldest are told one by one, the others as one."""

from tdt.domain.limits import Item, Late

NAMED = 100
"""Told one by one, of each rule and route."""
REST = "rest:"


def rest_of(kind: Late, route_id: int | None) -> str:
    """Subject of the alert about all that is late by a rule on a route beyond those told one by one."""
    return f"{REST}{kind}" if route_id is None else f"{REST}{kind}:route:{route_id}"


def is_rest(subject: str) -> bool:
    """Does this alert tell many as one?"""
    return subject.startswith(REST)


def number_of(item: Item) -> int:
    """How many are late by its rule: heaps that are always told as one count as one."""
    return item.count if is_rest(item.subject) else 1
