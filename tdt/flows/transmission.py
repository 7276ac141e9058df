"""Transmission windows: record and remove them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tdt.db import windows as db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.db.routes import lock_route
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import Window

UNKNOWN = "Cette fenêtre n'existe pas : « tdt admin routes windows list ROUTE » donne celles qui existent."
NO_ROUTE = "Cette route n'existe pas : « tdt admin routes list » donne celles qui existent."
BACKWARDS = "La fin est avant le début."
NEGATIVE = "Le débit est un nombre d'octets par heure, 0 pour que rien ne parte."
HOURS = "Les heures vont de 0 à 24, la première avant la seconde."
DAYS = "Les jours vont de 1 (lundi) à 7 (dimanche)."


async def add_window(deps: Deps, by: Actor, route: RouteId, new: Window) -> int:
    """Record a window of a route; what waits is looked at again. For the operator. Raises Refused."""
    for fault in _faults(new):
        raise Refused(fault)
    async with deps.acting(by) as connection:
        found = await lock_route(connection, route)
        if found is None:
            raise Refused(NO_ROUTE)
        number = await db.insert_window(connection, route, new)
        await insert_change(connection, by, ("route:window-add", route, None), {}, _audited(number, new))
        await db.wake_postponed(connection, route)
    return number


async def remove_window(deps: Deps, by: Actor, window: int) -> None:
    """Remove a window; what waited for it is looked at again. For the operator. Raises Refused."""
    async with deps.acting(by) as connection:
        found = await db.get_window(connection, window)
        if found is None:
            raise Refused(UNKNOWN)
        if found.route is not None:
            await lock_route(connection, found.route)
        if not await db.delete_window(connection, window):
            raise Refused(UNKNOWN)
        before = _audited(window, found.window) | ({"kind": str(found.kind)} if found.kind is not None else {})
        await insert_change(connection, by, ("route:window-remove", found.route or 0, None), before, {})
        await _wake(connection, found.route, found.kind)


async def add_closings(
    deps: Deps, by: Actor, route: RouteId | None, kind: RouteKind | None, new: Sequence[Window]
) -> list[int]:
    """Write into the calendar of the State when a route, or all of a kind, take nothing: all of them or none.

    What it holds already is not written twice. What waits is looked at again. For the operator. Raises Refused.
    """
    for fault in (fault for one in new for fault in _faults(one)):
        raise Refused(fault)
    async with deps.acting(by) as connection:
        if route is not None and await lock_route(connection, route) is None:
            raise Refused(NO_ROUTE)
        there = [replace(one.window, id=0) for one in await db.list_closings(connection) if _is_of(one, route, kind)]
        numbers = []
        for one in new:
            if one in there:
                continue
            there.append(one)
            numbers.append(await db.insert_window(connection, route, one, kind))
            after = _audited(numbers[-1], one) | ({"kind": str(kind)} if kind is not None else {})
            await insert_change(connection, by, ("route:window-add", route or 0, None), {}, after)
        await _wake(connection, route, kind)
    return numbers


def _is_of(one: db.Announced, route: RouteId | None, kind: RouteKind | None) -> bool:
    return (one.route, one.kind) == (route, kind)


async def _wake(connection: Connection, route: RouteId | None, kind: RouteKind | None) -> None:
    if route is not None:
        await db.wake_postponed(connection, route)
    elif kind is not None:
        await db.wake_postponed_kind(connection, kind)


def _faults(new: Window) -> Iterator[str]:
    if new.bytes_per_hour < 0:
        yield NEGATIVE
    if not 0 <= new.from_hour < new.to_hour <= 24:
        yield HOURS
    if not new.days <= set(range(1, 8)):
        yield DAYS
    if new.ends_at is not None and new.ends_at <= new.starts_at:
        yield BACKWARDS


def _audited(number: int, window: Window) -> dict[str, object]:
    return {
        "window": number,
        "bytes_per_hour": window.bytes_per_hour,
        "starts_at": str(window.starts_at),
        "ends_at": str(window.ends_at) if window.ends_at is not None else None,
        "days": sorted(window.days),
        "from_hour": window.from_hour,
        "to_hour": window.to_hour,
        "reason": window.reason,
        "announced_by": window.announced_by,
    }
