"""One verification: page after page, several bodies at once, recorded as it goes so that it can be taken up again."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tdt.db import verify as db
from tdt.db.alerts import Alert, insert_alerts, list_open_of, move_to_ended
from tdt.db.audit import insert_change
from tdt.db.content import list_known_spool_names
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.ids import ContentId
from tdt.domain.verification import Code, Finding, write_alert
from tdt.flows.verify.reading import Pace, check_body

PAGE = 200
KEPT = 1000
"""Findings that a run keeps with their details, and alerts that it raises; all are counted."""
MAILED = 30
SILENT = timedelta(minutes=2)
"""A run that is not heard of for so long has died."""
ALERT = "digest"

Progress = Callable[[int], None]
"""Told of bytes that were read."""


@dataclass(frozen=True, slots=True)
class Options:
    """How: so many bodies at once, so many bytes per second (0: no limit)."""

    at_once: int = 4
    bytes_per_second: int = 0


async def begin(deps: Deps, by: Actor, selection: db.Selection, *, resume: bool) -> tuple[db.Run, db.Selection, int]:
    """Record that a verification begins, or goes on; gives the bytes that it has to read. Raises Refused."""
    now = deps.now()
    async with deps.transaction("system") as connection:
        if resume:
            run = await db.find_interrupted(connection, now - SILENT)
            if run is None:
                raise Refused("Aucune vérification n'a été interrompue.")
            selection = _selection(run)
        else:
            if selection.flow is not None and not await db.has_flow(connection, selection.flow):
                raise Refused(f"Ce flux n'existe pas : {selection.flow[0]}:{selection.flow[1]}")
            run = await db.get_run(connection, await db.insert_run(connection, selection, now))
            assert run is not None
        run = replace(run, state="running", seen_at=now)
        await db.move_run(connection, run)
        what = ("verify:resume" if resume else "verify:start", run.id, selection.authority)
        await insert_change(connection, by, what, {}, selection.told() | {"after": run.position})
        _, size = await db.count_bodies(connection, selection, run.position)
    return run, selection, size


def _selection(run: db.Run) -> db.Selection:
    since, flow = run.scope.get("since"), run.scope.get("flow")
    authority: object = run.scope.get("authority")
    module, _, number = str(flow).partition(":")
    return db.Selection(
        authority,  # type: ignore[arg-type]  # a number, as told() wrote it
        datetime.fromisoformat(str(since)) if since else None,
        (module, int(number)) if flow else None,
    )


async def get_shown(deps: Deps) -> db.Run | None:
    """The last verification that ended."""
    async with deps.transaction("system") as connection:
        return await db.get_last(connection, full=False)


async def verify(
    deps: Deps, by: Actor, begun: tuple[db.Run, db.Selection], options: Options, progress: Progress
) -> db.Run:
    """Read everything that was selected and compare. Cancelled, it is recorded as far as it came."""
    run, selection = begun
    pace = Pace(options.bytes_per_second)
    async with deps.transaction("system") as connection:
        references = await db.list_references(connection)
    try:
        while True:
            run, done = await _page(deps, (run, selection), references, (options, pace), progress)
            await _move(deps, run)
            if done:
                break
    except asyncio.CancelledError:
        await asyncio.shield(_interrupt(deps, by, run))
        raise
    if selection.is_full:
        run = _add(run, await _whole(deps, references))
    return await _end(deps, by, replace(run, state="done", seen_at=deps.now()), selection)


async def _page(
    deps: Deps,
    begun: tuple[db.Run, db.Selection],
    references: Sequence[tuple[str, str]],
    how: tuple[Options, Pace],
    progress: Progress,
) -> tuple[db.Run, bool]:
    """The next bodies, and what rows say of them."""
    (run, selection), (options, pace) = begun, how
    before = deps.now() - timedelta(hours=deps.config.spool.orphan_hours)
    async with deps.transaction("system") as connection:
        bodies = await db.list_bodies(connection, selection, run.position, PAGE)
        contents = [one.id for one in bodies]
        sha1 = await db.list_sha1(connection, contents)
        found = await db.list_repeated(connection, contents)
        found += await db.list_spare_bodies(connection, references, contents, before)
    waiting = iter(bodies)

    async def read() -> None:
        for one in waiting:  # shared: each reader takes the next one
            found.extend(await check_body(deps, pace, one, sha1.get(one.id, [])))
            progress(one.size)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(options.at_once, len(bodies))):
            group.create_task(read())
    size = sum(one.size for one in bodies)
    position = contents[-1] if contents else run.position
    read_now = replace(
        run, position=ContentId(position), bodies=run.bodies + len(bodies), bytes=run.bytes + size, seen_at=deps.now()
    )
    return _add(read_now, found), len(bodies) < PAGE


def _add(run: db.Run, found: Sequence[Finding]) -> db.Run:
    faults = sum(one.is_fault for one in found)
    # what is lost is kept rather than what is left over
    told = sorted([*run.findings, *(one.told() for one in found)], key=lambda one: not one["fault"])[:KEPT]
    return replace(run, faults=run.faults + faults, leftovers=run.leftovers + len(found) - faults, findings=told)


async def _whole(deps: Deps, references: Sequence[tuple[str, str]]) -> list[Finding]:
    """What only a look at everything shows: rows, chunks and files without a body, sets of schemas."""
    async with deps.transaction("system") as connection:
        found = await db.list_dangling(connection, references)
        found += await db.list_spare_chunks(connection)
        for one in await db.list_schema_archives(connection):
            if one["sha256"] != one["found"]:
                found.append(Finding(Code.SCHEMAS, f"schema_set:{one['name']}", one["found"].hex()))
    return found + await _spare_files(deps)


async def _spare_files(deps: Deps) -> list[Finding]:
    before = deps.now().timestamp() - deps.config.spool.orphan_hours * 3600
    old = await asyncio.to_thread(deps.spool.list_older_than, before)
    async with deps.transaction("system") as connection:
        needed = await list_known_spool_names(connection, old)
    return [Finding(Code.SPARE_FILE, f"spool:{name}", name) for name in old if name not in needed]


async def _move(deps: Deps, run: db.Run) -> None:
    async with deps.transaction("system") as connection:
        await db.move_run(connection, run)


async def _interrupt(deps: Deps, by: Actor, run: db.Run) -> None:
    async with deps.transaction("system") as connection:
        await db.move_run(connection, replace(run, state="interrupted", seen_at=deps.now()))
        await insert_change(connection, by, ("verify:interrupt", run.id, None), {}, {"after": run.position})


async def _end(deps: Deps, by: Actor, run: db.Run, selection: db.Selection) -> db.Run:
    """Record the result, raise an alert for each fault, end those that a full verification does not find any more."""
    async with deps.transaction("system") as connection:
        await db.move_run(connection, run)
        result = {"bodies": run.bodies, "bytes": run.bytes, "faults": run.faults, "leftovers": run.leftovers}
        await insert_change(connection, by, ("verify:end", run.id, selection.authority), {}, result)
        fresh = await _raise_alerts(connection, run, selection)
        if fresh:
            await _mail(deps, connection, run, fresh)
    return replace(run, ended_at=run.seen_at)


async def _raise_alerts(connection: Connection, run: db.Run, selection: db.Selection) -> list[Alert]:
    known = dict(await list_open_of(connection, ALERT))
    raised = {
        f"{one['subject']}/{one['code']}": Alert(
            one["authority"],  # type: ignore[arg-type]  # as Finding.told() wrote it
            ALERT,
            f"{one['subject']}/{one['code']}",
            known.get(f"{one['subject']}/{one['code']}", run.started_at),
            one,
        )
        for one in run.findings
        if one["fault"]
    }
    if selection.is_full:
        await move_to_ended(connection, ALERT, [(one.subject, one.since) for one in raised.values()])
    return await insert_alerts(connection, list(raised.values()))


async def _mail(deps: Deps, connection: Connection, run: db.Run, fresh: Sequence[Alert]) -> None:
    shown = [
        Finding(Code(str(one.data["code"])), str(one.data["subject"]), str(one.data["detail"]))
        for one in fresh[:MAILED]
    ]
    text = write_alert(len(fresh), shown, run.id, deps.config.server.public_url)
    await deps.tell_operators(connection, ("verify.faults", f"verify:{run.id}"), text)
