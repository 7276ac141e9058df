"""Sends one archive to the ministry's @CTES server: an HTTPS POST of a single file part, streamed."""

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from yarl import URL

from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.remote.errors import Progress, Remote, translated
from tdt.remote.tls import client_context

SERVICE = "Ministère de l'Intérieur (@CTES)"
_REMOTE = Remote(SERVICE, (aiohttp.ClientError,))

# S2LOW's values: 60 s to connect, 180 s to answer.
CONNECT_SECONDS = 60.0
ANSWER_SECONDS = 180.0

# What S2LOW sends since the DGCL servers of 2025: keep the same header, in case a filter there expects it.
_USER_AGENT = "curl/*"

# TLS 1.3: a server refuses our certificate after the client believes the handshake done. These alerts say so.
_HANDSHAKE_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "PROTOCOL_VERSION")

OpenChunks = Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class PrefectureTarget:
    """`rescue_url` and `login` may be empty; `authentication`: how a login travels (S2LOW's modes BASIC and POST)."""

    url: str
    rescue_url: str = ""
    accepted_status: frozenset[int] = frozenset({200})
    certificate: str = ""
    key: str = ""
    authorities: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    authentication: Literal["basic", "query"] = "basic"


@dataclass(frozen=True, slots=True)
class _Archive:
    name: str
    size: int
    open_chunks: OpenChunks


async def send_archive(target: PrefectureTarget, name: str, size: int, open_chunks: OpenChunks) -> str:
    """POST the archive and give the accepted answer, for example "HTTP 200".

    Temporary: surely not delivered, or answered by a status that says no. Uncertain: the body, or part of it, left and
    no status came back. The rescue address is tried only when the main one surely received nothing.
    """
    if not name or any(not char.isprintable() or char in '"\\' for char in name):
        raise Permanent("Le nom de l'archive ne peut pas être transmis", details={"name": name})
    context = await client_context(SERVICE, target.authorities, target.certificate, target.key)
    archive = _Archive(name, size, open_chunks)
    try:
        return await _post(target, target.url, context, archive)
    except Temporary as error:
        if not target.rescue_url or not error.details.get("unreached"):
            raise
    return await _post(target, target.rescue_url, context, archive) + " (adresse de secours)"


async def _post(target: PrefectureTarget, url: str, context: ssl.SSLContext, archive: _Archive) -> str:
    in_query = bool(target.login) and target.authentication == "query"
    with translated(_REMOTE, hide_cause=in_query) as progress:
        try:
            status = await _exchange(target, url, context, _Upload(archive, progress))
        except (OSError, aiohttp.ClientError) as error:
            if _never_reached(error):
                message = f"{SERVICE} : serveur injoignable"
                details = {"error": type(error).__name__, "unreached": True}
                raise Temporary(message, details=details) from (None if in_query else error)
            raise
    if status not in target.accepted_status:
        raise Temporary(f"{SERVICE} : envoi refusé (HTTP {status})", details={"status": status})
    return f"HTTP {status}"


def _never_reached(error: BaseException) -> bool:
    """No connection (refused, DNS, time), or a handshake that one side refused: not a byte of the request was read."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or ""
            return "ALERT" in reason and any(alert in reason for alert in _HANDSHAKE_ALERTS)
        cause = cause.__cause__ or cause.__context__
    return False


class _Upload:
    """The multipart body of one attempt: knows its length beforehand, and how much of it has been handed over."""

    def __init__(self, archive: _Archive, progress: Progress):
        boundary = "tdt" + secrets.token_hex(16)
        self.archive = archive
        self.progress = progress
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
        async for chunk in self.archive.open_chunks():
            read += len(chunk)
            if read > self.archive.size:
                break
            self.progress.sent = True
            yield head + chunk if head else chunk
            head = b""
            deadline.reschedule(loop.time() + ANSWER_SECONDS)
        if read != self.archive.size:
            raise Permanent("L'archive lue n'a pas la taille annoncée")
        self.progress.sent = True
        yield head + self._tail
        deadline.reschedule(loop.time() + ANSWER_SECONDS)
        self.complete = True


async def _exchange(target: PrefectureTarget, url: str, context: ssl.SSLContext, upload: _Upload) -> int:
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
    headers = {
        "User-Agent": _USER_AGENT,
        "Content-Type": upload.content_type,
        "Content-Length": str(upload.length),
    }
    address, auth = URL(url), None
    if target.login and target.authentication == "query":
        address = address.update_query(user=target.login, password=target.password)
    elif target.login:
        auth = aiohttp.BasicAuth(target.login, target.password, encoding="utf-8")
    session = aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auth=auth
    )
    async with asyncio.timeout(CONNECT_SECONDS + ANSWER_SECONDS) as deadline, session:
        # the body of the answer is ignored, as S2LOW does: only the status is defined
        body = upload.chunks(deadline)
        async with session.post(address, data=body, headers=headers, allow_redirects=False) as answer:
            if answer.status in target.accepted_status and not upload.complete:
                raise Uncertain(f"{SERVICE} : réponse reçue avant la fin de l'envoi", details={"status": answer.status})
            return answer.status
