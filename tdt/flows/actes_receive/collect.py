"""Empty the mailbox of a route: each raw mail is stored before it is looked at, acknowledged last."""

import asyncio

from tdt.db import routes as routes_db
from tdt.db.jobs import insert_job
from tdt.deps import Deps
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route


async def collect(deps: Deps, route: Route, late: set[str]) -> None:
    """Empty the mailbox of a route, then wait for more, until cancelled or cut.

    Each mail is stored with its job, committed, and only then acknowledged at the remote end. One that cannot be
    fetched joins `late`: it is tried after all the others the next time.
    """
    async with deps.remotes.open_mailbox(route) as mailbox:
        while True:
            for key in sorted(await mailbox.list_new(), key=lambda key: key in late):
                late.add(key)
                await _store(deps, route, key, await mailbox.fetch(key))
                await mailbox.acknowledge(key)
                late.discard(key)
            await mailbox.wait(deps.config.actes.poll_seconds)


async def _store(deps: Deps, route: Route, key: str, raw: bytes) -> None:
    async with deps.transaction("system") as connection:
        if await routes_db.find_received(connection, route.id, key) is not None:
            return  # stored before a crash, not yet acknowledged
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        await asyncio.to_thread(writer.write, raw)
        body = await writer.finish()
        async with deps.transaction("system") as connection:
            content = (await deps.keep(connection, None, [body]))[0]
            received = await routes_db.insert_received(connection, route.id, key, key, content)
            await insert_job(connection, JobKind.ACTES_INGEST, None, received)
