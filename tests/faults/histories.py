"""What random histories of clients, workers and the State share: how they are played, what must hold of every life.

In the nightly form (`scripts/nightly histories`) the model follows each event and all else is checked once, at the
end of each history; the database is emptied every twenty histories.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, settings

from tdt.db.accounts import NewAccount, insert_account
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Principal, Role
from tdt.domain.errors import Conflict, Forbidden, Permanent, Refused, Temporary, Uncertain
from tests.faults.models import Model
from tests.faults.plant import OTHER_SIREN, SIREN, Plant

EXAMPLES = int(os.environ.get("TDT_HISTORIES", "40"))
"""More for a longer look: TDT_HISTORIES=1000."""
NIGHTLY = "TDT_HISTORIES_REPORT" in os.environ
REPORT = os.environ.get("TDT_HISTORIES_REPORT", "")
"""A folder: each module writes there how many it played and the moves it saw."""
EMPTIED_AFTER = 20

TOWNS = {"A": SIREN, "B": OTHER_SIREN}
STOPPED = (Temporary, Uncertain, Permanent, Refused, Forbidden, Conflict)

PLAYED = settings(
    max_examples=EXAMPLES,
    **({"database": None, "phases": (Phase.explicit, Phase.generate)} if NIGHTLY else {}),  # type: ignore[arg-type]
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Stage:
    """The pipeline, in what hypothesis can write with each of its examples: not all that it holds."""

    def __init__(self, works: Plant):
        self.works = works
        self.played = 0
        self.seen: Counter[tuple[int | None, int]] = Counter()
        self._contents = -1

    async def begin(self) -> int:
        """A number for the next history."""
        if self.played == 0:
            await self._add_archivists()
        if NIGHTLY and self.played % EMPTIED_AFTER == 0:
            await self._empty()
        self.played += 1
        return self.played

    async def _add_archivists(self) -> None:
        async with self.works.deps.transaction("system") as connection:
            for town, who in self.works.people.items():
                new = NewAccount(Role.ARCH, "archive", f"archive-{town}", authority_id=who.user.authority_id)
                await insert_account(connection, new)

    async def _empty(self) -> None:
        if self._contents < 0:
            self._contents = int(await self.works.value("select coalesce(max(id), 0) from content"))
        connection = await asyncpg.connect(self.works.database.owner_dsn)
        try:
            await connection.execute(EMPTY)
            await connection.execute("delete from content where id > $1", self._contents)
        finally:
            await connection.close()
        self.works.prefecture.parcels.clear()
        for path in self.works.ftp.sent.iterdir():
            path.unlink()
        # each wait moves the clock on: after some thousands what has just been sent would be a month old
        self.works.clock.offset = timedelta()

    def end(self, model: Model) -> None:
        """What a history has shown."""
        self.seen.update(model.seen)

    def report(self, module: str) -> None:
        """Write down how many were played, and the moves seen."""
        if REPORT:
            moves = [[origin, target, count] for (origin, target), count in self.seen.items()]
            told = {"module": module, "played": self.played, "moves": moves}
            Path(REPORT, f"{module}-{os.getpid()}.json").write_text(json.dumps(told))


EMPTY = "truncate acte_transaction, acte_envelope, helios_transaction, received, attempt, job, audit, breaker cascade"


@pytest.fixture
def stage(works: Plant, request: pytest.FixtureRequest) -> Iterator[Stage]:
    made = Stage(works)
    yield made
    made.report("helios" if "helios" in request.module.__name__ else "actes")


OPERATOR = Actor(Source.CLI, None, "essai")


def acting_as(role: Role, who: Principal) -> Principal:
    """Somebody else of the same collectivité: its administrator, the software of its archive."""
    return replace(who, user=replace(who.user, role=role))


class Played(Protocol):
    """A history: its events are its methods `do_…`. `first`: the last transaction before it."""

    works: Plant
    module: str
    first: int
    model: Model

    async def snapshot(self, town: str) -> list[Any]:
        """Everything of a collectivité that an event of another must not change."""


async def play(history: Played, event: tuple[Any, ...], town: str) -> None:
    """One event of this collectivité; that somebody refuses or must wait is part of the play."""
    name, *rest = event
    others = [other for other in TOWNS if other != town and not NIGHTLY]
    before = [await history.snapshot(other) for other in others]
    with suppress(*STOPPED):
        await getattr(history, f"do_{name}")(*rest)
    await follow(history, name, town)
    assert [await history.snapshot(other) for other in others] == before, "another collectivité has changed"


async def follow(history: Played, event: str, town: str) -> None:
    """Let the model see what an event has done."""
    rows = await history.works.fetch(
        f"""select w.transaction_id as number, a.siren, array_agg(w.status order by w.id) as life
        from {history.module}_workflow w join {history.module}_transaction t on t.id = w.transaction_id
        join authority a on a.id = t.authority_id where w.transaction_id > $1 group by 1, 2""",
        history.first,
    )
    lives = {row["number"]: tuple(row["life"]) for row in rows}
    history.model.step(event, lives, [row["number"] for row in rows if row["siren"] == TOWNS[town]])


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
