"""The préfecture of a sandbox: archives come in by HTTPS with a client certificate, mails leave into a maildir."""

import asyncio
import contextlib
import logging
import re
import ssl
import time
import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import multipart
from aiohttp import web
from cryptography import x509

from tdt.simulators.control import (
    Check,
    ControlError,
    behaviour_route,
    is_boolean,
    is_integer,
    is_seconds,
    is_text,
    read_object,
    received_routes,
)
from tdt.simulators.delivery import deliver
from tdt.simulators.journal import BodyWriter, Journal
from tdt.simulators.letters import KINDS
from tdt.simulators.prefecture_desk import ANSWER, DEFAULTS, Desk, UnknownActe

log = logging.getLogger(__name__)

BODY_LIMIT = 512 * 1024 * 1024
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,149}")
RETRY_SECONDS = 1.0

BEHAVIOUR_CHECKS: dict[str, Check] = {
    "answer": lambda value: is_text(value) and ANSWER.fullmatch(value) is not None,
    "delay": is_seconds,
    "http_status": is_integer(200, 599),
    "outage": is_boolean,
    "duplicate_mail": is_boolean,
}


class Prefecture:
    """One simulated préfecture: its HTTPS server, its routes in the control API, its outgoing mails."""

    def __init__(self, config: Mapping[str, Any], journal: Journal):
        self._config = config
        self._journal = journal
        self._desk = Desk(config, journal)
        self._maildir = Path(config["maildir"])
        self.port = int(config["port"])
        application = web.Application()
        application.router.add_route("POST", "/{path:.*}", self._receive, expect_handler=self._expect)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        self._wake = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._stopping = False
        self._deliverer: asyncio.Task[None] | None = None
        if journal.get("instance") is None:
            journal.put("instance", uuid.uuid4().hex[:12])
        self._instance = str(journal.get("instance"))

    async def start(self) -> None:
        for folder in ("tmp", "new", "cur"):
            (self._maildir / folder).mkdir(parents=True, exist_ok=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, str(self._config["host"]), self.port, ssl_context=self._tls())
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._deliverer = asyncio.create_task(self._deliver_always(), name="prefecture mails")

    async def stop(self) -> None:
        """Answers what is being received, ends the mail under way; the rest stays due."""
        await self._runner.cleanup()
        self._stopping = True
        self._wake.set()
        if self._deliverer is not None:
            await self._deliverer

    def routes(self) -> list[web.RouteDef]:
        return [
            *received_routes("/prefecture", self._journal),
            behaviour_route("/prefecture", self._journal, DEFAULTS, BEHAVIOUR_CHECKS),
            web.post("/prefecture/letters", self._send_letters),
            web.post("/prefecture/classification", self._publish),
            web.post("/prefecture/mail", self._send_mail),
        ]

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._config["client_authorities"])
        context.load_cert_chain(self._config["certificate"], self._config["key"])
        context.verify_mode = ssl.CERT_REQUIRED
        context.num_tickets = 1
        return context

    # --- reception

    async def _expect(self, request: web.Request) -> web.Response | None:
        """Answer an outage before the client has sent anything; else tell it to go on."""
        if self._desk.behaviour()["outage"]:
            return _outage()
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _receive(self, request: web.Request) -> web.Response:
        behaviour = self._desk.behaviour()
        if behaviour["outage"]:
            return _outage()
        writer = self._journal.writer()
        try:
            name = await _read_file_part(request, writer)
            status = int(behaviour["http_status"])
            if status >= 300:  # "no" is said for the whole: nothing was received
                return web.Response(status=status, text="refus demandé au simulateur\n")
            stored = await asyncio.to_thread(writer.finish)
        finally:
            writer.discard()  # without effect once finished
        await asyncio.to_thread(self._desk.receive, stored, name, _origin(request))
        self._wake.set()
        return web.Response(status=status, text="OK\n")

    # --- mails

    async def _deliver_always(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                await self._deliver_due()
                at = self._journal.next_due()
                pause = None if at is None else max(0.0, at - time.time())
            except Exception:  # the top of a task: the mails stay due, and it tries again
                log.exception("the mails of the préfecture could not be delivered")
                pause = RETRY_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _deliver_due(self) -> None:
        async with self._delivering:
            for due in self._journal.due():
                target = self._maildir / "new" / f"{int(due.at)}.M{due.id}.{self._instance}"
                await asyncio.to_thread(deliver, self._journal, due, self._maildir / "tmp", target)

    # --- control API

    async def _send_letters(self, request: web.Request) -> web.Response:
        checks: dict[str, Check] = {"id_acte": is_text, "messages": _is_letters}
        asked = await read_object(request, checks, required=("id_acte", "messages"))
        try:
            sent = await asyncio.to_thread(self._desk.send_letters, asked["id_acte"], asked["messages"])
        except UnknownActe as error:
            raise ControlError(f"no act acknowledged under {error}", status=404) from error
        await self._deliver_due()
        return web.json_response({"messages": sent})

    async def _publish(self, request: web.Request) -> web.Response:
        asked = await read_object(request, {"date": _is_date}, required=("date",))
        self._desk.publish(asked["date"])
        return web.json_response({"date": asked["date"]})

    async def _send_mail(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if not raw:
            raise ControlError("the body must be the e-mail to deliver")
        self._desk.send_raw(raw)
        await self._deliver_due()
        return web.json_response({"size": len(raw)})


async def _read_file_part(request: web.Request, writer: BodyWriter) -> str:
    """Stream the first part that has a file name, and give that name; fields and further files are ignored."""
    kind, options = multipart.parse_options_header(request.headers.get("Content-Type", ""))
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise web.HTTPBadRequest(text="multipart/form-data attendu\n")
    name: str | None = None
    writing = False
    try:
        with multipart.PushMultipartParser(options["boundary"], max_segment_count=20) as parser:
            async for chunk in request.content.iter_any():
                for event in parser.parse(chunk):
                    if isinstance(event, multipart.MultipartSegment):
                        writing = name is None and event.filename is not None
                        name = event.filename if writing else name
                    elif event and writing:
                        writer.write(event)
                if writer.size > BODY_LIMIT:
                    raise web.HTTPRequestEntityTooLarge(BODY_LIMIT, writer.size)
    except multipart.MultipartError as error:
        raise web.HTTPBadRequest(text=f"corps illisible : {error}\n") from error
    if name is None or not FILE_NAME.fullmatch(name):
        raise web.HTTPBadRequest(text="nom de fichier absent ou refusé\n")
    return name


def _origin(request: web.Request) -> dict[str, str]:
    ssl_object = request.transport.get_extra_info("ssl_object") if request.transport else None
    der = ssl_object.getpeercert(binary_form=True) if ssl_object else None
    subject = x509.load_der_x509_certificate(der).subject.rfc4514_string() if der else ""
    return {"remote_address": request.remote or "", "client_subject": subject}


def _outage() -> web.Response:
    """503 before a byte of the body is read: the sender knows that nothing was taken."""
    response = web.Response(status=503, text="panne demandée au simulateur\n")
    response.force_close()
    return response


def _is_letters(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(code, str) and code in KINDS for code in value)


def _is_date(value: Any) -> bool:
    if not is_text(value) or not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
