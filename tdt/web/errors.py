"""Every error of a request, told once: in the shape of its endpoint, with nothing of ours in what the client reads."""

import time
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from tdt.deps import Deps
from tdt.domain.errors import Forbidden, Permanent, Refused, TdtError, Temporary, Uncertain
from tdt.web.auth import Inactive, Unidentified
from tdt.web.call import ROUTE, Route, php_int, read_query, wants_text
from tdt.web.forms import Fields, Form
from tdt.web.inflight import InFlight
from tdt.web.metrics import Metrics
from tdt.web.returning import check_return, fill_return
from tdt.web.s2low import Refusal, Shape, failure, refuse
from tdt.web.uploads import FORM, NO_PLAN, BodySource, read_form

log = structlog.get_logger()

RETRY_AFTER_SECONDS = 5
RETURNS = (Shape.RETURN, Shape.RETURN_AS_IS)
NOBODY_CODE = Unidentified("").code
NOT_CONNECTED = "La connexion à échoué"
"""S2LOW's, its fault of spelling included: said to an agent whose nonce does not let it in."""
UNAVAILABLE = "Service momentanément indisponible, réessayez."
DEPS = web.AppKey("deps", Deps)
METRICS = web.AppKey("metrics", Metrics)
IN_FLIGHT = web.AppKey("in_flight", InFlight)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request an id in the log, a measure, and an answer whatever happens."""
    started = time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=uuid.uuid4().hex)
    in_flight = request.app[IN_FLIGHT]
    with in_flight.request():
        response = await _answer(request, handler)
    if in_flight.stopping and not response.prepared:
        response.force_close()
    seconds = time.perf_counter() - started
    request.app[METRICS].observe(_path(request), response.status, seconds)
    log.info("request", path=_path(request), method=request.method, status=response.status, seconds=round(seconds, 4))
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        return web.Response(status=answer.status, text=answer.text, headers=_allow(answer))
    except (ConnectionError, web.RequestPayloadError):
        # the client has gone, or broke its own framing: nobody reads an answer
        log.info("client_gone")
        return _abandon(request)
    except TdtError as error:
        response = await _tell(request, error)
    except Exception:
        log.exception("request_failed")
        response = _fail(request, f"Erreur interne (référence {_request_id()}).", 500)
    if request.writer.output_size > 0:
        # part of a file is sent already: an error page must not become its end
        return _abandon(request)
    if not request.content.at_eof():
        # what the client still sends is drained for a while after the answer, then the connection ends
        response.force_close()
    return response


async def _tell(request: web.Request, error: TdtError) -> web.Response:
    if isinstance(error, Temporary):
        log.warning("request_unavailable", code=error.code, cause=str(error.__cause__ or error))
        response = _fail(request, UNAVAILABLE, 503)
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    if isinstance(error, Permanent | Uncertain):
        log.error("request_failed", code=error.code, details=error.details)
        return _fail(request, f"Erreur interne (référence {_request_id()}).", 500)
    log.info("request_refused", code=error.code)
    if isinstance(error, Unidentified | Inactive):
        request.app[METRICS].count_login(error.code)
    route = request.get(ROUTE)
    if route is None:
        return failure(Shape.PRINTED, error.message, 403)
    return refuse(_shape(route, error, read_query(request)), await _refusal(request, route, error))


def _shape(route: Route, error: TdtError, query: Fields) -> Shape:
    if isinstance(error, Unidentified) and not (route.shape in RETURNS and query.is_true("nounce")):
        return Shape.REPLY
    if isinstance(error, Forbidden) and route.door is not None:
        return route.door
    return route.shape


async def _refusal(request: web.Request, route: Route, error: TdtError) -> Refusal:
    root = request.app[DEPS].config.server.public_url
    page = error.details.get("page")
    if page is None:
        page = "" if isinstance(error, Forbidden) else route.page
    query = read_query(request)
    shape = _shape(route, error, query)
    api = route.force_api or await _wants_api(request, shape)
    form = request.get(FORM) or Form()
    return Refusal(
        message=error.message,
        location=_back(request, shape, error) or root if shape in RETURNS else f"{root}{page}",
        api=api,
        spoken=query.is_true("api") and form.fields.text("api") != "1" and "reply" not in error.details,
        subject=php_int(query.text("transaction")),
        asked=query.text("id"),
    )


def _back(request: web.Request, shape: Shape, error: TdtError) -> str:
    """Where the agent came from, with the reason of the refusal; nowhere when that is no address to send it to."""
    try:
        url = check_return(read_query(request).text("url_return"), request.app[DEPS].config.actes.return_hosts)
    except Refused:
        return ""
    message = NOT_CONNECTED if error.code == NOBODY_CODE else error.message
    return fill_return(url, "1", message) if shape is Shape.RETURN else url


async def _wants_api(request: web.Request, shape: Shape) -> bool:
    """`api` of the form, else of the URL: exactly 1 for the text reply, anything true for JSON."""
    form = request.get(FORM)
    if form is None and shape in (Shape.REPLY, Shape.SPOKEN, Shape.JSON) and not read_query(request).is_true("api"):
        # refused before the body was read, but the body says how the client wants to hear it
        form = await _read_quietly(request)
    form, query = form or Form(), read_query(request)
    spoken = shape in (Shape.REPLY, Shape.SPOKEN)
    return wants_text(form, query) if spoken else form.fields.is_true("api") or query.is_true("api")


async def _read_quietly(request: web.Request) -> Form:
    deps = request.app[DEPS]
    return await read_form(request, NO_PLAN, BodySource(deps.config.limits, deps.spool, deps.config.server))


def _fail(request: web.Request, message: str, status: int) -> web.Response:
    route = request.get(ROUTE)
    query = read_query(request)
    subject = php_int(query.text("transaction"))
    return failure(route.shape if route is not None else Shape.PRINTED, message, status, subject, query.text("id"))


def _abandon(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


def _allow(answer: web.HTTPException) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name in ("Allow", "Location")}


def _path(request: web.Request) -> str:
    route = request.get(ROUTE)
    return route.path if route is not None else "other"


def _request_id() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))
