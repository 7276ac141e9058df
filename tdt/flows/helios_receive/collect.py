"""Look at a reception directory: store each file first, whatever it is; it is understood after."""

import asyncio
from dataclasses import dataclass
from time import monotonic

import structlog

from tdt.crash import Step, reach
from tdt.db.breakers import ANSWERED, Place, note
from tdt.db.watchdog import insert_heard
from tdt.deps import Deps, DgfipClient
from tdt.documents.inbox import Inbox
from tdt.documents.spool import DiskUnwritable
from tdt.domain.breaker import Remote
from tdt.domain.errors import TdtError
from tdt.domain.helios.naming import is_own_file
from tdt.domain.helios.reception import Memory, Sizes, choose, in_turn
from tdt.domain.routes import Route
from tdt.flows.helios_receive.storing import inbox_of, resume, store

log = structlog.get_logger()

LISTS = 6
"""How often to list again a directory that goes on growing, before taking what is in it already."""
FIRST, GROUP = 5, 50
"""Files whose sizes are asked for together, at first, then twice as many each time up to so many: few questions come
before the first is stored, however long the list; a worker that is killed again and again stores some all the same."""
FAILURES = 3
"""After so many files in a row that cannot be fetched, it is the server's fault: the rest waits for the next look."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The reception directory of a route, over one connection, and where what comes from it is written."""

    route: Route
    inbox: Inbox
    client: DgfipClient


@dataclass(frozen=True, slots=True)
class Look:
    """Sizes, and when they were seen: seconds of `time.monotonic`."""

    sizes: Sizes
    at: float


async def collect(deps: Deps, route: Route, memory: Memory) -> int:
    """One look at the reception directory of a route: every file that is whole is stored, then removed there.

    A file that cannot be fetched keeps none of the others waiting: they are fetched over another connection, and the
    next look tries it after them. Gives how many were stored.
    """
    inbox = inbox_of(deps, route.id)
    async with deps.remotes.open_dgfip(route) as client:
        seen = await _list(client)
        async with deps.transaction("system") as connection:
            await insert_heard(connection, route.id, deps.now())
            await note(connection, Place(Remote.RECEPTION, route.id), ANSWERED, deps.now(), deps.config.breaker.rules)
        await resume(deps, route.id, inbox, seen)
        memory.forget_gone(seen)
        if not seen:
            return 0
        names = in_turn(await _settle(deps, client, seen), memory)
        stored, failure = await _take(deps, Directory(route, inbox, client), names, memory)
    failures = 0 if stored else 1
    while failure is not None and names:
        if failures >= FAILURES:
            raise failure
        async with deps.remotes.open_dgfip(route) as client:
            more, failure = await _take(deps, Directory(route, inbox, client), names, memory)
        stored += more
        failures = failures + 1 if failure is not None and not more else 1
    return stored


async def _settle(deps: Deps, client: DgfipClient, before: set[str]) -> set[str]:
    """List again until nothing comes any more: gives what is in the last two lists."""
    for _ in range(LISTS):
        await asyncio.sleep(deps.config.helios.stable_seconds)
        after = await _list(client)
        before, both = after, before & after
        if both == after:
            break
    return both


async def _take(deps: Deps, where: Directory, names: list[str], memory: Memory) -> tuple[int, TdtError | None]:
    """Store files over one connection, taking them off `names`, until one fails; how many, and that failure."""
    stored, ahead, group = 0, None, FIRST
    while names:
        following = min(2 * group, GROUP)
        try:
            look = ahead or await _look_at(where.client, names[:group])
            # thousands that stay there and are known must not cost a wait each fifty
            new = choose(look.sizes, look.sizes, memory, deps.now())
            if new:
                await asyncio.sleep(look.at + deps.config.helios.stable_seconds - monotonic())
            sizes = await where.client.sizes_of(new)
            # the next ones are asked for now: once these are stored, they have nothing more to wait for
            ahead = await _look_at(where.client, names[group : group + following])
        except TdtError as error:
            return stored, error
        chosen = choose(look.sizes, sizes, memory, deps.now())
        _tell_doubtful(where.route, memory)
        del names[:group]
        group = following
        more, failure = await _fetch(deps, where, chosen, sizes, memory)
        stored += more
        if failure is not None:
            names[:0] = chosen
            return stored, failure
    return stored, None


async def _look_at(client: DgfipClient, names: list[str]) -> Look:
    return Look(await client.sizes_of(names), monotonic())


async def _fetch(
    deps: Deps, where: Directory, names: list[str], sizes: Sizes, memory: Memory
) -> tuple[int, TdtError | None]:
    """The same of one group, all of whose files are at rest."""
    if names:
        reach(Step.RECEIVE_FILE_LISTED)
    stored = 0
    while names:
        name = names.pop(0)
        memory.late.add(name)
        try:
            fetched = await where.inbox.fetch(name, sizes[name], where.client.fetch(name))
        except DiskUnwritable:
            raise
        except TdtError as error:
            _tell_failure("received.fetch_failed", where.route, name, error)
            return stored, error
        if sizes[name] >= 0 and not fetched.is_whole:
            # it has grown since it was looked at: its sender is still at work. The part lies in the inbox: the next
            # look fetches the file again, or stores the part if the server has deleted it
            log.info("received.grown", route=where.route.name, name=name, listed=sizes[name])
            continue
        reach(Step.RECEIVE_FILE_FETCHED)
        stored += await store(deps, where.route.id, fetched)
        reach(Step.RECEIVE_FILE_STORED)
        memory.taken[name] = (sizes[name], deps.now())
        memory.late.discard(name)
        try:
            await where.client.remove(name)
            reach(Step.RECEIVE_FILE_REMOVED)
        except TdtError as error:
            _tell_failure("received.remove_failed", where.route, name, error)
            return stored, error
    return stored, None


async def _list(client: DgfipClient) -> set[str]:
    return {name for name in await client.list_received() if not is_own_file(name)}


def _tell_failure(event: str, route: Route, name: str, error: TdtError) -> None:
    log.warning(event, route=route.name, name=name, code=error.code, reason=error.message)


def _tell_doubtful(route: Route, memory: Memory) -> None:
    """Once for each: whoever reads the log can ask the DGFiP before the hour is over."""
    told = [name for name, (size, _) in memory.doubtful.items() if name not in memory.told and size == 0]
    for name in told:
        log.warning("received.empty", route=route.name, name=name)
    memory.told = {name for name in memory.doubtful if name in memory.told or name in told}
