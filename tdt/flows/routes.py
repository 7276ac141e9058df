"""Administration of the routes to the State: record, open, close, and which collectivité uses which from when."""

from collections.abc import Mapping
from datetime import date

from tdt.db.audit import insert_change
from tdt.db.authorities import get_authority
from tdt.db.pool import Connection
from tdt.db.routes import (
    NewRoute,
    RouteLine,
    insert_authority_route,
    insert_route,
    list_periods,
    lock_route,
    move_route,
)
from tdt.db.windows import wake_postponed
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Conflict, Refused
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind, Transport, find_setting_fault

UNKNOWN = "Cette route n'existe pas : « tdt admin routes list » donne celles qui existent."
NAME_TAKEN = "Une autre route porte ce nom."
WRONG_KIND = "Une route {} ne se prend pas par {} : {}."
NO_CREDENTIALS = "La configuration n'a pas de section [credentials.{}] : ajoutez-la, puis recommencez."
IN_THE_PAST = "Une collectivité ne change pas de route dans le passé : la date doit être aujourd'hui ou plus tard."
TRANSPORTS: Mapping[RouteKind, frozenset[Transport]] = {
    RouteKind.ACTES: frozenset({Transport.HTTPS}),
    RouteKind.HELIOS: frozenset(Transport) - {Transport.HTTPS},
}


async def create(deps: Deps, by: Actor, new: NewRoute) -> RouteId:
    """Record a route, open at once. For the operator. Raises Refused."""
    if new.transport not in TRANSPORTS[new.kind]:
        possible = ", ".join(sorted(TRANSPORTS[new.kind]))
        raise Refused(WRONG_KIND.format(new.kind, new.transport, possible))
    if new.credentials and new.credentials not in deps.config.credentials:
        raise Refused(NO_CREDENTIALS.format(new.credentials))
    _check_settings(new.transport, new.settings)
    try:
        async with deps.acting(by) as connection:
            route = await insert_route(connection, new)
            after = {
                "kind": str(new.kind),
                "transport": str(new.transport),
                "name": new.name,
                "credentials": new.credentials,
                "test": new.test,
                **_flat(new.settings),
            }
            await insert_change(connection, by, ("route:create", route, None), {}, after)
    except Conflict as error:
        if error.details.get("constraint") != "route_name_key":
            raise
        raise Refused(NAME_TAKEN) from error
    return route


async def modify(
    deps: Deps, by: Actor, route: RouteId, active: bool | None = None, settings: Mapping[str, object] | None = None
) -> None:
    """Open or close a route, change some of its settings; None: as it is. For the operator. Raises Refused.

    Through a closed route nothing leaves and nothing is fetched: what is to leave waits.
    """
    async with deps.acting(by) as connection:
        found = await _take(connection, route)
        _check_settings(Transport(found.transport), settings or {})
        is_active = found.active if active is None else active
        merged = {name: value for name, value in {**found.settings, **(settings or {})}.items() if value is not None}
        await move_route(connection, route, is_active, merged)
        await wake_postponed(connection, route)
        before = {"active": found.active, **_flat(found.settings)}
        await insert_change(
            connection, by, ("route:modify", route, None), before, {"active": is_active, **_flat(merged)}
        )


async def attach(deps: Deps, by: Actor, authority: AuthorityId, route: RouteId, on: date) -> None:
    """Let a collectivité use a route from this day on; what was before stays. For the operator. Raises Refused."""
    if on < paris_date(deps.now()):
        raise Refused(IN_THE_PAST)
    async with deps.acting(by) as connection:
        found = await _take(connection, route)
        if await get_authority(connection, authority) is None:
            raise Refused(NOT_FOUND)
        kind = RouteKind(found.kind)
        before = await list_periods(connection, authority, kind)
        await insert_authority_route(connection, authority, kind, route, on)
        after = await list_periods(connection, authority, kind)
        what = ("authority:attach", authority, authority)
        await insert_change(connection, by, what, {str(kind): before}, {str(kind): after})
        for one in {found.id, *(RouteId(period[0]) for period in before)}:
            await wake_postponed(connection, one)


async def _take(connection: Connection, route: RouteId) -> RouteLine:
    found = await lock_route(connection, route)
    if found is None:
        raise Refused(UNKNOWN)
    return found


def _check_settings(transport: Transport, settings: Mapping[str, object]) -> None:
    if fault := find_setting_fault(transport, settings):
        raise Refused(fault)


def _flat(settings: Mapping[str, object]) -> dict[str, object]:
    return {f"settings.{name}": value for name, value in settings.items()}
