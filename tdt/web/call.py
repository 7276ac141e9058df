"""One request as a handler sees it: who calls, what the query and the form say, and what is behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from tdt.db.content import get_content
from tdt.db.pool import Connection, Scope, scope_of
from tdt.deps import Deps
from tdt.domain.authorities import Module, Principal, Right, Role
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.fields import INTEGER
from tdt.domain.identity import Identity
from tdt.domain.ids import ContentId
from tdt.web.forms import Fields, Form, parse_urlencoded
from tdt.web.s2low import Shape, attachment
from tdt.web.uploads import FORM, BodySource, FormPlan, read_form

PIECE = 65_536
"""Of a file being sent: what a slow client must have read in time."""
DIGITS = 19
"""A bigint has at most so many; one less is always one."""


class Access(StrEnum):
    """What an endpoint demands of its caller, in the module of its route."""

    ANYONE = "anyone"
    CERTIFICATE = "certificate"
    ACCOUNT = "account"
    VIEW = "view"
    EDIT = "edit"
    PREPARE = "CS"
    TRANSMIT = "TT"
    ADMINISTER = "administer"
    ADMINISTER_GROUP = "administer a group"
    ADMINISTER_ALL = "administer all"


RIGHTS: Mapping[Access, Right] = {
    Access.VIEW: Right.ACCESS,
    Access.EDIT: Right.EDIT,
    Access.PREPARE: Right.CS,
    Access.TRANSMIT: Right.TT,
}
"""What an access to a module asks of the caller."""

ADMINISTRATORS: Mapping[Access, frozenset[Role]] = {
    Access.ADMINISTER: frozenset({Role.SADM, Role.GADM, Role.ADM}),
    Access.ADMINISTER_GROUP: frozenset({Role.SADM, Role.GADM}),
    Access.ADMINISTER_ALL: frozenset({Role.SADM}),
}
"""The roles that an endpoint of administration is for; which objects, `may` says."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that passed the door. `who` is only set where the route demands an account.

    `certificate` is None only where the route is for anyone: there is none, or it cannot be read.
    """

    request: web.Request
    deps: Deps
    certificate: Identity | None
    principal: Principal | None

    @property
    def identity(self) -> Identity:
        """What the certificate of the connection tells."""
        if self.certificate is None:
            raise RuntimeError("this route demands no certificate")
        return self.certificate

    @property
    def who(self) -> Principal:
        """The caller."""
        if self.principal is None:
            raise RuntimeError("this route demands no account")
        return self.principal

    @property
    def query(self) -> Fields:
        """The parameters of the URL ($_GET)."""
        return read_query(self.request)

    @property
    def form(self) -> Form:
        """The form, once read."""
        return self.request.get(FORM) or Form()

    @property
    def is_api(self) -> bool:
        """Whether a text reply is wanted."""
        return wants_text(self.form, self.query)

    def number(self, name: str) -> int:
        """A number of the path; what is none is 0, refused as an unknown number is."""
        given = self.request.match_info.get(name, "")
        return int(given) if INTEGER.fullmatch(given) and len(given) < DIGITS else 0

    def page(self, path: str) -> str:
        """The address of a page of ours, for a browser."""
        return f"{self.deps.config.server.public_url}{path}"

    @property
    def scope(self) -> Scope:
        """What the caller may see at most."""
        scope = scope_of(self.who.user)
        if scope is None:
            raise Forbidden("Accès refusé")
        return scope

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction in the scope of the caller."""
        return self.deps.transaction(self.scope)

    async def read(self, plan: FormPlan) -> Form:
        """Read the body as the endpoint wants it."""
        return await read_form(
            self.request, plan, BodySource(self.deps.config.limits, self.deps.spool, self.deps.config.server)
        )

    async def read_bytes(self, content: ContentId) -> bytes:
        """A small body, whole."""
        return b"".join([chunk async for chunk in self.deps.stream(self.scope, content)])

    async def send(self, content: ContentId, content_type: str, filename: str) -> web.StreamResponse:
        """Stream a body as an attachment."""
        return await self.send_as(content, {"Content-Type": content_type, **attachment(filename)})

    async def send_as(self, content: ContentId, headers: Mapping[str, str]) -> web.StreamResponse:
        """Stream a body under these headers."""
        async with self.transaction() as connection:
            found = await get_content(connection, content)
        if found is None:
            raise Refused("Ce contenu n'existe pas.")
        return await self.stream(self.deps.stream(self.scope, content), found.size, headers)

    async def stream(self, chunks: AsyncIterator[bytes], size: int, headers: Mapping[str, str]) -> web.StreamResponse:
        """Stream bytes of this total size. Nothing is sent before the first of them are there."""
        first = await anext(chunks, b"")
        response = web.StreamResponse(headers=headers)
        # with its length a client can tell a file cut short from a whole one
        response.content_length = size
        await response.prepare(self.request)
        await self._write(response, first)
        async for chunk in chunks:
            await self._write(response, chunk)
        await response.write_eof()
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        """Send bytes to a client that may read slowly, but not for ever."""
        server = self.deps.config.server
        seconds = max(server.stall_seconds, PIECE / server.slowest_bytes) if server.slowest_bytes else None
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            try:
                async with asyncio.timeout(seconds):
                    await response.write(view[start : start + PIECE])
            except TimeoutError as error:
                raise ConnectionResetError("the client does not read") from error


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: where, what it demands, how it answers.

    `door` is the shape of a refusal of the account or of its rights when it differs from `shape`; `page` is where a
    browser is sent back; `admins` admits SADM and GADM, but for the roles that `refuses` names; `force_api` answers as
    with api=1; `takes_body` leaves the
    body to the handler; `basic` demands login and password by HTTP's 401; `changes` is refused once the collectivité is
    closed; `first` is a check that S2LOW makes before it knows the account; `denied` is said to whoever lacks the
    right, `inactive` to an account that is suspended, or whose collectivité or group is.
    """

    path: str
    handler: Callable[[Call], Awaitable[web.StreamResponse]]
    access: Access
    shape: Shape
    module: Module | None = None
    door: Shape | None = None
    page: str = ""
    admins: bool = False
    refuses: frozenset[Role] = frozenset()
    force_api: bool = False
    takes_body: bool = False
    basic: bool = False
    changes: bool = False
    first: Callable[[Fields], None] | None = None
    denied: str = "Accès refusé"
    inactive: str = "Échec de l'authentification"


ROUTE = web.RequestKey("route", Route)


def read_query(request: web.Request) -> Fields:
    """The parameters of the URL, from its raw bytes."""
    return parse_urlencoded(request.rel_url.raw_query_string.encode("utf-8", "surrogateescape"))


def wants_text(form: Form, query: Fields) -> bool:
    """S2LOW's returnAndExit: `api` is exactly 1 in the form, or else in the URL."""
    return "1" in (form.fields.text("api"), query.text("api"))


def refused(message: str, page: str) -> Refused:
    """A refusal that sends a browser to this page."""
    return Refused(message, details={"page": page})


def php_int(text: str) -> int:
    """PHP's intval: the leading digits, 0 when there is none."""
    text = text.strip()
    sign, digits = (text[0], text[1:]) if text[:1] in ("-", "+") else ("", text)
    end = next((index for index, character in enumerate(digits) if not character.isdecimal()), len(digits))
    value = int(digits[:end][:18] or "0")
    return -value if sign == "-" else value
