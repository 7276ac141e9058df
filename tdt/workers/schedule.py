"""Listen to the State: one listener per route, on one worker at a time, taken over at once when it dies."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import date

import structlog

from tdt.config import ConfigError
from tdt.db.locks import hold_route
from tdt.db.routes import list_active_routes
from tdt.deps import Deps
from tdt.domain.calendar import paris_date
from tdt.domain.errors import TdtError, Temporary
from tdt.domain.expiry import Ending
from tdt.domain.ids import RouteId
from tdt.domain.routes import Route, RouteKind
from tdt.flows import (
    actes_batches,
    actes_closing,
    actes_documents,
    actes_receive,
    classification,
    closing,
    contents,
    conventions,
    helios_receive,
    logins,
    notices,
    purge,
    received,
    revocation,
    sirets,
    watchdog,
)
from tdt.tasks import end, every, run_until
from tdt.workers.metrics import WorkerMetrics

log = structlog.get_logger()

TAKEOVER_SECONDS = 1.0
REFRESH_SECONDS = 30.0
HOUSEKEEPING_SECONDS = 3600.0
REVOCATION_SECONDS = 600.0
HELD_SECONDS = 30.0
UNANSWERED_SECONDS = 300.0
DIGEST_SECONDS = 60.0
CLASSIFICATION_SECONDS = 60.0
TOLD = 20
"""Subjects named in one line of the log."""


async def listen_to_the_state(deps: Deps) -> None:
    """Keep a listener on every active route; one opened, changed or closed is noticed within half a minute."""
    listeners: Listeners = {}
    try:
        while True:
            await _match(deps, listeners)
            if listeners:
                tasks = [task for _, task in listeners.values()]
                await asyncio.wait(tasks, timeout=REFRESH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(TAKEOVER_SECONDS)
    finally:
        await end(*(task for _, task in listeners.values()))


Listeners = dict[RouteId, tuple[Route, asyncio.Task[None]]]


async def _match(deps: Deps, listeners: Listeners) -> None:
    """Start the listeners that are missing, end those of routes closed or changed.

    One that died is a fault of ours: told, and started again; it must not take the jobs and the other routes with it.
    """
    for died in [known for known, (_, task) in listeners.items() if task.done()]:
        route, task = listeners.pop(died)
        log.error("route.listener_died", route=route.name, exc_info=task.exception())
    try:
        async with deps.transaction("system") as connection:
            routes = [route for kind in RouteKind for route in await list_active_routes(connection, kind)]
    except Temporary:
        return
    stale = [known for known, (route, _) in listeners.items() if route not in routes]
    await end(*(listeners.pop(known)[1] for known in stale))
    for route in routes:
        if route.id not in listeners:
            listeners[route.id] = (route, asyncio.create_task(_listen(deps, route)))


async def _listen(deps: Deps, route: Route) -> None:
    late: set[str] = set()
    memory = helios_receive.Memory()
    while True:
        try:
            async with hold_route(deps.sessions, route.id) as lost:
                if lost is not None:
                    helios = route.kind is RouteKind.HELIOS
                    # once the lock is lost, another worker may already be listening
                    await run_until(lost, _look(deps, route, memory) if helios else _collect(deps, route, late))
        except TdtError as error:
            await _tell_deaf(deps, route, error)
        await asyncio.sleep(TAKEOVER_SECONDS)


async def _collect(deps: Deps, route: Route, late: set[str]) -> None:
    """Take in what comes until an error. `late` remembers what could not be fetched: it comes last the next time."""
    await actes_receive.collect(deps, route, late)


async def _look(deps: Deps, route: Route, memory: helios_receive.Memory) -> None:
    """Look at a reception directory at its pace, which a server that fails does not quicken much."""
    settings = deps.config.helios
    while True:
        wait = settings.poll_seconds
        try:
            await helios_receive.collect(deps, route, memory)
        except TdtError as error:
            await _tell_deaf(deps, route, error)
            wait = min(wait, settings.retry_seconds)
        await asyncio.sleep(wait)


async def _tell_deaf(deps: Deps, route: Route, error: TdtError) -> None:
    """In the log, and where the watchdog sees why nobody hears the route."""
    log.warning("route.listen_failed", route=route.name, code=error.code, reason=error.message)
    with suppress(TdtError):
        await watchdog.note_deaf(deps, route.id, f"{error.code} : {error.message}")


async def keep_house(deps: Deps) -> None:
    """Every hour: partitions ahead of time, orphans out of the spool, old logins forgotten, classifications read.

    Several workers may do it at once, harmlessly.
    """

    async def look() -> None:
        made = await contents.prepare_partitions(deps)
        swept = await contents.sweep(deps, dry_run=False)
        forgotten = await logins.forget(deps)
        refused = await closing.refuse_drafts(deps)
        unanswered = await actes_closing.close_unanswered(deps)
        unsent = await actes_batches.sweep(deps)
        read = await classification.read_as_data(deps)
        await helios_receive.reread(deps)
        await helios_receive.take_left(deps)
        if made or swept or forgotten or refused or unanswered or unsent or read:
            counts = {"partitions": made, "orphans": len(swept), "logins": forgotten, "drafts_refused": refused}
            more = {"classifications_read": read, "unanswered_closed": unanswered, "unsent_files": unsent}
            log.info("housekeeping.done", **counts, **more)

    await every(HOUSEKEEPING_SECONDS, "housekeeping.failed", look)


async def ask_for_classifications(deps: Deps) -> None:
    """Every minute, but not at once: plan the daily requests that are due."""

    async def look() -> None:
        if planned := await classification.plan_daily(deps):
            log.info("classification.planned", authorities=planned)

    await every(CLASSIFICATION_SECONDS, "classification.plan_failed", look, wait_first=True)


async def watch_unanswered(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every five minutes: show in the metrics what the ministry leaves without answer; the watchdog tells each."""

    async def look() -> None:
        metrics.show_unanswered((await actes_closing.count_unanswered(deps)).count)

    await every(UNANSWERED_SECONDS, "actes.count_failed", look)


