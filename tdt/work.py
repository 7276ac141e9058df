"""What workers do from the command line: run a process with jobs, listeners, health and watchdog; sweep the spool."""

import asyncio
import signal
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from tdt.config import Config
from tdt.deps import Deps, open_deps
from tdt.domain.errors import Temporary
from tdt.flows import contents
from tdt.notify import notify
from tdt.web.health import build_health_app
from tdt.web.server import feed_watchdog, open_listener
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.runner import Worker

log = structlog.get_logger()


async def work(config: Config) -> None:
    """Work until SIGTERM or SIGINT; what runs then may finish, what does not goes back to the others."""
    async with open_deps(config) as deps, AsyncExitStack() as stack:
        metrics = WorkerMetrics()
        worker = Worker(deps, metrics)

        def stop() -> None:
            notify("STOPPING=1")
            worker.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        health = web.AppRunner(build_health_app(deps, metrics.render), access_log=None)
        await open_listener(health, config.worker.health, stack)
        watchdog = asyncio.create_task(feed_watchdog())
        stack.callback(watchdog.cancel)
        log.info("worker.started", worker=worker.name, health=config.worker.health)
        _tell_signing(config)
        telling = asyncio.create_task(_tell_antivirus(deps))
        stack.callback(telling.cancel)
        await worker.run(on_ready=lambda: notify("READY=1"))
        log.info("worker.stopped", worker=worker.name)


def _tell_signing(config: Config) -> None:
    """Say that nothing is signed: it is no reason not to start, for what is to be signed is kept."""
    if not config.signing.certificate:
        log.warning("signing.none", remedy="[signing] certificate, key")


async def _tell_antivirus(deps: Deps) -> None:
    """Say who scans what is posted, or that nobody does: it is no reason not to start."""
    if not deps.antivirus.configured:
        log.warning("antivirus.none")
        return
    try:
        engine = await deps.antivirus.engine()
    except Temporary as error:
        log.warning("antivirus.unavailable", reason=error.message, **error.details)
    else:
        log.info("antivirus.found", **engine.recorded())


async def sweep(config: Config, dry_run: bool) -> list[str]:
    """Remove the orphans of the spool, or only name them."""
    async with open_deps(config) as deps:
        return await contents.sweep(deps, dry_run)
