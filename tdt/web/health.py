"""The second listener, never public: /live, /ready and /metrics of one process, in plain HTTP."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from tdt.db.migrate import count_pending
from tdt.db.pool import Use, transaction
from tdt.deps import Deps
from tdt.domain.errors import Temporary

READY_SECONDS = 1.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class PoolGauges:
    """What every process has, whatever it does: connections to the database, and the disk of the spool."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._connections = Gauge(
            "tdt_pool_connections", "Connections to the database, by state", ["state"], registry=self._registry
        )
        self._most = Gauge("tdt_pool_max", "Connections at most", registry=self._registry)
        self._waiting = Gauge("tdt_pool_waiting", "Who waits for a connection", registry=self._registry)
        self._free = Gauge("tdt_spool_free_bytes", "Free on the disk of the spool", registry=self._registry)
        self._size = Gauge("tdt_spool_size_bytes", "Size of the disk of the spool", registry=self._registry)

    def show(self, use: Use, disk: tuple[int, int]) -> None:
        """Replace all."""
        self._connections.labels("idle").set(use.idle)
        self._connections.labels("used").set(use.size - use.idle)
        self._most.set(use.most)
        self._waiting.set(use.waiting)
        self._free.set(disk[0])
        self._size.set(disk[1])

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


def build_health_app(deps: Deps, render: Callable[[], bytes]) -> web.Application:
    """Live: the loop turns. Ready: database, its schema and the spool; the State being down is no fault of ours."""

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def ready(_request: web.Request) -> web.Response:
        faults = await find_faults(deps)
        return web.Response(text="\n".join(faults or ["ready"]) + "\n", status=503 if faults else 200)

    of_all = PoolGauges()

    async def measures(_request: web.Request) -> web.Response:
        of_all.show(deps.measure_pool(), deps.spool.measure())
        return web.Response(body=render() + of_all.render(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application()
    handlers: dict[str, Callable[[web.Request], Awaitable[web.Response]]] = {
        "/live": live,
        "/ready": ready,
        "/metrics": measures,
    }
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    return app


async def find_faults(deps: Deps) -> list[str]:
    """What keeps this process from serving, empty when nothing does."""
    faults = []
    try:
        async with transaction(deps.pool, "system", READY_SECONDS) as connection:
            if await count_pending(connection):
                faults.append("schema: migrations are missing")
    except Temporary:
        faults.append("database: no answer")
    if not deps.spool.is_writable():
        faults.append("spool: not writable")
    return faults