async def watch_held(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every half minute: show in the metrics how many flows wait for a convention, and what waits for an operator."""

    async def look() -> None:
        metrics.show_held(await conventions.count_held(deps))
        metrics.show_waiting(await received.count_waiting(deps))
        metrics.show_proposals(await sirets.count_waiting(deps))

    await every(HELD_SECONDS, "held.count_failed", look)


async def purge_closed(deps: Deps) -> None:
    """Every hour: purge the closed collectivités whose day has come. Apart from the rest: it may take long."""
    await every(HOUSEKEEPING_SECONDS, "purge.failed", lambda: purge.purge_due(deps))


async def watch_digests(deps: Deps) -> None:
    """Every minute: the digests of the day, once their hour has struck."""

    async def look() -> None:
        if planned := await actes_documents.plan_digests(deps):
            log.info("digests.planned", digests=planned)

    await every(DIGEST_SECONDS, "digests.plan_failed", look)


async def watch_revocation(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every ten minutes: the revocation lists and OCSP answers that are due."""
    while True:
        try:
            fetched = await revocation.refresh(deps)
            metrics.count_revocation(fetched.renewed, fetched.failed)
            if fetched.renewed or fetched.failed:
                log.info("revocation.refreshed", renewed=fetched.renewed, failed=fetched.failed)
        except (TdtError, ConfigError, OSError) as error:
            log.warning("revocation.refresh_failed", reason=str(error))
        await asyncio.sleep(REVOCATION_SECONDS)


async def watch_certificates(deps: Deps, metrics: WorkerMetrics) -> None:
    """Every hour: show in the metrics when each certificate ends, and have what is due announced."""
    told: date | None = None

    async def look() -> None:
        nonlocal told
        told = await look_at_certificates(deps, metrics, told)

    await every(HOUSEKEEPING_SECONDS, "notices.plan_failed", look)


async def look_at_certificates(deps: Deps, metrics: WorkerMetrics, told: date | None) -> date | None:
    """Once. Without a mail server the log is told instead, once a day: `told` is the last day on which it was."""
    certificates = await notices.list_certificates(deps)
    await asyncio.to_thread(metrics.show_certificates, certificates, deps.now())
    planned = await notices.plan(deps, certificates)
    if planned:
        log.info("notices.planned", notices=planned)
    today = paris_date(deps.now())
    if deps.mailer.configured or told == today:
        return told
    _tell_log(await notices.list_due(deps, certificates))
    return today


def _tell_log(due: Sequence[tuple[Ending, int]]) -> None:
    """A line for each kind and threshold; only keys, for names may be those of persons."""
    groups: dict[tuple[str, int], list[Ending]] = defaultdict(list)
    for ending, threshold in due:
        groups[ending.kind, threshold].append(ending)
    for (kind, threshold), endings in sorted(groups.items()):
        first = min(one.ends_on for one in endings if one.ends_on is not None)
        subjects = [one.subject for one in endings[:TOLD]]
        log.warning("notices.no_mail", ending=kind, days=threshold, count=len(endings), first=first, subjects=subjects)
