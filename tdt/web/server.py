"""Run the web process: listeners, live reload of the trust, watchdog, graceful stop."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

from tdt.allocator import keep_freed_memory, spare_collections
from tdt.config import Config, ConfigError, Server
from tdt.deps import Deps, open_deps
from tdt.domain.errors import Temporary
from tdt.flows import restores
from tdt.log import protocol_logger
from tdt.notify import notify, watchdog_seconds
from tdt.tasks import insist, run_until
from tdt.web.app import build_app
from tdt.web.connections import Site
from tdt.web.errors import IN_FLIGHT
from tdt.web.health import build_health_app
from tdt.web.metrics import Metrics
from tdt.web.trust import Trust

log = structlog.get_logger()

UNIX = "unix:"
LINGER_SECONDS = 120.0
"""How long a refused body is still read, so that a client that sends before it reads gets its answer."""
CLOSE_SECONDS = 2.0
"""For aiohttp to write the last answers, once the requests in flight have ended."""
RELOAD_SECONDS = 5.0
HEADER_BYTES = 32_768
"""A certificate forwarded by nginx in a header is several kilobytes."""


async def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then let the requests in flight end; tell systemd about it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_until(config, stop, lambda: notify("READY=1"))


async def serve_until(config: Config, stop: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve until told to stop; `ready` is called once requests are accepted."""
    check(config.server)
    keep_freed_memory()
    async with open_deps(config) as deps, AsyncExitStack() as stack:
        await run_until(stop, _run(deps, stack, ready))
        notify("STOPPING=1")
        log.info("server_stopping")
    log.info("server_stopped")


async def _run(deps: Deps, stack: AsyncExitStack, ready: Callable[[], None]) -> None:
    watching = await start(deps, stack)
    spare_collections()
    log.info("server_ready", listen=deps.config.server.listen, health=deps.config.server.health)
    ready()
    await watching


def check(server: Server) -> None:
    """A certificate told by a header is only believed from a local nginx."""
    if server.client_certificate == "nginx" and not (server.listen.startswith(UNIX) or server.trusted_proxies):
        raise ConfigError(['server.client_certificate = "nginx" needs server.listen = "unix:/path" or trusted_proxies'])
    if server.client_certificate == "tls" and server.listen.startswith(UNIX):
        raise ConfigError(['server.client_certificate = "tls" needs server.listen = "address:port"'])


async def start(deps: Deps, stack: AsyncExitStack) -> asyncio.Task[None]:
    """Open both listeners and the background care; the stack closes them in the reverse order.

    Gives the task that watches the database, which lasts as long as the server should.
    """
    server = deps.config.server
    metrics = Metrics()
    cache, told = deps.config.revocation_cache, (metrics.tell_handshake, metrics.count_handshake)
    trust = await asyncio.to_thread(Trust, server, deps.now, told[0], cache, told[1])
    health = web.AppRunner(build_health_app(deps, metrics.render), access_log=None)
    await open_listener(health, server.health, stack)
    known = asyncio.Event()
    with suppress(Temporary):  # away: requests are told so, until it is back
        await _look(deps, known)
    cares = [asyncio.create_task(care) for care in (_reload(trust, metrics), feed_watchdog(), _watch(deps, known))]
    for care in cares:
        stack.push_async_callback(_cancel, care)
    app = build_app(deps, trust, metrics, known)
    runner = web.AppRunner(app, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    context = trust.context if server.client_certificate == "tls" else None
    site = Site(runner, _open_socket(server.listen), context, server, protocol_options(server))
    await site.start()
    metrics.watch_connections(site.places)
    stack.push_async_callback(app[IN_FLIGHT].drain, server.shutdown_seconds)
    stack.push_async_callback(site.stop)
    return cares[-1]


def protocol_options(server: Server) -> Mapping[str, Any]:
    """How aiohttp speaks with the public."""
    return {
        "access_log": None,
        "logger": protocol_logger(),
        "keepalive_timeout": server.idle_seconds,
        "lingering_time": LINGER_SECONDS,
        "max_field_size": HEADER_BYTES,
        "max_line_size": HEADER_BYTES,
        "auto_decompress": False,
    }


async def open_listener(runner: web.AppRunner, address: str, stack: AsyncExitStack) -> None:
    """Serve an application of ours on `host:port` or `unix:/path` until the stack closes."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, _open_socket(address)).start()


def _open_socket(address: str) -> socket.socket:
    return _unix_socket(Path(address.removeprefix(UNIX))) if address.startswith(UNIX) else _tcp_socket(address)


def _tcp_socket(address: str) -> socket.socket:
    """A TCP socket on `host:port` that several processes may share."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, int(port)))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _unix_socket(path: Path) -> socket.socket:
    """A socket that its owner and its group (nginx) may use; a name left by a killed process is taken over."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def _look(deps: Deps, known: asyncio.Event) -> None:
    """Before the first request: the schema is ours, a base that was restored is noticed."""
    await deps.check_schema()
    await restores.notice(deps)
    known.set()


async def _watch(deps: Deps, known: asyncio.Event) -> None:
    if not known.is_set():
        await insist("server_database_away", lambda: _look(deps, known))
    await restores.watch(deps)


async def _reload(trust: Trust, metrics: Metrics) -> None:
    while True:
        await asyncio.sleep(RELOAD_SECONDS)
        try:
            if await asyncio.to_thread(trust.reload):
                log.info("trust_reloaded")
            metrics.tell_reload(failed=False)
        except (ConfigError, OSError) as error:
            # half-written or wrong files: what was loaded before stays in force
            log.error("trust_reload_failed", error=str(error))
            metrics.tell_reload(failed=True)


async def feed_watchdog() -> None:
    """Tell systemd that the loop turns, as often as it asks."""
    period = watchdog_seconds()
    while period is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(period)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
