"""Move the collectivités of a route to another one on a date, and give that up before it comes."""

from collections.abc import Sequence
from datetime import date

from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.db.route_switches import Planned, delete_planned, list_planned, list_users
from tdt.db.routes import Period, RouteLine, insert_authority_route, list_periods, lock_route
from tdt.db.windows import wake_postponed
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind

UNKNOWN = "La route {} n'existe pas : « tdt admin routes list » donne celles qui existent."
SAME = "Ce sont deux fois la même route."
OTHER_KIND = "La route {} porte {}, la route {} porte {}."
CLOSED = "La route {} est fermée : ouvrez-la d'abord, sinon ce qui doit partir attendra."
IN_THE_PAST = "Une collectivité ne change pas de route dans le passé : la date doit être aujourd'hui ou plus tard."
NOBODY = "Aucune collectivité ne prend la route {} ce jour-là."
NOT_THEIRS = "Ces collectivités ne prennent pas la route {} ce jour-là : {}."
NOT_PLANNED = "Aucun changement vers la route {} n'est prévu ce jour-là pour : {}."
NOTHING_PLANNED = "Aucun changement vers la route {} n'est prévu ce jour-là."
DONE = "Ce changement est déjà fait : prévoyez le retour avec « tdt admin routes switch plan »."


async def plan(
    deps: Deps, by: Actor, ways: tuple[RouteId, RouteId], on: date, only: Sequence[AuthorityId] = ()
) -> list[AuthorityId]:
    """From this day on, those that take the first route take the second: all of them, or `only` these.

    Gives who they are. The first route stays open: what was sent by it is answered by it. For the operator. Raises
    Refused, and then changes nobody's.
    """
    if on < paris_date(deps.now()):
        raise Refused(IN_THE_PAST)
    async with deps.acting(by) as connection:
        old, new = [await _take(connection, one) for one in ways]
        _check_ways(old, new)
        users = await list_users(connection, old.id, on)
        moved = list(dict.fromkeys(only)) or users
        strangers = sorted(set(moved) - set(users))
        if strangers:
            raise Refused(NOT_THEIRS.format(old.id, ", ".join(map(str, strangers))))
        if not moved:
            raise Refused(NOBODY.format(old.id))
        kind = RouteKind(old.kind)
        before = {one: await list_periods(connection, one, kind) for one in moved}
        for one in moved:
            await insert_authority_route(connection, one, kind, new.id, on)
        await _tell(connection, by, "authority:attach", kind, before)
        await wake_postponed(connection, old.id)
    return moved


async def cancel(
    deps: Deps, by: Actor, route: RouteId, on: date, only: Sequence[AuthorityId] = ()
) -> list[AuthorityId]:
    """Give up the changes to this route that are planned for this day: the routes before them go on. Gives whose.

    For the operator. Raises Refused, and then changes nobody's.
    """
    if on <= paris_date(deps.now()):
        raise Refused(DONE)
    async with deps.acting(by) as connection:
        new = await _take(connection, route)
        planned = [one.authority_id for one in await _planned(deps, connection) if (one.to_id, one.on) == (new.id, on)]
        given_up = list(dict.fromkeys(only)) or planned
        strangers = sorted(set(given_up) - set(planned))
        if strangers:
            raise Refused(NOT_PLANNED.format(new.id, ", ".join(map(str, strangers))))
        if not given_up:
            raise Refused(NOTHING_PLANNED.format(new.id))
        kind = RouteKind(new.kind)
        before = {one: await list_periods(connection, one, kind) for one in given_up}
        await delete_planned(connection, kind, on, given_up)
        await _tell(connection, by, "authority:detach", kind, before)
    return given_up


async def list_to_come(deps: Deps, by: Actor) -> list[Planned]:
    """The changes of route that are planned. For the operator."""
    async with deps.acting(by) as connection:
        return await _planned(deps, connection)


async def _planned(deps: Deps, connection: Connection) -> list[Planned]:
    return await list_planned(connection, paris_date(deps.now()))


async def _take(connection: Connection, route: RouteId) -> RouteLine:
    found = await lock_route(connection, route)
    if found is None:
        raise Refused(UNKNOWN.format(route))
    return found


def _check_ways(old: RouteLine, new: RouteLine) -> None:
    if old.id == new.id:
        raise Refused(SAME)
    if old.kind != new.kind:
        raise Refused(OTHER_KIND.format(old.id, old.kind, new.id, new.kind))
    if not new.active:
        raise Refused(CLOSED.format(new.id))


async def _tell(
    connection: Connection, by: Actor, what: str, kind: RouteKind, before: dict[AuthorityId, list[Period]]
) -> None:
    """One line of the audit for each collectivité, as when it is attached alone."""
    for one, old in before.items():
        new = await list_periods(connection, one, kind)
        await insert_change(connection, by, (what, one, one), {str(kind): old}, {str(kind): new})
