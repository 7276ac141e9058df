"""Bodies: move the spooled ones into Postgres, sweep what nothing refers to."""

from tdt.db import content as db
from tdt.deps import Deps
from tdt.domain.ids import ContentId


async def archive(deps: Deps, content: ContentId) -> None:
    """Copy a spooled body into Postgres, then drop the file. Safe to run again at any point."""
    async with deps.transaction("system") as connection:
        found = await db.get_content(connection, content)
    if found is None or found.spool_name is None:
        return
    at = deps.now()
    async with deps.transaction("system") as connection:
        await db.move_to_archive(connection, deps.spool, found, at)
    deps.spool.remove(found.spool_name)
