"""The application: the door that every request passes (certificate, account, right, body), then its handler."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiohttp import web

from tdt.certificates.revocation import NO_PROOF
from tdt.deps import Deps
from tdt.domain.authorities import Principal, is_administrator, is_group_admin_or_super, may
from tdt.domain.closing import check_not_closed
from tdt.domain.errors import Forbidden, TdtError, Temporary
from tdt.domain.identity import Identity
from tdt.flows.connections import record_refused
from tdt.web.auth import Authenticator, Unidentified, Unproven, peer_certificate
from tdt.web.call import ADMINISTRATORS, RIGHTS, ROUTE, Access, Call, Route, read_query
from tdt.web.credentials import Credentials, read_basic
from tdt.web.errors import DEPS, IN_FLIGHT, METRICS, answer_errors
from tdt.web.forms import Form
from tdt.web.inflight import InFlight
from tdt.web.metrics import Metrics
from tdt.web.routes import ROUTES
from tdt.web.s2low import unauthorized
from tdt.web.trust import Trust
from tdt.web.uploads import FORM, NO_PLAN

log = structlog.get_logger()

SLASHES = re.compile("/+")
LARGEST_BODY = 1 << 62
"""aiohttp's own limit is out of the way: limits are ours, per endpoint, on bytes received."""


@dataclass(frozen=True, slots=True)
class Door:
    """What every request needs before its handler."""

    deps: Deps
    trust: Trust
    authenticator: Authenticator
    metrics: Metrics
    known: asyncio.Event
    """Set once this process has seen what became of its database: it may have been restored."""

    async def enter(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Check who calls and what it may do, in S2LOW's order, then hand over."""
        request[ROUTE] = route
        if route.access is Access.ANYONE:
            return await self._show(route, request)
        der = peer_certificate(request, self.deps.config.server)
        if der is not None and (reason := self._doubt(der)):
            if reason == NO_PROOF:
                # nothing is held against the certificate: its holder must learn why he waits
                await self._record(der, reason)
                raise Unproven
            return await self._close(request, der, reason)
        if route.first is not None:
            route.first(read_query(request))
        identity = self._identify(der)
        await self._know_base()
        if route.basic and read_basic(request.headers.get("Authorization", "")) is None:
            return unauthorized()
        principal = None
        if route.access is not Access.CERTIFICATE:
            principal = await self.authenticator.authenticate(request, identity, route.inactive)
            structlog.contextvars.bind_contextvars(account_id=principal.user.id)
            check_right(route, principal)
        call = Call(request, self.deps, identity, principal)
        if not route.takes_body:
            await call.read(NO_PLAN)
        try:
            return await route.handler(call)
        except TdtError as error:
            if not isinstance(error, Temporary):
                # nothing refers to these files; after a commit whose answer was lost something may
                discard(self.deps, request.get(FORM) or Form())
            raise

    async def _know_base(self) -> None:
        """Wait as for the database: no number is given out before those of one that was restored have moved on."""
        if self.known.is_set():
            return
        try:
            async with asyncio.timeout(self.deps.config.database.wait_seconds):
                await self.known.wait()
        except TimeoutError:
            raise Temporary("La base de données ne répond pas.") from None

    def _doubt(self, der: bytes) -> str:
        try:
            return self.trust.refusal(der)
        except ValueError as error:
            raise Unidentified("Impossible de lire le certificat") from error

    def _identify(self, der: bytes | None) -> Identity:
        if der is None:
            raise Unidentified("Aucune information de certificat trouvée")
        try:
            return self.trust.identify(der)
        except ValueError as error:
            raise Unidentified("Impossible de lire le certificat") from error

    async def _show(self, route: Route, request: web.Request) -> web.StreamResponse:
        """A page that whoever was refused is sent to: it must not refuse in its turn."""
        identity = None
        with suppress(Unidentified):
            der = peer_certificate(request, self.deps.config.server)
            if der is not None and (reason := self._doubt(der)) not in ("", NO_PROOF):
                return await self._close(request, der, reason)
            identity = self._identify(der)
        call = Call(request, self.deps, identity, None)
        await call.read(NO_PLAN)
        return await route.handler(call)

    async def _close(self, request: web.Request, der: bytes, reason: str) -> web.Response:
        """End the connection without an HTTP answer, and record why."""
        if request.transport is not None:
            request.transport.close()
        await self._record(der, reason)
        return web.Response(status=403)

    async def _record(self, der: bytes, reason: str) -> None:
        self.metrics.count_refused(reason)
        identity = self.trust.identify(der)
        log.warning("connection_refused", reason=reason, certificate_hash=identity.certificate_hash)
        await record_refused(self.deps, identity, reason)


def check_right(route: Route, who: Principal) -> None:
    """Raise Forbidden unless the account may use this endpoint, Refused when it changes what is closed."""
    if route.access in ADMINISTRATORS:
        allowed = is_administrator(who.user) and who.user.role in ADMINISTRATORS[route.access]
    elif (is_group_admin_or_super(who.user) and not route.admins) or who.user.role in route.refuses:
        allowed = False
    else:
        allowed = route.module is None or may(who, RIGHTS[route.access], route.module)
    if not allowed:
        raise Forbidden(route.denied)
    if route.changes:
        check_not_closed(who, administering=route.access in ADMINISTRATORS)


def discard(deps: Deps, form: Form) -> None:
    """Remove the spooled files of a form that came to nothing."""
    for upload in form.files.all():
        if upload.body is not None and upload.body.spool_name is not None:
            deps.spool.remove(upload.body.spool_name)


def build_app(deps: Deps, trust: Trust, metrics: Metrics, known: asyncio.Event) -> web.Application:
    """The public application; `known`: see Door."""
    app = web.Application(middlewares=[answer_errors], client_max_size=LARGEST_BODY)
    app[DEPS], app[METRICS], app[IN_FLIGHT] = deps, metrics, InFlight()
    door = Door(deps, trust, Authenticator(deps, Credentials(deps)), metrics, known)
    for route in ROUTES:
        app.router.add_route("*", route.path, _handler(door, route), expect_handler=_expect)
    app.router.add_route("*", "/{path:.*}", _merge_slashes(door), expect_handler=_expect)
    app.on_response_prepare.append(_hide_server)
    return app


def _merge_slashes(door: Door) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Apache takes several slashes for one; a software whose base URL ends with one asks for `//modules/…`."""
    known = {route.path: route for route in ROUTES}

    async def handle(request: web.Request) -> web.StreamResponse:
        route = known.get(SLASHES.sub("/", request.path))
        if route is None:
            raise web.HTTPNotFound
        return await door.enter(route, request)

    return handle


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Which library answers, in which version, is nobody's business."""
    response.headers.popall("Server", None)


def _handler(door: Door, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await door.enter(route, request)

    return handle


async def _expect(request: web.Request) -> None:
    """Say nothing yet: the client is told to continue when its body is wanted (tdt.web.uploads)."""
