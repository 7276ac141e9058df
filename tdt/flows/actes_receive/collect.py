"""Empty the mailbox of a route: each raw mail is stored before it is looked at, acknowledged last."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import structlog

from tdt.db import receptions as db
from tdt.deps import Deps, Mailbox
from tdt.documents.spool import SpoolWriter
from tdt.domain.content import Body
from tdt.domain.errors import TdtError
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route
from tdt.tasks import end

log = structlog.get_logger()

BATCH = 50
"""Mails fetched, stored and acknowledged together; fewer when they are large."""

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
            await mailbox.wait(deps.config.actes.poll_seconds)


async def _empty(deps: Deps, route: Route, mailbox: Mailbox, late: set[str]) -> None:
    keys = await mailbox.list_new()
    fresh, again = [key for key in keys if key not in late], [key for key in keys if key in late]
    for start in range(0, len(fresh), BATCH):
        sizes = await mailbox.sizes(fresh[start : start + BATCH])
        for batch in _batches(sizes):
            await _take(deps, route, mailbox, batch, late)
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
    with ExitStack() as stack:
        if len(batch) == 1 and max(batch.values()) > BATCH_BYTES:
            (key,) = batch
            writer = writers[key] = deps.spool.writer()
            stack.enter_context(writer.discarded_on_failure())
            async for chunk in mailbox.stream(key):
                await asyncio.to_thread(writer.write, chunk)
        else:
            for key, raw in (await mailbox.fetch_all(list(batch))).items():
                writer = writers[key] = deps.spool.writer()
                stack.enter_context(writer.discarded_on_failure())
                await asyncio.to_thread(writer.write, raw)
        bodies = {key: await writer.finish() for key, writer in writers.items()}
        stored = await _store(deps, route, bodies)
    for key in bodies.keys() - stored:
        writers[key].discard()
    if bodies:
        await mailbox.acknowledge(*bodies)
    late.difference_update(batch)


async def _store(deps: Deps, route: Route, bodies: Mapping[str, Body]) -> Sequence[str]:
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
            await db.insert_jobs(connection, JobKind.ACTES_INGEST, received)
    return fresh
