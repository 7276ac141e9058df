"""Reckon one day of a collectivité: what the ledger carries on, what the tables hold, what contradicts them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tdt.db import balance_facts as facts
from tdt.db.balances import Previous
from tdt.db.pool import Connection
from tdt.domain import balance_flows as rules
from tdt.domain.balance import Fault, Side, Tally, merge
from tdt.domain.calendar import paris_midnight
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind

CHUNK = 2000
"""Flows held in memory at once."""


@dataclass(frozen=True, slots=True)
class Day:
    """A civil day of a collectivité for a module; `fallback`: the route of what is not there any more."""

    authority: AuthorityId
    module: RouteKind
    on: date
    fallback: RouteId

    @property
    def start(self) -> datetime:
        return paris_midnight(self.on)

    @property
    def end(self) -> datetime:
        return paris_midnight(self.on + timedelta(days=1))


@dataclass(slots=True)
class _Sums:
    ledger: dict[RouteId, Tally]
    table: dict[RouteId, Tally]
    movements: dict[RouteId, Tally]
    faults: dict[RouteId, list[Fault]]


async def reckon(connection: Connection, day: Day, previous: Mapping[RouteId, Previous]) -> dict[RouteId, Side]:
    """The day, by route: from the balances before it, or from the beginning when there is none or both sides differ.

    What moved, is open, is named by an answer or was at fault is looked at flow by flow; the rest is counted.
    """
    if previous:
        sides = await _carry_on(connection, day, previous)
        if all(+side.ledger == +side.table for side in sides.values()):
            return sides
    return await reckon_all(connection, day)


async def reckon_all(connection: Connection, day: Day) -> dict[RouteId, Side]:
    """The same from every flow of the collectivité: it names those by which both sides differ."""
    numbers = await facts.list_all(connection, day.authority, day.module)
    return _sides(await _sum(connection, day, numbers, {}))


async def _carry_on(connection: Connection, day: Day, previous: Mapping[RouteId, Previous]) -> dict[RouteId, Side]:
    touched = await facts.list_touched(connection, day.authority, day.module, day.start)
    faulty = {number for one in previous.values() for number in one.faulty}
    numbers = sorted({*touched, *faulty})
    sums = await _sum(connection, day, numbers, {route: one.ledger for route, one in previous.items()})
    others = await facts.count_others(connection, day.authority, day.module, numbers)
    sums.table = merge([sums.table, others])
    return _sides(sums)


async def _sum(connection: Connection, day: Day, numbers: Sequence[int], carried: Mapping[RouteId, Tally]) -> _Sums:
    """Both sides of these flows; the ledger goes on from what was carried, which holds where they stood before."""
    sums = _Sums(merge([carried]), {}, {}, {})
    for chunk in _chunks(numbers):
        flows = await facts.list_flows(connection, day.authority, day.module, chunk)
        after = rules.tally_recorded(flows, day.end, day.fallback)
        sums.ledger = merge([sums.ledger, after])
        if carried:
            for route, tally in rules.tally_recorded(flows, day.start, day.fallback).items():
                sums.ledger.setdefault(route, Counter()).subtract(tally)
        sums.table = merge([sums.table, rules.tally_found(flows, day.end, day.fallback)])
        sums.movements = merge([sums.movements, rules.count_movements(flows, day.start, day.end, day.fallback)])
        for flow in flows:
            for fault in rules.find_faults(flow, day.end):
                sums.faults.setdefault(flow.route(day.end, day.fallback), []).append(fault)
    return sums


def _sides(sums: _Sums) -> dict[RouteId, Side]:
    routes = sorted({*sums.ledger, *sums.table, *sums.movements, *sums.faults})
    return {
        route: Side(
            _without_zeros(sums.ledger.get(route)),
            _without_zeros(sums.table.get(route)),
            _without_zeros(sums.movements.get(route)),
            tuple(sorted(sums.faults.get(route, ()))),
        )
        for route in routes
    }


def _without_zeros(tally: Tally | None) -> Tally:
    return Counter({key: number for key, number in (tally or {}).items() if number})


def _chunks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield numbers[start : start + CHUNK]
