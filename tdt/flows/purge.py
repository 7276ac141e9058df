"""Purge the collectivités whose day has come: batch by batch, from where a crash left it; then say that it is done."""

from collections.abc import Awaitable, Callable

import structlog

from tdt.db import closing as closing_db
from tdt.db import purge as db
from tdt.db.audit import insert_change
from tdt.db.export import count_rows
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor, Source
from tdt.domain.calendar import paris_date
from tdt.domain.closing import Closing, purge_obstacle
from tdt.domain.errors import TdtError
from tdt.domain.ids import AuthorityId, ContentId

log = structlog.get_logger()

PROGRAM = Actor(Source.SYSTEM, None)
Batch = Callable[[Connection, AuthorityId], Awaitable[int]]
BATCHES: tuple[Batch, ...] = (db.delete_envelopes, db.delete_flows, db.delete_received)


async def purge_due(deps: Deps) -> list[AuthorityId]:
    """Purge what is to be purged today; gives the collectivités that were. One that fails does not hold up another."""
    async with deps.transaction("system") as connection:
        due = await db.list_due(connection, paris_date(deps.now()))
    purged = []
    for authority in due:
        try:
            if await _purge(deps, authority):
                purged.append(authority)
        except TdtError as error:
            log.warning("purge.failed", authority_id=authority, code=error.code, reason=error.message, **error.details)
    return purged


async def find_obstacle(deps: Deps, authority: AuthorityId) -> str:
    """What would hold up the purge of a collectivité today, in French; empty when nothing would."""
    async with deps.transaction("system") as connection:
        current = await closing_db.get_closing(connection, authority)
        return await _obstacle(connection, current) if current is not None else ""


async def _obstacle(connection: Connection, current: Closing) -> str:
    counts = await count_rows(connection, current.id)
    return purge_obstacle(current, counts, await db.get_waiting(connection, current.id))


async def _purge(deps: Deps, authority: AuthorityId) -> bool:
    if not await _begin(deps, authority):
        return False
    for batch in BATCHES:
        while await _once(deps, authority, batch):
            pass
    async with deps.transaction("system") as connection:
        await closing_db.lock_closing(connection, authority)
        await db.delete_particulars(connection, authority)
    await _purge_bodies(deps, authority)
    return await _end(deps, authority)


async def _begin(deps: Deps, authority: AuthorityId) -> bool:
    """Decide once, with the row of the collectivité held: after this, nothing brings back what is destroyed."""
    async with deps.transaction("system") as connection:
        current = await closing_db.lock_closing(connection, authority)
        if current is None or current.purged_at is not None:
            return False
        if current.purge_started_at is not None:
            return True
        today = paris_date(deps.now())
        if not current.is_closed(today) or current.purges_on is None or current.purges_on > today:
            return False
        if obstacle := await _obstacle(connection, current):
            log.warning("purge.held", authority_id=authority, reason=obstacle)
            return False
        await db.move_to_purging(connection, authority, deps.now())
        after = {**(current.export_counts or {}), "manifest": (current.export_sha256 or b"").hex()}
        await insert_change(connection, PROGRAM, ("authority:purge_start", authority, authority), {}, after)
    log.info("purge.started", authority_id=authority)
    return True


async def _once(deps: Deps, authority: AuthorityId, batch: Batch) -> int:
    async with deps.transaction("system") as connection:
        # two workers take turns
        await closing_db.lock_closing(connection, authority)
        return await batch(connection, authority)


async def _purge_bodies(deps: Deps, authority: AuthorityId) -> None:
    last = ContentId(0)
    while True:
        async with deps.transaction("system") as connection:
            await closing_db.lock_closing(connection, authority)
            batch = await db.delete_bodies(connection, authority, last)
        if batch is None:
            return
        for name in batch.spool_names:
            # on another machine, or after a crash here: the sweep of the spool takes what no row needs
            deps.spool.remove(name)
        last = batch.last


async def _end(deps: Deps, authority: AuthorityId) -> bool:
    async with deps.transaction("system") as connection:
        current = await closing_db.lock_closing(connection, authority)
        if current is None or current.purged_at is not None:
            return False
        left = await count_rows(connection, authority)
        if any(left.values()):
            # an answer came meanwhile: it goes with the next round
            return False
        now = deps.now()
        await db.move_to_purged(connection, authority, now)
        what = ("authority:purge", authority, authority)
        await insert_change(connection, PROGRAM, what, {"purged_at": None}, {"purged_at": now.isoformat()})
    log.info("purge.done", authority_id=authority)
    return True
