"""Count everything again and compare it with the balance that is kept: what the daily reckoning cannot have seen."""

import json
from dataclasses import dataclass
from datetime import date

from tdt.db import balance_facts as facts
from tdt.db import balances as db
from tdt.db.authorities import get_authority
from tdt.db.routes import get_route
from tdt.deps import Deps
from tdt.domain.balance import FAULT_TEXTS, Side, figures_of
from tdt.domain.balance import subject_of as kind_of
from tdt.domain.balance_text import Imbalance
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind
from tdt.flows.balances.reckon import Day, reckon_all
from tdt.flows.balances.tell import recounted, subject_of, tell


@dataclass(frozen=True, slots=True)
class Difference:
    """What a full recount finds: a flow that does not add up, or a figure that is not the one of the balance."""

    authority: AuthorityId
    module: RouteKind
    route: RouteId
    flow: str
    code: str
    text: str


async def list_authorities(deps: Deps) -> list[AuthorityId]:
    """The collectivités that have balances to compare with."""
    async with deps.transaction("system") as connection:
        return await db.list_balanced(connection)


async def recount(deps: Deps, authority: AuthorityId, day: date) -> list[Difference]:
    """Compare every flow of a collectivité, as it stood at the end of a day, with both sides and with its balance.

    What it finds is an alert, that the next recount without it ends.
    """
    found: list[Difference] = []
    looked_at: list[str] = []
    wrong: dict[str, Imbalance] = {}
    async with deps.transaction("system") as connection:
        await facts.see_one_instant(connection)
        owner = await get_authority(connection, authority)
        if owner is None:
            return found
        for module in RouteKind:
            fallback = await facts.find_fallback_route(connection, authority, module, day)
            if fallback is None:
                continue
            sides = await reckon_all(connection, Day(authority, module, day, fallback))
            kept = await db.list_last(connection, authority, module, day)
            for number, side in sides.items():
                differences = _compare((authority, module, number), side, kept.get(number))
                looked_at.append(subject := recounted(subject_of(authority, module, number)))
                found += differences
                route = await get_route(connection, number)
                if differences and route is not None:
                    figures = tuple(one.text for one in differences if not one.flow)
                    what = (authority, owner.name, module, number, route.name, day)
                    wrong[subject] = Imbalance(*what, side, figures, full=True)
        await tell(deps, connection, day, (looked_at, wrong))
    return found


def _compare(what: tuple[AuthorityId, RouteKind, RouteId], side: Side, kept: db.Previous | None) -> list[Difference]:
    module = what[1]
    found = [Difference(*what, f"{kind_of(module)}:{one.flow}", one.code, FAULT_TEXTS[one.code]) for one in side.faults]
    closing = json.loads(kept.document)["closing"] if kept is not None else {}
    for name, number in figures_of(side).items():
        if kept is not None and closing.get(name) != number:
            text = f"{name} : {number} au recomptage, {closing.get(name)} au solde"
            found.append(Difference(*what, "", "SOLDE_DIFFERENT", text))
    return found
