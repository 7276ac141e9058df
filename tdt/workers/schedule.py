"""Listen to the State: one listener per route, on one worker at a time, taken over at once when it dies."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from tdt.db.locks import hold_route
from tdt.db.routes import list_active_routes
from tdt.deps import Deps
from tdt.domain.errors import TdtError, Temporary
from tdt.domain.ids import RouteId
from tdt.domain.routes import Route, RouteKind
from tdt.flows import actes_receive, contents, helios_receive

log = structlog.get_logger()

TAKEOVER_SECONDS = 1.0
REFRESH_SECONDS = 30.0
HOUSEKEEPING_SECONDS = 3600.0


async def listen_to_the_state(deps: Deps) -> None:
    """Keep a listener on every active route; routes opened or closed meanwhile are noticed within half a minute."""
    listeners: dict[RouteId, asyncio.Task[None]] = {}
    try:
        while True:
            await _match(deps, listeners)
            await asyncio.sleep(REFRESH_SECONDS if listeners else TAKEOVER_SECONDS)
    finally:
        await _end(list(listeners.values()))


async def _match(deps: Deps, listeners: dict[RouteId, asyncio.Task[None]]) -> None:
    """Start the listeners that are missing, end those of routes that were closed. A listener that died is a fault."""
    for task in listeners.values():
        if task.done():
            task.result()
    try:
        async with deps.transaction("system") as connection:
            routes = [route for kind in RouteKind for route in await list_active_routes(connection, kind)]
    except Temporary:
        return
    for route in routes:
        if route.id not in listeners:
            listeners[route.id] = asyncio.create_task(_listen(deps, route))
    closed = listeners.keys() - {route.id for route in routes}
    await _end([listeners.pop(route) for route in closed])


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(deps: Deps, route: Route) -> None:
    collect = _collect_mail if route.kind is RouteKind.ACTES else _collect_files
    while True:
        try:
            async with hold_route(deps.pool, route.id) as lost:
                if lost is not None:
                    await _until(lost, collect, (deps, route))
        except TdtError as error:
            log.warning("route.listen_failed", route=route.name, code=error.code, reason=error.message)
        await asyncio.sleep(TAKEOVER_SECONDS)


async def _until(
    lost: asyncio.Event, collect: Callable[[Deps, Route], Awaitable[None]], what: tuple[Deps, Route]
) -> None:
    """Listen as long as the lock is ours: when it is lost, another worker may already be listening."""
    task = asyncio.ensure_future(collect(*what))
    waiting = asyncio.create_task(lost.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for one in (task, waiting):
            one.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


async def _collect_mail(deps: Deps, route: Route) -> None:
    await actes_receive.collect(deps, route)


async def _collect_files(deps: Deps, route: Route) -> None:
    while True:
        await helios_receive.collect(deps, route)
        await asyncio.sleep(deps.config.helios.poll_seconds)


async def keep_house(deps: Deps) -> None:
    """Every hour: partitions ahead of time, orphans out of the spool. Several workers may do it at once, harmlessly."""
    while True:
        try:
            made = await contents.prepare_partitions(deps)
            swept = await contents.sweep(deps, dry_run=False)
            if made or swept:
                log.info("housekeeping.done", partitions=made, orphans=len(swept))
        except TdtError as error:
            log.warning("housekeeping.failed", code=error.code, reason=error.message)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
