"""The control API of the simulators: plain HTTP and JSON on loopback; a bad request gets 4xx and `{"error": …}`."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import web

from tdt.simulators.journal import Journal

log = logging.getLogger(__name__)

BODY_LIMIT = 64 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[Any], bool]


class ControlError(Exception):
    """The request cannot be served as it is: told to the caller with a status of the 4xx family."""

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


def is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_seconds(value: Any) -> bool:
    """A finite duration from 0 to one day."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= 86400
    )


def is_integer(low: int, high: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


async def read_object(
    request: web.Request, checks: Mapping[str, Check], required: Sequence[str] = ()
) -> dict[str, Any]:
    """The JSON object of the body; unknown, missing and wrong keys are refused by name."""
    try:
        value = msgspec.json.decode(await request.read())
    except msgspec.DecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ControlError("a JSON object is expected")
    for key, item in value.items():
        if key not in checks:
            raise ControlError(f"unknown key: {key}")
        if not checks[key](item):
            raise ControlError(f"wrong value for {key}: {item!r}")
    for key in required:
        if key not in value:
            raise ControlError(f"missing key: {key}")
    return value


def received_routes(prefix: str, journal: Journal) -> list[web.RouteDef]:
    """`GET prefix/received` (the list) and `GET prefix/received/N` (the bytes of the N-th, from 0)."""

    async def listing(_request: web.Request) -> web.Response:
        return web.json_response([reception.as_json() for reception in journal.receptions()])

    async def body(request: web.Request) -> web.FileResponse:
        number = request.match_info["number"]
        path = (
            journal.reception_path(int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
        )
        if path is None:
            raise ControlError(f"nothing was received under the number {number}", status=404)
        return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})

    return [web.get(f"{prefix}/received", listing), web.get(f"{prefix}/received/{{number}}", body)]


Changed = Callable[[], Awaitable[None]]
"""What a simulator does once its behaviour has changed."""


async def nothing_more() -> None:
    """For a simulator that looks at its behaviour when it needs it."""


def behaviour_route(
    prefix: str,
    journal: Journal,
    defaults: Mapping[str, Any],
    checks: Mapping[str, Check],
    changed: Changed = nothing_more,
) -> web.RouteDef:
    """`POST prefix/behaviour`: change what is given, keep the rest, answer the whole."""

    async def behave(request: web.Request) -> web.Response:
        changes = await read_object(request, checks)
        journal.set_behaviour(**changes)
        await changed()
        return web.json_response(journal.behaviour(defaults))

    return web.post(f"{prefix}/behaviour", behave)


class Resettable(Protocol):
    def reset(self) -> None: ...


def reset_route(parts: Sequence[Resettable], changed: Changed = nothing_more) -> web.RouteDef:
    """`POST /reset`: default behaviours, empty lists, no answer due, in every simulator."""

    async def reset(_request: web.Request) -> web.Response:
        for part in parts:
            part.reset()
        await changed()
        return web.json_response({"reset": True})

    return web.post("/reset", reset)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ControlError as error:
        return web.json_response({"error": str(error)}, status=error.status)
    except web.HTTPException as error:
        return web.json_response({"error": error.reason}, status=error.status)
    except Exception:  # the top of a server: one failed request must not be silent, nor end it
        log.exception("control request failed: %s %s", request.method, request.path)
        return web.json_response({"error": "internal error, see the log"}, status=500)


class ControlServer:
    """Serves the routes of the simulators until stopped."""

    def __init__(self, config: Mapping[str, Any], routes: Sequence[web.RouteDef]):
        self._host = str(config["host"])
        self.port = int(config["port"])
        application = web.Application(middlewares=[_errors_as_json], client_max_size=BODY_LIMIT)
        application.add_routes(routes)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)

    async def start(self) -> None:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
