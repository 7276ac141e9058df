"""The connections of one process: how many, how long one may stay idle, how large its headers may be.

What a client costs that never ends its headers, or keeps a connection that it does not use, has a bound; and when all
places are taken the connection that has been idle longest makes room, so that a new client is served.
"""

import asyncio
import resource
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from tdt.config import Server

log = structlog.get_logger()

HEAD_BYTES = 262_144
"""All headers of one request together: as much as nginx takes with our example."""
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
WRITE_BYTES = 131_072
"""What waits in memory for a client that reads slowly, beside the piece being sent."""
KEPT_FILES = 500
"""Descriptors for the rest: database, spool, documents."""
PROBE_SECONDS, PROBES = 15, 4


class Handler(RequestHandler):
    """aiohttp's protocol of one connection, which knows its place among the others."""

    def __init__(self, places: "Places", server: web.Server, options: Mapping[str, Any]):
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._places = places
        self._head = 0
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.since = self._loop.time()
        if isinstance(transport, asyncio.WriteTransport):
            transport.set_write_buffer_limits(WRITE_BYTES)
        self._places.take(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_idle = self.is_idle
        super().data_received(data)
        if not was_idle:
            return
        if not self.is_idle:
            self._head = 0
            self._places.busy(self)
            return
        self._head += len(data)
        if self._head > HEAD_BYTES and self.transport is not None:
            log.info("headers_too_large")
            self.transport.write(TOO_LARGE)
            self.force_close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served, and none has arrived whole."""
        return self._waiter is not None and not self._waiter.done()


class Places:
    """The places that connections take."""

    def __init__(self, most: int):
        self._most = most
        self._taken: dict[Handler, None] = {}
        self._handshaking: WeakSet[Handler] = WeakSet()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def handshaking(self) -> int:
        """Connections whose TLS handshake has not ended."""
        return len(self._handshaking)

    def expect(self, handler: Handler) -> Handler:
        """A connection was accepted; its handshake may follow."""
        self._handshaking.add(handler)
        return handler

    def take(self, handler: Handler) -> None:
        """A client is connected: the one that has been idle longest gives it its place when there is none."""
        self._handshaking.discard(handler)
        if len(self._taken) >= self._most:
            idle = next((one for one in self._taken if one.is_idle), handler)
            self.evicted += 1
            log.warning("connection_evicted", connections=len(self._taken), seconds=self._age(idle))
            self._taken.pop(idle, None)
            idle.force_close()
            if idle is handler:
                return
        self._taken[handler] = None

    def busy(self, handler: Handler) -> None:
        """It is used: the last to be evicted."""
        if handler in self._taken:
            del self._taken[handler]
            self._taken[handler] = None

    def leave(self, handler: Handler) -> None:
        """It has ended."""
        self._taken.pop(handler, None)

    def _age(self, handler: Handler) -> float:
        return round(asyncio.get_running_loop().time() - handler.since, 1)


class Site(web.SockSite):
    """A listener whose connections have places."""

    __slots__ = ("_options", "_places", "_settings")

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        settings: Server,
        options: Mapping[str, Any],
    ):
        super().__init__(runner, listener, ssl_context=context)
        self._options, self._settings = options, settings
        self._places = Places(allowed(settings.connections))
        watch_peers(listener, settings.idle_seconds)

    @property
    def places(self) -> Places:
        """Who is connected."""
        return self._places

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server, places, options = self._runner.server, self._places, self._options
        if server is None:
            raise RuntimeError("the runner is not set up")
        seconds = self._settings.handshake_seconds if self._ssl_context is not None else None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: places.expect(Handler(places, server, options)),
            sock=self._sock,
            ssl=self._ssl_context,
            backlog=self._settings.backlog,
            ssl_handshake_timeout=seconds,
        )


def allowed(wanted: int) -> int:
    """As many connections as wanted, or as the limit of open files leaves, which is raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    possible = max(hard - KEPT_FILES, 1)
    if possible < wanted:
        log.warning("few_open_files", limit=hard, connections=possible, wanted=wanted)
    return min(wanted, possible)


def watch_peers(listener: socket.socket, seconds: float) -> None:
    """Let the kernel end the connections of a peer that has vanished; those that are accepted inherit it."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(int(seconds), 1))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    # what is sent and never acknowledged, or never read at all, is given up after the same time
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * (seconds + PROBES * PROBE_SECONDS)))
