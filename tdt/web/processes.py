"""The web server as one process, or as several that share its port: start, restart, stop together."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable
from multiprocessing.connection import Connection

import msgspec
import structlog
import uvloop

from tdt import crash
from tdt import log as logs
from tdt.config import Config
from tdt.notify import notify
from tdt.web.server import check, feed_watchdog, serve, serve_until

log = structlog.get_logger()

RESTART_SECONDS = 1.0
"""A process that dies at once is not started again faster than this."""
READY = "ready"


def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, in as many processes as configured. With several, this one only watches."""
    uvloop.run(serve(config) if config.server.processes == 1 else _watch_all(config))


def member(config: Config, index: int) -> Config:
    """The configuration of one of several processes: the same port for all, each its own health address."""
    return msgspec.structs.replace(
        config, server=msgspec.structs.replace(config.server, health=config.server.health_of(index))
    )


async def _watch_all(config: Config) -> None:
    check(config.server)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready = [asyncio.Event() for _ in range(config.server.processes)]
    keepers = [
        asyncio.create_task(_keep(member(config, index), stop, ready[index]))
        for index in range(config.server.processes)
    ]
    await _first(stop.wait(), asyncio.gather(*(event.wait() for event in ready)))
    if not stop.is_set():
        notify("READY=1")
    watchdog = asyncio.create_task(feed_watchdog())
    await stop.wait()
    notify("STOPPING=1")
    await asyncio.gather(*keepers)
    watchdog.cancel()


async def _keep(config: Config, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Keep one member running until told to stop. A closed line tells it to stop; so does our own death."""
    loop = asyncio.get_running_loop()
    context = multiprocessing.get_context("spawn")
    while not stop.is_set():
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve_member, args=(config, theirs))
        process.start()
        theirs.close()
        ended = asyncio.Event()
        loop.add_reader(process.sentinel, ended.set)
        loop.add_reader(ours.fileno(), _hear, ours, ready)
        await _first(ended.wait(), stop.wait())
        loop.remove_reader(ours.fileno())
        ours.close()
        await ended.wait()
        loop.remove_reader(process.sentinel)
        process.join()
        if not stop.is_set():
            log.error("web_process_died", exit_code=process.exitcode)
            await _first(asyncio.sleep(RESTART_SECONDS), stop.wait())


def _hear(line: Connection, ready: asyncio.Event) -> None:
    asyncio.get_running_loop().remove_reader(line.fileno())
    try:
        line.recv()
    except (EOFError, OSError):
        return
    ready.set()


async def _first(*waits: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


def _serve_member(config: Config, line: Connection) -> None:
    os.environ.pop("NOTIFY_SOCKET", None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(config.log.level, config.log.format)
    crash.arm(config.tests.crash_points)
    uvloop.run(_serve_with(config, line))


async def _serve_with(config: Config, line: Connection) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(line.fileno(), stop.set)
    await serve_until(config, stop, lambda: line.send(READY))
