"""Sends one archive to the ministry's @CTES server: an HTTPS POST of a single file part, streamed."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar, Literal

import aiohttp
from yarl import URL

from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.remote.errors import Progress, Remote, describe, translated
from tdt.remote.pins import check_peer
from tdt.remote.tls import client_context, trust_pins_only

SERVICE = "Ministère de l'Intérieur (@CTES)"
_REMOTE = Remote(SERVICE, (aiohttp.ClientError,))

# S2LOW's values: 60 s to connect, 180 s to answer.
CONNECT_SECONDS = 60.0
ANSWER_SECONDS = 180.0

# What S2LOW sends since the DGCL servers of 2025: keep the same header, in case a filter there expects it.
_USER_AGENT = "curl/*"

# How long curl waits for "100 Continue" before it sends the body all the same.
CONTINUE_SECONDS = 1.0

OpenChunks = Callable[[], AsyncIterator[bytes]]
OnRescue = Callable[[Temporary], Awaitable[None]]
"""Told, before the rescue address is tried, why the main one surely got nothing."""


@dataclass(frozen=True, slots=True)
class PrefectureTarget:
    """`rescue_url` and `login` may be empty; `authentication`: how a login travels (S2LOW's modes BASIC and POST).

    `pins`: digests of the certificates that the server may have; then these alone prove who it is, as on S2LOW's older
    servers. `ciphers`: for a server too old for OpenSSL's choice.
    """

    url: str
    rescue_url: str = ""
    accepted_status: frozenset[int] = frozenset({200})
    certificate: str = ""
    key: str = ""
    authorities: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    authentication: Literal["basic", "query"] = "basic"
    pins: frozenset[bytes] = frozenset()
    ciphers: str = ""
    connect_seconds: float = CONNECT_SECONDS
    answer_seconds: float = ANSWER_SECONDS


@dataclass(frozen=True, slots=True)
class _Archive:
    name: str
    size: int
    open_chunks: OpenChunks


async def send_archive(
    target: PrefectureTarget, name: str, size: int, open_chunks: OpenChunks, on_rescue: OnRescue | None = None
) -> str:
    """POST the archive and give the accepted answer, for example "HTTP 200".

    Temporary: surely not delivered, or answered by a status that says no (3xx, 4xx, or any before the body).
    Uncertain: the body, or part of it, left, and no status or an ambiguous one came back (another 2xx, 5xx).
    The rescue address is tried only when the main one surely received nothing: no connection, another server than the
    expected one, or an answer before the first byte of the archive.
    """
    if not name or any(not char.isprintable() or char in '"\\' for char in name):
        raise Permanent("Le nom de l'archive ne peut pas être transmis", details={"name": name})
    context = await client_context(SERVICE, target.authorities, target.certificate, target.key, target.ciphers)
    if target.pins:
        trust_pins_only(context)
    archive = _Archive(name, size, open_chunks)
    try:
        return await _post(target, target.url, context, archive)
    except Temporary as error:
        if not target.rescue_url or not error.details.get("unreached"):
            raise
        if on_rescue is not None:
            await on_rescue(error)
    return await _post(target, target.rescue_url, context, archive) + " (adresse de secours)"


async def _post(target: PrefectureTarget, url: str, context: ssl.SSLContext, archive: _Archive) -> str:
    in_query = bool(target.login) and target.authentication == "query"
    with translated(_REMOTE, hide_cause=in_query) as progress:
        upload = _Upload(archive, progress, target.answer_seconds)
        try:
            status = await _exchange(target, url, context, upload)
            if status == HTTPStatus.EXPECTATION_FAILED and not progress.sent:
                status = await _exchange(target, url, context, upload, ask_first=False)
        except (OSError, aiohttp.ClientError) as error:
            if progress.sent:
                raise
            details = {"error": describe(error), "unreached": True, "of_remote": not progress.ours}
            raise Temporary(f"{SERVICE} : serveur injoignable", details=details) from (None if in_query else error)
    if status in target.accepted_status:
        return f"HTTP {status}"
    if progress.sent and not HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # a success of another kind, or a proxy that gave up on what it may have handed on: the archive may be there
        raise Uncertain(f"{SERVICE} : réponse ambiguë (HTTP {status})", details={"status": status})
    details = {"status": status} if progress.sent else {"status": status, "unreached": True}
    raise Temporary(f"{SERVICE} : envoi refusé (HTTP {status})", details=details)


class _Request(aiohttp.ClientRequest):
    """Asks before it sends the body, as curl does ("Expect: 100-continue"), but not for ever (RFC 9110 §10.1.1).

    With TLS 1.3 the client believes the handshake done before the server has judged its certificate: sent at once, the
    body of a refused connection would leave in doubt what is certain. With pins, nothing at all leaves, not even the
    login, before the certificate of the server was compared with them.
    """

    pins: ClassVar[frozenset[bytes]] = frozenset()

    async def send(self, conn: "aiohttp.connector.Connection") -> aiohttp.ClientResponse:
        if self.pins:
            check_peer(conn.transport, self.pins)
        if self._continue is not None:
            asyncio.get_running_loop().call_later(CONTINUE_SECONDS, _release, self._continue)
        return await super().send(conn)


def _release(answered: asyncio.Future[bool]) -> None:
    if not answered.done():
        answered.set_result(True)


class _Upload:
    """The multipart body of one attempt: knows its length beforehand, and how much of it has been handed over."""

    def __init__(self, archive: _Archive, progress: Progress, silence: float):
        boundary = "tdt" + secrets.token_hex(16)
        self.archive = archive
        self.progress = progress
        self.silence = silence
        self.complete = False
        self.content_type = f"multipart/form-data; boundary={boundary}"
        # as S2LOW's curl writes it: the field name is the archive name, like the file name
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{archive.name}"; filename="{archive.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.length = len(self._head) + archive.size + len(self._tail)

    async def chunks(self, deadline: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The bytes in order; each one asked for pushes the deadline, so that only silence runs it out."""
        loop = asyncio.get_running_loop()
        read, head = 0, self._head
        async for chunk in self.progress.own(self.archive.open_chunks()):
            read += len(chunk)
            if read > self.archive.size:
                break
            self.progress.sent = True
            yield head + chunk if head else chunk
            head = b""
            deadline.reschedule(loop.time() + self.silence)
        if read != self.archive.size:
            raise Permanent("L'archive lue n'a pas la taille annoncée")
        self.progress.sent = True
        yield head + self._tail
        deadline.reschedule(loop.time() + self.silence)
        self.complete = True


async def _exchange(
    target: PrefectureTarget, url: str, context: ssl.SSLContext, upload: _Upload, *, ask_first: bool = True
) -> int:
    headers = {
        "User-Agent": _USER_AGENT,
        "Content-Type": upload.content_type,
        "Content-Length": str(upload.length),
    }
    address = URL(url)
    if target.login and target.authentication == "query":
        address = address.update_query(user=target.login, password=target.password)
    elif target.login:
        headers["Authorization"] = aiohttp.encode_basic_auth(target.login, target.password)
    longest = target.connect_seconds + target.answer_seconds
    async with asyncio.timeout(longest) as deadline, _session(context, target) as session:
        body = upload.chunks(deadline)
        async with session.post(
            address, data=body, headers=headers, allow_redirects=False, expect100=ask_first
        ) as answer:
            # the body of the answer is ignored, as S2LOW does: only the status is defined
            if answer.status in target.accepted_status and not upload.complete:
                raise Uncertain(f"{SERVICE} : réponse reçue avant la fin de l'envoi", details={"status": answer.status})
            return answer.status


def _session(context: ssl.SSLContext, target: PrefectureTarget) -> aiohttp.ClientSession:
    seconds = target.connect_seconds
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, connect=seconds, sock_connect=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=type("_Pinned", (_Request,), {"pins": target.pins}),
    )
