"""Look at a reception directory: store each file first, whatever it is; it is understood after."""

import asyncio

from tdt.db import routes as routes_db
from tdt.db.jobs import insert_job
from tdt.deps import Deps, DgfipClient
from tdt.documents.inbox import Fetched, Inbox
from tdt.documents.spool import read_file
from tdt.domain.helios.naming import is_own_file
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route


async def collect(deps: Deps, route: Route, late: set[str]) -> int:
    """One look at the reception directory of a route: every file that is stable is stored, then removed there.

    A file that cannot be fetched joins `late` and ends this look; those in `late` are tried after all the others, so
    that one bad file never keeps the others waiting. Gives how many were stored.
    """
    inbox = Inbox(deps.spool.directory / "receiving" / str(route.id))
    async with deps.remotes.open_dgfip(route) as client:
        seen = await _list(client)
        await _resume(deps, route, inbox, seen)
        if not seen:
            return 0
        await asyncio.sleep(deps.config.helios.stable_seconds)
        again = await _list(client)
        stored = 0
        for name in sorted(again, key=lambda name: name in late):
            if seen.get(name) != again[name]:
                continue  # new or still growing: the next look takes it
            late.add(name)
            fetched = await inbox.fetch(name, again[name], client.fetch(name))
            stored += await _store(deps, route, fetched)
            await client.remove(name)
            late.discard(name)
        return stored


async def _list(client: DgfipClient) -> dict[str, int]:
    return {file.name: file.size for file in await client.list_received() if not is_own_file(file.name)}


async def _resume(deps: Deps, route: Route, inbox: Inbox, remote: dict[str, int]) -> None:
    """What a killed run was fetching: stored when whole, fetched again when partial, kept if it is gone there."""
    for left in inbox.list_left():
        if left.is_whole or left.name not in remote:
            await _store(deps, route, left)
        else:
            left.path.unlink()


async def _store(deps: Deps, route: Route, fetched: Fetched) -> int:
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        async for chunk in read_file(fetched.path):
            await asyncio.to_thread(writer.write, chunk)
        body = await writer.finish()
        key = f"{fetched.name}/{body.sha256.hex()}"
        async with deps.transaction("system") as connection:
            known = await routes_db.find_received(connection, route.id, key) is not None
            if not known:
                content = (await deps.keep(connection, None, [body]))[0]
                received = await routes_db.insert_received(connection, route.id, key, fetched.name, content)
                await insert_job(connection, JobKind.HELIOS_INGEST, None, received)
    if known:
        writer.discard()  # the same name and bytes again: it is already stored
    fetched.path.unlink()
    return 0 if known else 1
