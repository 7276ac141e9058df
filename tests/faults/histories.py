"""What random histories of clients, workers and the State share: how they are played, what must hold of every life."""

import os
from collections.abc import Callable, Set
from contextlib import suppress
from itertools import pairwise
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tdt.domain.errors import Forbidden, Permanent, Refused, Temporary, Uncertain
from tests.faults.plant import OTHER_SIREN, SIREN, Plant

EXAMPLES = int(os.environ.get("TDT_HISTORIES", "40"))
"""More for a longer look: TDT_HISTORIES=1000."""

TOWNS = {"A": SIREN, "B": OTHER_SIREN}
STOPPED = (Temporary, Uncertain, Permanent, Refused, Forbidden)

PLAYED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Stage:
    """The pipeline, in what hypothesis can write with each of its examples: not all that it holds."""

    def __init__(self, works: Plant):
        self.works = works


@pytest.fixture
def stage(works: Plant) -> Stage:
    return Stage(works)


class Played(Protocol):
    """A history: its events are its methods `do_…`."""

    async def snapshot(self, town: str) -> list[Any]:
        """Everything of a collectivité that an event of another must not change."""


async def play(history: Played, event: tuple[Any, ...], town: str) -> None:
    """One event of this collectivité; that somebody refuses or must wait is part of the play."""
    name, *rest = event
    others = [other for other in TOWNS if other != town]
    before = [await history.snapshot(other) for other in others]
    with suppress(*STOPPED):
        await getattr(history, f"do_{name}")(*rest)
    assert [await history.snapshot(other) for other in others] == before, "another collectivité has changed"


async def check_lives(works: Plant, module: str, first: Set[int], may_move: Callable[[int, int], bool]) -> None:
    """Each life begins at a first status, goes by allowed moves, and ends at the status of the transaction."""
    rows = await works.fetch(
        f"""select t.id, t.status, array_agg(w.status order by w.id) as life from {module}_transaction t
        join {module}_workflow w on w.transaction_id = t.id group by t.id, t.status"""
    )
    for row in rows:
        life = row["life"]
        assert life[0] in first, row
        assert life[-1] == row["status"], row
        assert all(a == b or may_move(a, b) for a, b in pairwise(life)), row
