"""Look at a reception directory: store each file first, whatever it is; it is understood after."""

import asyncio

import structlog

from tdt.deps import Deps, DgfipClient
from tdt.documents.inbox import Inbox
from tdt.documents.spool import DiskUnwritable
from tdt.domain.errors import TdtError
from tdt.domain.helios.naming import is_own_file
from tdt.domain.helios.reception import Memory, choose, has_grown
from tdt.domain.routes import Route
from tdt.flows.helios_receive.storing import inbox_of, resume, store

log = structlog.get_logger()

LISTS = 6
"""How often to list again a directory that goes on growing, before taking what does not change in it."""
FAILURES = 3
"""After so many files in a row that cannot be fetched, it is the server's fault: the rest waits for the next look."""

Listing = dict[str, int]


async def collect(deps: Deps, route: Route, memory: Memory) -> int:
    """One look at the reception directory of a route: every file that is whole is stored, then removed there.

    A file that cannot be fetched keeps none of the others waiting: they are fetched over another connection, and the
    next look tries it after them. Gives how many were stored.
    """
    inbox = inbox_of(deps, route.id)
    async with deps.remotes.open_dgfip(route) as client:
        before = await _list(client)
        await resume(deps, route.id, inbox, before)
        if not before:
            return 0
        before, after = await _settle(deps, client, before)
        names = choose(before, after, memory, deps.now())
        _tell_doubtful(route, memory)
        stored, failure = await _take(deps, (route, inbox, client), names, after, memory)
    failures = 0 if stored else 1
    while failure is not None and names:
        if failures >= FAILURES:
            raise failure
        async with deps.remotes.open_dgfip(route) as client:
            more, failure = await _take(deps, (route, inbox, client), names, after, memory)
        stored += more
        failures = failures + 1 if failure is not None and not more else 1
    return stored


async def _settle(deps: Deps, client: DgfipClient, before: Listing) -> tuple[Listing, Listing]:
    """List again until nothing comes any more: gives the last two lists."""
    after = before
    for _ in range(LISTS):
        await asyncio.sleep(deps.config.helios.stable_seconds)
        before, after = after, await _list(client)
        if not has_grown(before, after):
            break
    return before, after


async def _take(
    deps: Deps, where: tuple[Route, Inbox, DgfipClient], names: list[str], sizes: Listing, memory: Memory
) -> tuple[int, TdtError | None]:
    """Store files over one connection, taking them off `names`, until one fails; how many, and that failure."""
    route, inbox, client = where
    stored = 0
    while names:
        name = names.pop(0)
        memory.late.add(name)
        try:
            fetched = await inbox.fetch(name, sizes[name], client.fetch(name))
        except DiskUnwritable:
            raise
        except TdtError as error:
            log.warning("received.fetch_failed", route=route.name, name=name, code=error.code, reason=error.message)
            return stored, error
        if sizes[name] >= 0 and not fetched.is_whole:
            # it has grown since the lists: its sender is still at work. The part lies in the inbox: the next look
            # fetches the file again, or stores the part if the server has deleted it
            log.info("received.grown", route=route.name, name=name, listed=sizes[name])
            continue
        stored += await store(deps, route.id, fetched)
        memory.taken[name] = (sizes[name], deps.now())
        memory.late.discard(name)
        try:
            await client.remove(name)
        except TdtError as error:
            log.warning("received.remove_failed", route=route.name, name=name, code=error.code, reason=error.message)
            return stored, error
    return stored, None


async def _list(client: DgfipClient) -> Listing:
    return {file.name: file.size for file in await client.list_received() if not is_own_file(file.name)}


def _tell_doubtful(route: Route, memory: Memory) -> None:
    """Once for each: whoever reads the log can ask the DGFiP before the hour is over."""
    told = [name for name, (size, _) in memory.doubtful.items() if name not in memory.told and size == 0]
    for name in told:
        log.warning("received.empty", route=route.name, name=name)
    memory.told = {name for name in memory.doubtful if name in memory.told or name in told}
