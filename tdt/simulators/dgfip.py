"""The DGFiP of a sandbox: gateway, Guichet XML, answers after a delay, and its part of the control API."""

import asyncio
import base64
import binascii
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from tdt.simulators.control import (
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
from tdt.simulators.dgfip_acquit import acquit_name
from tdt.simulators.dgfip_ftp import FtpGateway
from tdt.simulators.dgfip_guichet import Guichet, Verdict
from tdt.simulators.dgfip_intake import ACKNOWLEDGE, DEFAULTS, DELIVER, Intake, plain_name
from tdt.simulators.dgfip_retour import LARGEST, SEQUENCES, Retour, Wanted, build_retour
from tdt.simulators.dgfip_sftp import SftpServer
from tdt.simulators.journal import Due, Journal, Stored

log = logging.getLogger(__name__)

MODES = (
    *("ok", "auto", "ko", "ko_piece", "ko_bordereau", "ko_pj", "technical"),
    *("duplicate", "v1", "stray", "no_codcol", "never"),
)
CHECKS = {
    "acquit": lambda value: value in MODES,
    "delay": is_seconds,
    "outage": is_boolean,
    "retours": lambda value: value == "none" or value in SEQUENCES,
    "retour_delay": is_seconds,
    "cut_at": lambda value: value is None or is_integer(0, 1 << 40)(value),
}


RETOUR_ORDER = {
    "id_coll": is_text,
    "kind": is_text,
    "restitution": is_text,
    "state": is_text,
    "reissue": is_boolean,
    "orders": is_boolean,
    "size": is_integer(0, LARGEST),
}
OTHERS = {
    "ocr": (".ocr", b"OCR DE SIMULATION\r\n"),
    "ocre": (".OCRE", b"OCRE DE SIMULATION\r\n"),
    "unknown_root": (".xml", b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:Inconnu xmlns:n="urn:simulation"/>\n'),
    "empty": (".xml", b""),
}
"""Other files that the DGFiP leaves: how their names end, what is in them."""


def is_siret(text: str) -> bool:
    """Fourteen digits: the DGFiP looks no further."""
    return len(text) == 14 and text.isascii() and text.isdigit()


class Dgfip:
    """Everything of the DGFiP in one object: start it, mount its routes, stop it."""

    def __init__(self, config: dict[str, Any], journal: Journal):
        self._journal = journal
        self._intake = Intake(
            journal, config.get("send_directory", "entree"), config.get("receive_directory", "sortie")
        )
        self._guichet = Guichet(journal, Path(config["schemas"]) if config.get("schemas") else None)
        self._ftp = FtpGateway(config, self._intake) if config.get("ftp_port") is not None else None
        self._sftp = SftpServer(config, self._intake) if config.get("sftp_port") is not None else None
        self._delivering = threading.Lock()
        self._wake = asyncio.Event()
        self._answering: asyncio.Task[None] | None = None
        self._current: asyncio.Future[None] | None = None  # the answer under way, in its thread

    @property
    def ftp_port(self) -> int:
        return self._ftp.port if self._ftp else 0

    @property
    def sftp_port(self) -> int:
        return self._sftp.port if self._sftp else 0

    async def start(self) -> None:
        await asyncio.to_thread(self._intake.open)
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._intake.on_due = wake
        self._answering = asyncio.create_task(self._answer_for_ever())
        if self._ftp:
            await asyncio.to_thread(self._ftp.start)
        if self._sftp:
            await self._sftp.start()

    async def stop(self) -> None:
        """End the servers first: nothing is received that would not be answered."""
        if self._sftp:
            await self._sftp.stop()
        if self._ftp:
            await asyncio.to_thread(self._ftp.stop)
        if self._answering:
            self._answering.cancel()
            await asyncio.gather(self._answering, *filter(None, [self._current]), return_exceptions=True)

    def reset(self) -> None:
        """Default behaviours, empty lists, empty directories, no answer due."""
        with self._delivering:
            self._intake.reset()

    # --- answers

    async def _answer_for_ever(self) -> None:
        while True:
            self._wake.clear()
            for due in self._journal.due():
                self._current = asyncio.ensure_future(asyncio.to_thread(self._answer, due))
                try:
                    await asyncio.shield(self._current)
                except Exception:  # the top of a server: one answer that fails must not silence the others
                    log.exception("answer %d of the DGFiP failed", due.id)
                    await asyncio.sleep(1)
            following = self._journal.next_due()
            wait = None if following is None else max(0.0, following - datetime.now(UTC).timestamp())
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                continue

    def _answer(self, due: Due) -> None:
        if due.payload["do"] == DELIVER:
            self._deliver(due)
        elif due.payload["do"] == ACKNOWLEDGE:
            self._acknowledge(due)

    def _deliver(self, due: Due) -> None:
        with self._delivering:
            for current in self._journal.due():
                if current.id == due.id:  # neither done meanwhile by the other caller, nor reset
                    name = current.payload["name"]
                    deliver(self._journal, current, self._intake.staging, self._intake.receive / name)

    def _acknowledge(self, due: Due) -> None:
        """Read the flow, decide, and in one commit replace this answer by the files that it has become."""
        generation = self._intake.generation()
        token = due.payload["body"]
        path = self._journal.body_path(Stored(token, 0, ""))
        try:
            verdict = self._guichet.judge(path, token, due.payload["mode"], due.payload["p_msg_matches"])
        except FileNotFoundError:
            verdict = None  # a reset came in between
        now = datetime.now(UTC)
        with self._journal.transaction():
            if self._intake.generation() != generation:
                return
            self._journal.complete(due.id)
            if verdict is not None:
                self._guichet.register(verdict)
                self._enqueue(verdict, now)
                if verdict.used:
                    self._enqueue_retours(verdict, now, *due.payload.get("retours", ("none", 0)))

    def _enqueue(self, verdict: Verdict, now: datetime) -> None:
        for content in verdict.acquits:
            name = acquit_name(verdict.flow, self._journal.next_serial("acquit"), now)
            self._journal.add_due(now.timestamp(), {"do": DELIVER, "name": name}, content)

    def _enqueue_retours(self, verdict: Verdict, now: datetime, course: str, delay: float) -> None:
        """What becomes of the pièces of an accepted flow, day after day, each day `delay` seconds long."""
        siret = verdict.flow.header.get("IdColl", "")
        domains = dict.fromkeys(one.domain for one in verdict.flow.bordereaux)
        for domain in domains if is_siret(siret) else ():
            for day, (restitution, state) in enumerate(SEQUENCES.get(course, {}).get(domain, ()), 1):
                retour = self._retour(Wanted(siret, domain, restitution, state))
                self._journal.add_due(
                    now.timestamp() + day * delay, {"do": DELIVER, "name": retour.name}, retour.content
                )

    def _retour(self, wanted: Wanted) -> Retour:
        header = self._guichet.known_header(wanted.siret)
        sent = self._guichet.known_bordereau(wanted.siret, wanted.kind)
        return build_retour(wanted, header, self._retour_instant(), sent)

    # --- control

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            *received_routes("/dgfip", self._journal),
            behaviour_route("/dgfip", self._journal, DEFAULTS, CHECKS),
            web.post("/dgfip/retour", self._post_retour),
            web.post("/dgfip/other", self._post_other),
            web.post("/dgfip/deposit", self._post_deposit),
        ]

    async def _post_retour(self, request: web.Request) -> web.Response:
        order = await read_object(request, RETOUR_ORDER, required=("id_coll", "kind"))
        wanted = Wanted(siret=order.pop("id_coll"), **order)
        if not is_siret(wanted.siret):
            raise ControlError("id_coll must be a SIRET of 14 digits")
        if fault := wanted.fault():
            raise ControlError(fault)
        retour = await asyncio.to_thread(self._retour, wanted)
        await asyncio.to_thread(self._intake.deposit, retour.name, retour.content, self._deliver)
        return web.json_response({"name": retour.name, "size": len(retour.content)})

    async def _post_other(self, request: web.Request) -> web.Response:
        """A file that is neither an acquit nor a PES_Retour."""
        order = await read_object(request, {"kind": is_text}, required=("kind",))
        if order["kind"] not in OTHERS:
            raise ControlError(f"kind must be one of {', '.join(OTHERS)}")
        ending, content = OTHERS[order["kind"]]
        name = f"SIMULATION_{self._journal.next_serial('other'):06d}{ending}"
        await asyncio.to_thread(self._intake.deposit, name, content, self._deliver)
        return web.json_response({"name": name, "size": len(content)})

    def _retour_instant(self) -> datetime:
        """Now, or the first second no other PES_Retour has in its name."""
        with self._journal.transaction():
            last = datetime.fromtimestamp(self._journal.get("last_retour", 0), UTC)
            instant = max(datetime.now(UTC).replace(microsecond=0), last + timedelta(seconds=1))
            self._journal.put("last_retour", int(instant.timestamp()))
        return instant

    async def _post_deposit(self, request: web.Request) -> web.Response:
        order = await read_object(
            request, {"name": is_text, "content_base64": is_text}, required=("name", "content_base64")
        )
        if not plain_name(order["name"]):
            raise ControlError("name must be the plain name of a file")
        try:
            content = base64.b64decode(order["content_base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ControlError(f"content_base64 cannot be decoded: {error}") from error
        await asyncio.to_thread(self._intake.deposit, order["name"], content, self._deliver)
        return web.json_response({"name": order["name"], "size": len(content)})
