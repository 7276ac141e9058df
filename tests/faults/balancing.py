"""Balances of what real flows did: days that end at any instant, the nights between, what the balances say."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import asyncpg

from tdt.db import balance_facts as facts
from tdt.db.balances import Previous
from tdt.domain.audit import Actor, Source
from tdt.domain.balance import Side
from tdt.domain.calendar import paris_date, paris_hour
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind
from tdt.flows import balances
from tdt.flows.balances.reckon import Day, reckon, reckon_all
from tests.faults.plant import Plant

OPERATOR = Actor(Source.CLI, None, "essai")
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
Sides = dict[RouteId, Side]


def town(works: Plant, who: str) -> AuthorityId:
    """The number of a collectivité."""
    authority = works.people[who].authority
    assert authority is not None
    return authority.id


@dataclass(frozen=True, slots=True)
class Span(Day):
    """A day that begins and ends when the test says so: midnight can come between any two events."""

    begins: datetime = BEGINNING
    ends: datetime = BEGINNING

    @property
    def start(self) -> datetime:
        return self.begins

    @property
    def end(self) -> datetime:
        return self.ends


@dataclass(slots=True)
class Days:
    """The days of both collectivités in one module, each carried on from the one before."""

    works: Plant
    module: RouteKind
    ended: datetime = BEGINNING
    kept: dict[AuthorityId, Sides] = field(default_factory=dict)

    async def end(self) -> None:
        """End the day now; it balances, and says the same when everything is counted again."""
        now: datetime = await self.works.value("select clock_timestamp()")
        for who in self.works.people:
            span = self._span(town(self.works, who), self.ended, now)
            async with self.works.deps.transaction("system") as connection:
                await facts.see_one_instant(connection)
                carried = await reckon(connection, span, self._previous(span.authority))
                anew = await reckon_all(connection, span)
            check(who, carried)
            check(who, anew)
            assert _tallies(carried) == _tallies(anew)
            self.kept[span.authority] = carried
        self.ended = now

    async def look_back(self) -> None:
        """The day that ended last, now that other things have happened: nothing has changed of it."""
        for who in self.works.people:
            span = self._span(town(self.works, who), BEGINNING, self.ended)
            async with self.works.deps.transaction("system") as connection:
                anew = await reckon_all(connection, span)
            check(who, anew)
            if span.authority in self.kept:
                assert _tallies(anew) == _tallies(self.kept[span.authority])

    def _span(self, authority: AuthorityId, begins: datetime, ends: datetime) -> Span:
        return Span(authority, self.module, date(2020, 1, 1), self.works.routes[self.module].id, begins, ends)

    def _previous(self, authority: AuthorityId) -> dict[RouteId, Previous]:
        sides = self.kept.get(authority, {})
        return {route: Previous(b"", side.ledger, (), b"") for route, side in sides.items()}


def check(what: str, sides: Sides) -> None:
    """Each of them balances."""
    for route, side in sides.items():
        assert side.balanced, (what, route, side)


def _tallies(sides: Sides) -> dict[RouteId, tuple[object, object]]:
    """Both sides by route, without the routes of nothing."""
    return {route: (side.ledger, side.table) for route, side in sides.items() if side.ledger or side.table}


A_DAY_BACK = (
    "update event set at = at - interval '1 day'",
    "update audit set at = at - interval '1 day'",
    "update attempt set started_at = started_at - interval '1 day', ended_at = ended_at - interval '1 day'",
    "update received set received_at = received_at - interval '1 day', handled_at = handled_at - interval '1 day'",
    # by way of days that nobody has: a day is unique row by row
    "update balance set day = day - 10000",
    "update balance set day = day + 9999",
    "update authority set balanced_on = balanced_on - 1",
)


async def pass_the_night(works: Plant) -> None:
    """It is the next day: PostgreSQL keeps the real time, so what was is a day older."""
    connection = await asyncpg.connect(works.database.owner_dsn)
    try:
        async with connection.transaction():
            for query in A_DAY_BACK:
                await connection.execute(query)
    finally:
        await connection.close()


async def make_balances(works: Plant, who: str | None = None) -> list[balances.Made]:
    """What the workers do at night: the days that are over, of one collectivité or of all."""
    today = paris_date(await works.value("select now()"))
    deps = replace(works.deps, now=lambda: paris_hour(today, 3))
    only = town(works, who) if who is not None else None
    made: list[balances.Made] = []
    while (one := await balances.make_next(deps, balances.Asked(OPERATOR, only))) is not None:
        made.append(one)
    return made
