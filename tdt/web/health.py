"""The second listener, never public: /live, /ready and /metrics of one process, in plain HTTP."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from tdt.db.migrate import count_pending
from tdt.db.pool import transaction
from tdt.deps import Deps
from tdt.domain.errors import Temporary

READY_SECONDS = 1.0
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def build_health_app(deps: Deps, render: Callable[[], bytes]) -> web.Application:
    """Live: the loop turns. Ready: database, its schema and the spool; the State being down is no fault of ours."""

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="live\n")

    async def ready(_request: web.Request) -> web.Response:
        faults = await find_faults(deps)
        return web.Response(text="\n".join(faults or ["ready"]) + "\n", status=503 if faults else 200)

    async def measures(_request: web.Request) -> web.Response:
        return web.Response(body=render(), headers={"Content-Type": METRICS_TYPE})

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
