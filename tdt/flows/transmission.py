"""Transmission windows: record and remove them; tell when what waits will leave."""

from collections.abc import Iterator
from datetime import datetime

from tdt.db import windows as db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.db.routes import lock_route
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.ids import EnvelopeId, RouteId
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import POSTPONED, Forecast, Window, forecast, hour_of

UNKNOWN = "Cette fenêtre n'existe pas : « tdt admin routes windows list ROUTE » donne celles qui existent."
NO_ROUTE = "Cette route n'existe pas : « tdt admin routes list » donne celles qui existent."
ACTES_ONLY = "Seule une route d'ACTES a des fenêtres de transmission."
BACKWARDS = "La fin est avant le début."
NEGATIVE = "Le débit est un nombre d'octets par heure, 0 pour que rien ne parte."
HOURS = "Les heures vont de 0 à 24, la première avant la seconde."
DAYS = "Les jours vont de 1 (lundi) à 7 (dimanche)."
SET_ASIDE = "L'envoi est mis de côté : l'exploitant doit intervenir ({})."


async def add_window(deps: Deps, by: Actor, route: RouteId, new: Window) -> int:
    """Record a window of a route; what waits is looked at again. For the operator. Raises Refused."""
    for fault in _faults(new):
        raise Refused(fault)
    async with deps.acting(by) as connection:
        found = await lock_route(connection, route)
        if found is None:
            raise Refused(NO_ROUTE)
        if found.kind != RouteKind.ACTES:
            raise Refused(ACTES_ONLY)
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


async def forecast_departure(deps: Deps, connection: Connection, envelope: EnvelopeId) -> Forecast | None:
    """When an envelope that has not left will leave, or why nothing tells; None when there is no such envelope.

    To be asked for a transaction at 1 or 2, in a scope that sees what waits on the whole route (`system`): another
    sees only its own archives before it.
    """
    step = await db.get_step(connection, envelope)
    if step is None:
        return None
    now = deps.now()
    if step.state == "dead":
        return Forecast(None, SET_ASIDE.format(step.why))
    code, _, why = step.why.partition(" : ")
    if code and code != POSTPONED:
        # a convention that holds it, an outage, a try in doubt: the next look is known, not the departure
        return Forecast(None, why or code) if why else Forecast(_later(step.run_at, now), code)
    limits = await db.get_limits(connection, step.route_id, now)
    load = await db.get_load(connection, limits, (step.route_id, envelope), hour_of(now))
    return forecast(load, step.size, now)


def _later(at: datetime | None, now: datetime) -> datetime:
    return max(at, now) if at is not None else now
