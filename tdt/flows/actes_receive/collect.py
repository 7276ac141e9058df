"""Empty the mailbox of a route: each raw mail is stored before it is looked at, acknowledged last."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import structlog

from tdt.crash import Step, reach
from tdt.db import receptions as db
from tdt.db.breakers import ANSWERED, Place, note
from tdt.db.turn_hints import list_of_acts
from tdt.db.watchdog import insert_heard
from tdt.deps import Deps, Mailbox
from tdt.documents.spool import SpoolWriter
from tdt.domain.actes.peek import PEEKED, peek
from tdt.domain.breaker import Remote
from tdt.domain.content import Body
from tdt.domain.errors import TdtError
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route
from tdt.domain.turns import Look, turns_of
from tdt.tasks import end

log = structlog.get_logger()

FIRST, BATCH = 10, 200
"""Mails fetched, stored and acknowledged together: few at first, for a worker that is stopped soon must have gained
something however many wait, then twice as many each time; fewer when they are large."""

BATCH_BYTES = 4 << 20
"""Held in memory at most; a larger mail goes piece by piece to the spool."""

AGAIN_SECONDS = 30.0


async def collect(deps: Deps, route: Route, late: set[str]) -> None:
    """Empty the folders of a route's mailbox, then wait for more, until cancelled or cut.

    Each mail is stored with its job, committed, and only then acknowledged at the remote end. One that cannot be
    fetched joins `late`: it is tried after all the others the next time, alone.
    """
    folders = deps.remotes.mailbox_folders(route)
    if len(folders) == 1:
        await _follow(deps, route, folders[0], late)
    tasks = [asyncio.create_task(_keep_following(deps, route, folder, late)) for folder in folders]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(*tasks)


async def _keep_following(deps: Deps, route: Route, folder: str, late: set[str]) -> None:
    """A folder that is missing or cut must not keep the others waiting."""
    while True:
        try:
            await _follow(deps, route, folder, late)
        except TdtError as error:
            log.warning("mailbox.folder_failed", route=route.name, folder=folder, code=error.code, reason=error.message)
        await asyncio.sleep(min(AGAIN_SECONDS, deps.config.actes.poll_seconds))


async def _follow(deps: Deps, route: Route, folder: str, late: set[str]) -> None:
    async with deps.remotes.open_mailbox(route, folder) as mailbox:
        while True:
            await _empty(deps, route, mailbox, late)
            async with deps.transaction("system") as connection:
                await insert_heard(connection, route.id, deps.now())
                await note(
                    connection, Place(Remote.RECEPTION, route.id), ANSWERED, deps.now(), deps.config.breaker.rules
                )
            await mailbox.wait(deps.config.actes.poll_seconds)


async def _empty(deps: Deps, route: Route, mailbox: Mailbox, late: set[str]) -> None:
    keys = await mailbox.list_new()
    if keys:
        reach(Step.RECEIVE_MAIL_LISTED)
    fresh, again = [key for key in keys if key not in late], [key for key in keys if key in late]
    start, many = 0, FIRST
    while start < len(fresh):
        sizes = await mailbox.sizes(fresh[start : start + many])
        for batch in _batches(sizes):
            await _take(deps, route, mailbox, batch, late)
        start, many = start + many, min(2 * many, BATCH)
    for key in again:
        await _take(deps, route, mailbox, await mailbox.sizes([key]), late)


def _batches(sizes: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
    batch: dict[str, int] = {}
    for key, size in sizes.items():
        if batch and sum(batch.values()) + size > BATCH_BYTES:
            yield batch
            batch = {}
        batch[key] = size
    if batch:
        yield batch


async def _take(deps: Deps, route: Route, mailbox: Mailbox, batch: Mapping[str, int], late: set[str]) -> None:
    late.update(batch)
    writers: dict[str, SpoolWriter] = {}
    starts: dict[str, bytes] = {}
    with ExitStack() as stack:
        if len(batch) == 1 and max(batch.values()) > BATCH_BYTES:
            (key,) = batch
            writer = writers[key] = deps.spool.writer()
            stack.enter_context(writer.discarded_on_failure())
            async for chunk in mailbox.stream(key):
                starts.setdefault(key, chunk[:PEEKED])
                await asyncio.to_thread(writer.write, chunk)
        else:
            mails = await mailbox.fetch_all(list(batch))
            for key, raw in mails.items():
                writer = writers[key] = deps.spool.writer()
                stack.enter_context(writer.discarded_on_failure())
                starts[key] = raw[:PEEKED]
            # in one thread: hundreds of small mails would otherwise take longer to hand over than to write
            await asyncio.to_thread(_write, [(writers[key], raw) for key, raw in mails.items()])
        bodies = {key: await writer.finish() for key, writer in writers.items()}
        reach(Step.RECEIVE_MAIL_FETCHED)
        looks = await asyncio.to_thread(_look, deps, starts)
        stored = await _store(deps, route, bodies, looks)
    reach(Step.RECEIVE_MAIL_STORED)
    for key in bodies.keys() - stored:
        writers[key].discard()
    if bodies:
        await mailbox.acknowledge(*bodies)
        reach(Step.RECEIVE_MAIL_ACKNOWLEDGED)
    late.difference_update(batch)


def _write(mails: Sequence[tuple[SpoolWriter, bytes]]) -> None:
    for writer, raw in mails:
        writer.write(raw)


def _look(deps: Deps, starts: Mapping[str, bytes]) -> Mapping[str, Look]:
    """Whom they seem to answer: in whose turn they are read."""
    rules = deps.config.actes.mail_rules
    return {key: peek(start, rules) for key, start in starts.items()}


async def _store(deps: Deps, route: Route, bodies: Mapping[str, Body], looks: Mapping[str, Look]) -> Sequence[str]:
    """Store what is not stored yet; gives the keys of what was.

    Stored before a crash and not acknowledged, a mail comes again with its key and its bytes. Other bytes under the
    same key are another mail: the mailbox was made anew, on this server or another, and counts from one again.
    """
    async with deps.transaction("system") as connection:
        other = {key: f"{key}#{body.sha256.hex()[:32]}" for key, body in bodies.items()}
        known = await db.list_digests(connection, route.id, [*bodies, *other.values()])
        fresh = [key for key, body in bodies.items() if known.get(key) != body.sha256 and other[key] not in known]
        if fresh:
            contents = await deps.keep(connection, None, [bodies[key] for key in fresh])
            named = [other[key] if key in known else key for key in fresh]
            received = await db.insert_receptions(connection, route.id, named, contents)
            seen = [looks.get(key, Look()) for key in fresh]
            turns = turns_of(seen, await list_of_acts(connection, seen))
            await db.insert_jobs(connection, JobKind.ACTES_INGEST, received, turns)
            reach(Step.RECEIVE_MAIL)
    return fresh
