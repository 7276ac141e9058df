"""Bodies: move the spooled ones into Postgres, sweep what nothing refers to, keep partitions ahead of time."""

import asyncio

from tdt.crash import Step, reach
from tdt.db import content as db
from tdt.db.migrate import make_partitions
from tdt.deps import Deps
from tdt.domain.ids import ContentId


async def archive(deps: Deps, content: ContentId) -> None:
    """Copy a spooled body into Postgres, then drop the file. Safe to run again at any point."""
    async with deps.transaction("system") as connection:
        found = await db.get_content(connection, content)
    if found is None or found.spool_name is None:
        return
    if found.archived_at is None:
        async with deps.transaction("system") as connection:
            await db.move_to_archive(connection, deps.spool, found, deps.now())
            reach(Step.ARCHIVE_COPIED)
    reach(Step.ARCHIVE_SWITCHED)
    deps.spool.remove(found.spool_name)
    reach(Step.ARCHIVE_REMOVED)
    async with deps.transaction("system") as connection:
        await db.move_spool_name(connection, content)


async def sweep(deps: Deps, dry_run: bool) -> list[str]:
    """Remove spool files older than the grace period that no row needs; gives their names.

    They come from uploads refused or cut in mid-air, from commits whose answer was lost, and from archived bodies whose
    file a crash left behind. A file that a row needs is never touched, whatever its age.
    """
    before = deps.now().timestamp() - deps.config.spool.orphan_hours * 3600
    old = await asyncio.to_thread(deps.spool.list_older_than, before)
    if not old:
        return []
    async with deps.transaction("system") as connection:
        needed = await db.list_known_spool_names(connection, old)
    orphans = [name for name in old if name not in needed]
    if not dry_run:
        for name in orphans:
            deps.spool.remove(name)
    return orphans


async def prepare_partitions(deps: Deps) -> int:
    """Create the monthly partitions of the coming months; gives how many were made."""
    async with deps.transaction("system") as connection:
        return await make_partitions(connection)
