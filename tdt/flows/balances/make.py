"""Make the balances of the days that are over: each once, in order, whichever worker; an imbalance is an alert."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tdt.db import balance_facts as facts
from tdt.db import balances as db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.db.routes import get_route
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.balance import Heading, Side, document, figures_of
from tdt.domain.balance_text import Imbalance
from tdt.domain.calendar import paris_hour, paris_midnight
from tdt.domain.ids import AuthorityId
from tdt.domain.routes import Route, RouteKind
from tdt.flows.balances.due import is_due
from tdt.flows.balances.reckon import Day, reckon
from tdt.flows.balances.tell import subject_of, tell


@dataclass(frozen=True, slots=True)
class Made:
    """A collectivité whose day was made: how many balances, and what does not balance."""

    authority: AuthorityId
    day: date
    balances: int
    imbalances: tuple[Imbalance, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Balances that somebody asks for: of a collectivité or all, up to a day, not waiting for their turn at night."""

    by: Actor
    only: AuthorityId | None = None
    until: date | None = None


async def make_next(deps: Deps, asked: Asked | None = None) -> Made | None:
    """Make the next day of the next collectivité, in a transaction that sees one instant; None when none is due.

    Raises Temporary when another worker was faster.
    """
    until = asked.until if asked is not None else None
    last = min(until, is_due(deps)) if until is not None else is_due(deps)
    begun = deps.now() - paris_hour(last + timedelta(days=1), deps.config.balances.from_hour)
    spread = int(deps.config.balances.spread_hours * 3600)
    seconds = spread if asked is not None else int(begun.total_seconds())
    async with deps.transaction("system") as connection:
        await facts.see_one_instant(connection)
        due = await db.lock_due(connection, last, seconds, spread, asked.only if asked is not None else None)
        if due is None:
            return None
        day = due.balanced_on + timedelta(days=1) if due.balanced_on is not None else last
        made = await _make_day(deps, connection, due, day)
        await db.move_balanced_on(connection, due.id, day)
        if asked is not None:
            await insert_change(connection, asked.by, ("balance:make", due.id, due.id), *_audited(due, made))
        return made


def _audited(due: db.Due, made: Made) -> tuple[dict[str, object], dict[str, object]]:
    """Before and after, for the audit."""
    before = due.balanced_on.isoformat() if due.balanced_on is not None else None
    after = {"balances": made.balances, "imbalances": len(made.imbalances)}
    return {"balanced_on": before}, {"balanced_on": made.day.isoformat(), **after}


async def count(deps: Deps) -> db.Counts:
    """How balances stand, for the metrics: late are those of the day before the last one that is due."""
    async with deps.transaction("system") as connection:
        return await db.count_balances(connection, is_due(deps) - timedelta(days=1))


async def _make_day(deps: Deps, connection: Connection, due: db.Due, day: date) -> Made:
    kept, imbalances, looked_at = 0, [], []
    for module in RouteKind:
        fallback = await facts.find_fallback_route(connection, due.id, module, day)
        if fallback is None:
            continue
        previous = await db.list_previous(connection, due.id, module, day)
        sides = await reckon(connection, Day(due.id, module, day, fallback), previous)
        for number, side in sides.items():
            before = previous.get(number)
            looked_at.append(subject_of(due.id, module, number))
            if side.is_idle and not (before.faulty if before is not None else side.ledger):
                continue  # the first one is kept, however idle: the days after it are carried on from there
            route = await get_route(connection, number)
            assert route is not None
            await _keep(connection, _heading(deps, due, (module, route, day), before), side, before)
            kept += 1
            if not side.balanced:
                imbalances.append(Imbalance(due.id, due.name, module, number, route.name, day, side))
    wrong = {subject_of(one.authority, one.module, one.route): one for one in imbalances}
    await tell(deps, connection, day, (looked_at, wrong))
    return Made(due.id, day, kept, tuple(imbalances))


def _heading(deps: Deps, due: db.Due, what: tuple[RouteKind, Route, date], before: db.Previous | None) -> Heading:
    module, route, day = what
    return Heading(
        authority=due.id,
        name=due.name,
        siren=due.siren,
        module=module,
        route=route.id,
        route_name=route.name,
        test=route.test,
        day=day,
        starts_at=paris_midnight(day),
        ends_at=paris_midnight(day + timedelta(days=1)),
        made_at=deps.now(),
        previous=before.sha256.hex() if before is not None else None,
    )


async def _keep(connection: Connection, heading: Heading, side: Side, before: db.Previous | None) -> None:
    opening: Mapping[str, int] = json.loads(before.document)["closing"] if before is not None else {}
    written = document(heading, side, opening or dict.fromkeys(figures_of(Side()), 0))
    new = db.NewBalance(
        authority_id=AuthorityId(heading.authority),
        module=heading.module,
        route_id=heading.route,
        day=heading.day,
        balanced=side.balanced,
        document=written,
        sha256=hashlib.sha256(written).digest(),
        ledger=side.ledger,
        faulty=sorted({one.flow for one in side.faults}),
    )
    await db.insert_balance(connection, new)
