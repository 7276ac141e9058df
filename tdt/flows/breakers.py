"""Breakers, for the operator: shown, told when one stays open, closed or opened by hand."""

from collections.abc import Sequence
from datetime import timedelta

from tdt.db import breakers as db
from tdt.db.alerts import Alert, insert_alerts, move_to_ended
from tdt.db.audit import insert_change
from tdt.db.breakers import Place, Shown
from tdt.db.pool import Connection
from tdt.db.routes import get_route
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.breaker import Breaker, Remote
from tdt.domain.breaker_text import write_open
from tdt.domain.errors import Refused
from tdt.domain.plain import instant

BREAKER = "breaker"
"""Kind of these alerts."""
BY_ROUTE = (Remote.ACTES, Remote.HELIOS)
NO_ROUTE = "Cette route n'existe pas, ou n'est pas de ce module : « tdt admin routes list » donne celles qui existent."
NEEDS_ROUTE = "Ce distant a un disjoncteur par route : précisez --route."
HAS_NO_ROUTE = "Ce distant n'a qu'un disjoncteur : il n'a pas de route."
NOT_KEPT = "La réception garde son propre rythme : son disjoncteur montre ses échecs, et n'arrête rien."


async def show_all(deps: Deps) -> Sequence[Shown]:
    """All that ever counted a failure, with what waits behind those that are open."""
    async with deps.transaction("system") as connection:
        return await db.count_all_waiting(connection, await db.list_breakers(connection, deps.now()))


async def tell(deps: Deps) -> tuple[Sequence[Shown], Sequence[Shown]]:
    """All of them, and those whose staying open is told just now; an alert ends when its breaker closes.

    What the State announced is no alert. Any number of workers may do it: the alert is recorded once.
    """
    minutes = deps.config.breaker.alert_minutes
    late = deps.now() - timedelta(minutes=minutes)
    async with deps.transaction("system") as connection:
        shown = await db.list_breakers(connection, deps.now())
        stay = [
            one
            for one in shown
            if minutes and not one.announced and one.breaker.opened_at is not None and one.breaker.opened_at <= late
        ]
        alerts = {_alert(one).subject: (one, _alert(one)) for one in stay}
        new = await insert_alerts(connection, [alert for _, alert in alerts.values()])
        told = [alerts[one.subject][0] for one in new]
        for one in told:
            await _mail(deps, connection, one)
        still = {(one.place.subject, one.breaker.opened_at) for one in shown if one.breaker.opened_at is not None}
        await move_to_ended(connection, BREAKER, [(subject, at) for subject, at in still if at is not None])
    return shown, told


def _alert(one: Shown) -> Alert:
    data = {
        "remote": str(one.place.remote),
        "route": one.route,
        "error": one.breaker.last_error,
        "forced": one.breaker.forced,
    }
    assert one.breaker.opened_at is not None
    return Alert(None, BREAKER, one.place.subject, one.breaker.opened_at, data)


async def _mail(deps: Deps, connection: Connection, one: Shown) -> None:
    text = write_open(one.place.remote, one.route, one.breaker, deps.config.server.public_url)
    key = (BREAKER, f"{one.place.subject}:{instant(one.breaker.opened_at)}")
    await deps.tell_operators(connection, key, text)


async def close(deps: Deps, by: Actor, place: Place) -> int:
    """Close one by hand: what waits for it is tried at once; gives how many. Raises Refused."""
    return await _change(deps, by, place, "breaker:close", Breaker())


async def force(deps: Deps, by: Actor, place: Place, reason: str) -> int:
    """Open one by hand: nothing is tried until it is closed. Raises Refused."""
    if place.remote is Remote.RECEPTION:
        raise Refused(NOT_KEPT)
    to = Breaker(opened_at=deps.now(), forced=True, last_error=reason)
    return await _change(deps, by, place, "breaker:open", to)


async def _change(deps: Deps, by: Actor, place: Place, what: str, to: Breaker) -> int:
    async with deps.acting(by) as connection:
        await _check_place(connection, place)
        before = await db.lock_breaker(connection, place)
        await db.move_breaker(connection, place, to)
        about = (what, place.route or 0, None)
        await insert_change(connection, by, about, _audited(place, before), _audited(place, to))
        return 0 if to.is_open else await db.wake(connection, place)


async def _check_place(connection: Connection, place: Place) -> None:
    if place.remote in (Remote.ANTIVIRUS, Remote.MAIL):
        if place.route is not None:
            raise Refused(HAS_NO_ROUTE)
        return
    if place.route is None:
        raise Refused(NEEDS_ROUTE)
    route = await get_route(connection, place.route)
    if route is None or (place.remote in BY_ROUTE and str(route.kind) != str(place.remote)):
        raise Refused(NO_ROUTE)


def _audited(place: Place, breaker: Breaker) -> dict[str, object]:
    return {
        "remote": str(place.remote),
        "route": place.route,
        "open": breaker.is_open,
        "forced": breaker.forced,
        "since": instant(breaker.opened_at),
        "error": breaker.last_error,
    }
