"""Keep a file of the DGFiP that has come to the local disk; take care of what a killed run left there."""

import asyncio
from collections.abc import Set
from contextlib import suppress
from datetime import timedelta

import structlog

from tdt.crash import Step, reach
from tdt.db import routes as routes_db
from tdt.db.receptions import insert_jobs
from tdt.db.turn_hints import list_of_flows
from tdt.deps import Deps
from tdt.documents.inbox import Fetched, Inbox
from tdt.documents.spool import read_file
from tdt.domain.helios.peek import PEEKED, peek
from tdt.domain.ids import RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.turns import turns_of

log = structlog.get_logger()

FORGOTTEN = timedelta(hours=1)
"""No fetch stands still for so long: nobody is at work on a file that has not changed since."""
LOST = timedelta(days=1)
"""A part that nobody has completed since: it is all that is left."""


def inbox_of(deps: Deps, route: RouteId) -> Inbox:
    """Where what comes by a route is written."""
    return Inbox(deps.spool.directory / "receiving" / str(route))


async def store(deps: Deps, route: RouteId, fetched: Fetched) -> int:
    """Keep a file with the job that will read it, in one transaction; 0 when the same name and bytes are known."""
    writer, start = deps.spool.writer(), b""
    with writer.discarded_on_failure():
        async for chunk in read_file(fetched.path):
            start = start or chunk[:PEEKED]
            await asyncio.to_thread(writer.write, chunk)
        look = await asyncio.to_thread(peek, start)
        body = await writer.finish()
        key = f"{fetched.name}/{body.sha256.hex()}"
        async with deps.transaction("system") as connection:
            known = await routes_db.find_received(connection, route, key) is not None
            if not known:
                content = (await deps.keep(connection, None, [body]))[0]
                received = await routes_db.insert_received(connection, route, key, fetched.name, content)
                turns = turns_of([look], await list_of_flows(connection, [look]))
                await insert_jobs(connection, JobKind.HELIOS_INGEST, [received], turns)
                reach(Step.RECEIVE_FILE)
    if known:
        writer.discard()  # the same name and bytes again: it is already stored
    fetched.path.unlink(missing_ok=True)
    return 0 if known else 1


async def resume(deps: Deps, route: RouteId, inbox: Inbox, remote: Set[str]) -> None:
    """What a killed run was fetching: stored when whole, fetched again when partial, kept if it is gone there."""
    for left in inbox.list_left():
        with suppress(FileNotFoundError):  # stored by `take_left` since it was listed
            if left.is_whole or left.name not in remote:
                await store(deps, route, left)
            else:
                left.path.unlink()


async def take_left(deps: Deps) -> int:
    """Store what lies forgotten here: its route was closed, or a worker of another machine listens to it now."""
    taken = 0
    folder = deps.spool.directory / "receiving"
    routes = [path.name for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    for name in routes:
        route = RouteId(int(name))
        async with deps.transaction("system") as connection:
            known = await routes_db.get_route(connection, route) is not None
        if not known:
            # a database restored from before the route, or another's folder: kept, for somebody to look at
            log.warning("received.no_route", route=route)
            continue
        for left in inbox_of(deps, route).list_left():
            with suppress(FileNotFoundError):  # whoever listens to the route has just dealt with it
                age = deps.now().timestamp() - left.path.stat().st_mtime
                if age >= (FORGOTTEN if left.is_whole else LOST).total_seconds():
                    taken += await store(deps, route, left)
    if taken:
        log.warning("received.left", count=taken)
    return taken
