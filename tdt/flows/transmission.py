"""Transmission windows: record and remove them."""

from collections.abc import Iterator

from tdt.db import windows as db
from tdt.db.audit import insert_change
from tdt.db.routes import lock_route
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.ids import RouteId
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
        route, old = found
        await lock_route(connection, route)
        if not await db.delete_window(connection, window):
            raise Refused(UNKNOWN)
        await insert_change(connection, by, ("route:window-remove", route, None), _audited(window, old), {})
        await db.wake_postponed(connection, route)


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
    }
