"""The préfecture of a sandbox: archives come in by HTTPS with a client certificate, mails leave into a maildir."""

import asyncio
import contextlib
import logging
import re
import ssl
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from aiohttp import web

from tdt.simulators import prefecture_variants as variants
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
from tdt.simulators.journal import Journal
from tdt.simulators.letters import KINDS
from tdt.simulators.prefecture_desk import ANSWER, DEFAULTS, Desk
from tdt.simulators.prefecture_door import is_let_in, is_out, origin, outage, read_file_part, stranger
from tdt.simulators.prefecture_register import UnknownActe

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
NOTICES = ("multi-canal", "junk")
ORDERS = ("first", "last")

BEHAVIOUR_CHECKS: dict[str, Check] = {
    "answer": lambda value: is_text(value) and ANSWER.fullmatch(value) is not None,
    "delay": is_seconds,
    "http_status": is_integer(200, 599),
    "outage": lambda value: is_boolean(value) or (is_text(value) and value.startswith("/")),
    "duplicate_mail": is_boolean,
    "closed": is_boolean,
    "hang": is_seconds,
    "credentials": lambda value: value is None or (is_text(value) and ":" in value),
    "mail_shape": lambda value: value in variants.MAIL_SHAPES,
    "encoding": lambda value: value in variants.ENCODINGS,
    "echo_papier": is_boolean,
    "serial_offset": is_integer(0, 10**9),
    "hold": lambda value: value in variants.HOLDS,
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
        self._site: web.TCPSite | None = None
        if journal.get("instance") is None:
            journal.put("instance", uuid.uuid4().hex[:12])
        self._instance = str(journal.get("instance"))

    async def start(self) -> None:
        for folder in ("tmp", "new", "cur"):
            (self._maildir / folder).mkdir(parents=True, exist_ok=True)
        await self._runner.setup()
        await self._open()
        await self.match_door()
        self._deliverer = asyncio.create_task(self._deliver_always(), name="prefecture mails")

    async def stop(self) -> None:
        """Answers what is being received, ends the mail under way; the rest stays due."""
        await self._runner.cleanup()
        self._stopping = True
        self._wake.set()
        if self._deliverer is not None:
            await self._deliverer

    async def match_door(self) -> None:
        """Listen, or refuse connections, as the behaviour says now."""
        closed = bool(self._desk.behaviour()["closed"])
        if closed and self._site is not None:
            site, self._site = self._site, None
            await site.stop()
        elif not closed and self._site is None:
            await self._open()

    async def _open(self) -> None:
        self._site = web.TCPSite(self._runner, str(self._config["host"]), self.port, ssl_context=self._tls())
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def routes(self) -> list[web.RouteDef]:
        return [
            *received_routes("/prefecture", self._journal),
            behaviour_route("/prefecture", self._journal, DEFAULTS, BEHAVIOUR_CHECKS, self.match_door),
            web.get("/prefecture/acts", self._list_acts),
            web.get("/prefecture/acts/{id_acte}/letters", self._list_letters),
            web.post("/prefecture/letters", self._send_letters),
            web.post("/prefecture/notice", self._send_notice),
            web.post("/prefecture/release", self._release),
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
        """Answer an outage or a stranger before the client has sent anything; else tell it to go on."""
        refused = self._refuse(request, self._desk.behaviour())
        if refused is not None:
            return refused
        if request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _receive(self, request: web.Request) -> web.Response:
        behaviour = self._desk.behaviour()
        refused = self._refuse(request, behaviour)
        if refused is not None:
            return refused
        writer = self._journal.writer()
        try:
            name = await read_file_part(request, writer)
            status = int(behaviour["http_status"])
            if status >= 300:  # "no" is said for the whole: nothing was received
                return web.Response(status=status, text="refus demandé au simulateur\n")
            stored = await asyncio.to_thread(writer.finish)
        finally:
            writer.discard()  # without effect once finished
        await asyncio.to_thread(self._desk.receive, stored, name, origin(request))
        self._wake.set()
        await asyncio.sleep(behaviour["hang"])
        return web.Response(status=status, text="OK\n")

    def _refuse(self, request: web.Request, behaviour: Mapping[str, Any]) -> web.Response | None:
        if is_out(request, behaviour["outage"]):
            return outage()
        return None if is_let_in(request, behaviour["credentials"]) else stranger()

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
        checks: dict[str, Check] = {"id_acte": is_text, "messages": _is_letters, "date": _is_date}
        asked = await read_object(request, checks, required=("id_acte", "messages"))
        day = date.fromisoformat(asked["date"]) if "date" in asked else None
        with _known():
            sent = await asyncio.to_thread(self._desk.send_letters, asked["id_acte"], asked["messages"], day)
        await self._deliver_due()
        return web.json_response({"messages": sent})

    async def _list_acts(self, _request: web.Request) -> web.Response:
        return web.json_response(self._desk.register.acts())

    async def _list_letters(self, request: web.Request) -> web.Response:
        id_acte = request.match_info["id_acte"]
        with _known():
            self._desk.register.find(id_acte)
        return web.json_response(self._desk.register.letters(id_acte))

    async def _send_notice(self, request: web.Request) -> web.Response:
        checks: dict[str, Check] = {"kind": lambda value: value in NOTICES, "id_acte": is_text}
        asked = await read_object(request, checks, required=("kind",))
        if asked["kind"] == "junk":
            self._desk.send_raw(variants.JUNK)
        elif "id_acte" not in asked:
            raise ControlError("missing key: id_acte")
        else:
            with _known():
                self._desk.remind(asked["id_acte"])
        await self._deliver_due()
        return web.json_response({"sent": asked["kind"]})

    async def _release(self, request: web.Request) -> web.Response:
        asked = await read_object(request, {"order": lambda value: value in ORDERS})
        count = await asyncio.to_thread(self._desk.release, asked.get("order", "first") == "last")
        await self._deliver_due()
        return web.json_response({"released": count})

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


@contextlib.contextmanager
def _known() -> Iterator[None]:
    """An act that was not acknowledged here is a 404."""
    try:
        yield
    except UnknownActe as error:
        raise ControlError(f"no act acknowledged under {error}", status=404) from error


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
