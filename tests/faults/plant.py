"""The pipeline under test: real Postgres, spool and flows; a préfecture and a DGFiP that fail as they are told."""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tdt.config import Actes, Config, Conventions, Credentials, Database, Helios, Spool, Worker
from tdt.db import accounts as accounts_db
from tdt.db import authorities as authorities_db
from tdt.db import routes as routes_db
from tdt.db.audit import insert_audit
from tdt.db.classifications import insert_classification
from tdt.db.content import insert_content, insert_small
from tdt.db.jobs import insert_job
from tdt.db.routes import insert_received
from tdt.deps import Deps, open_deps
from tdt.documents.spool import SpoolWriter
from tdt.domain.actes.mail import parse_mail
from tdt.domain.actes.model import PostedFile, Submission
from tdt.domain.actes.returns import RetourClassification, read_mail
from tdt.domain.authorities import Module, Permission, Principal, Role, User
from tdt.domain.content import Body
from tdt.domain.identity import Identity
from tdt.domain.ids import ActeId, AuthorityId, EnvelopeId, HeliosId, ReceivedId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route, RouteKind, Transport
from tdt.flows import actes_receive, actes_send, actes_submit, helios_receive, helios_send, helios_submit
from tests.certificates import Files, TestAuthority
from tests.pdf_files import PDF, small_pdf
from tests.postgres import TestDatabase
from tests.servers import LOGIN, PASSWORD, Behaviour, Played, ftp_server
from tests.unit.actes import mails
from tests.unit.actes.mails import raw_mail, sample, xml

SIREN, OTHER_SIREN = "123456782", "987654324"
BIG_PDF = small_pdf(random.Random(1).randbytes(1_000_000))
"""Too large for a row, and it cannot be compressed: act and archive go through the spool."""
WINDOW = timedelta(seconds=900)
SECONDS = 20.0


class Clock:
    """The time of the program under test: the real one, moved on by the test, or fixed."""

    def __init__(self) -> None:
        self.offset = timedelta()
        self.fixed: datetime | None = None

    def __call__(self) -> datetime:
        return self.fixed or datetime.now(UTC) + self.offset


@dataclass(slots=True)
class Prefecture:
    """A real HTTPS server. `mode`: accept, refuse (HTTP 403), hang (takes everything, never answers), cut (at 90 %)."""

    port: int = 0
    mode: str = "accept"
    parcels: list[tuple[str, bytes]] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        """One POST of one archive."""
        if self.mode == "cut":
            await self._cut(request)
        reader = await request.multipart()
        part = await reader.next()
        assert part is not None and not isinstance(part, type(reader))
        self.parcels.append((str(part.filename), bytes(await part.read())))  # type: ignore[union-attr]
        self.whole.set()
        if self.mode == "hang":
            await self.leaving.wait()
        return web.Response(status=403 if self.mode == "refuse" else 200)

    async def _cut(self, request: web.Request) -> None:
        left = int(request.headers["Content-Length"]) * 9 // 10
        while left > 0:
            left -= len(await request.content.read(min(left, 1000)))
        assert request.transport is not None
        request.transport.abort()


@asynccontextmanager
async def prefecture_server(files: Files) -> AsyncIterator[Prefecture]:
    """On 127.0.0.1, until the block ends."""

    prefecture = Prefecture()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post("/", prefecture.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    prefecture.port = runner.addresses[0][1]
    try:
        yield prefecture
    finally:
        prefecture.leaving.set()
        await runner.cleanup()


@dataclass(slots=True)
class Plant:
    """Everything a test of faults needs. `owner` sees all rows, as the tables' owner."""

    deps: Deps
    clock: Clock
    database: TestDatabase
    prefecture: Prefecture
    ftp: Played
    people: dict[str, Principal]
    routes: dict[RouteKind, Route]

    async def fetch(self, query: str, *values: object) -> list[Any]:
        """Rows, in scope `system`."""
        async with self.deps.transaction("system") as connection:
            return await connection.fetch(query, *values)

    async def value(self, query: str, *values: object) -> Any:
        """One value, in scope `system`."""
        async with self.deps.transaction("system") as connection:
            return await connection.fetchval(query, *values)

    def elapse(self, span: timedelta) -> None:
        """Let time pass for the program (Postgres keeps the real one)."""
        self.clock.offset += span

    def spooled(self) -> list[str]:
        """The files that lie in the spool."""
        return sorted(path.name for path in self.deps.spool.directory.iterdir() if path.is_file())

    async def body(self, data: bytes) -> Body:
        """A body as the upload leaves it."""
        return await (await self._written(data)).finish()

    async def _written(self, data: bytes) -> SpoolWriter:
        writer = self.deps.spool.writer()
        writer.write(data)
        return writer

    # --- ACTES

    async def submit_acte(self, number: str = "2026_017", who: str = "A", pdf: bytes = PDF, **choices: bool) -> ActeId:
        """As the API does."""
        submission = Submission(
            nature_code="1",
            number=number,
            decision_date="2026-03-09",
            subject="Été",
            classif=("7", "5"),
            type_acte="99_DE",
            acte=PostedFile("acte.pdf", len(pdf), pdf[:4096]),
            **choices,  # type: ignore[arg-type]
        )
        bodies = actes_submit.SubmittedBodies(await self.body(pdf))
        return await actes_submit.submit(self.deps, self.people[who], submission, bodies)

    async def envelope_of(self, acte: ActeId) -> EnvelopeId:
        return EnvelopeId(await self.value("select envelope_id from acte_transaction where id = $1", acte))

    async def packaged_acte(
        self, number: str = "2026_017", who: str = "A", pdf: bytes = PDF
    ) -> tuple[ActeId, EnvelopeId]:
        """An act at 2, ready to be sent."""
        acte = await self.submit_acte(number, who, pdf)
        envelope = await self.envelope_of(acte)
        await actes_send.analyse(self.deps, acte)
        await actes_send.package(self.deps, envelope)
        assert await self.acte_status(acte) == 2
        return acte, envelope

    async def acte_status(self, acte: ActeId) -> int:
        return int(await self.value("select status from acte_transaction where id = $1", acte))

    async def acte_life(self, acte: ActeId) -> list[int]:
        """The statuses of the workflow, in their order."""
        rows = await self.fetch("select status from acte_workflow where transaction_id = $1 order by id", acte)
        return [row["status"] for row in rows]

    async def deliver(self, raw: bytes, kind: RouteKind = RouteKind.ACTES, name: str = "1/1") -> ReceivedId:
        """A mail, or a file of the DGFiP, that a listener has stored."""
        number = await self.value("select count(*) from received")
        return await self.deliver_as(f"{name}/{number}", raw, kind, name)

    async def deliver_as(
        self, key: str, raw: bytes, kind: RouteKind = RouteKind.ACTES, name: str = "1/1"
    ) -> ReceivedId:
        """The same, with the key of the remote end."""
        body = await self.body(raw)
        job = JobKind.ACTES_INGEST if kind is RouteKind.ACTES else JobKind.HELIOS_INGEST
        async with self.deps.transaction("system") as connection:
            content = await insert_content(connection, None, body)
            received = await insert_received(connection, self.routes[kind].id, key, name, content)
            await insert_job(connection, job, None, received)
        return received

    async def ingest(self, raw: bytes) -> tuple[str, AuthorityId | None]:
        """Deliver a mail and read it; gives what was made of it and for whom."""
        received = await self.deliver(raw)
        await actes_receive.ingest(self.deps, received)
        return await self.handling(received)

    async def handling(self, received: ReceivedId) -> tuple[str, AuthorityId | None]:
        [row] = await self.fetch("select state, authority_id from received where id = $1", received)
        return row["state"], row["authority_id"]

    # --- HELIOS

    async def submit_pes(self, data: bytes, who: str = "A") -> HeliosId:
        body = await self.body(data)
        return await helios_submit.submit(self.deps, self.people[who], "flux.xml", body, must_signed=False)

    async def queued_pes(self, data: bytes, who: str = "A") -> HeliosId:
        """A flow at 2, ready to be sent."""
        flow = await self.submit_pes(data, who)
        await helios_send.analyse(self.deps, flow)
        assert await self.helios_status(flow) == 2
        return flow

    async def helios_status(self, flow: HeliosId) -> int:
        return int(await self.value("select status from helios_transaction where id = $1", flow))

    async def helios_life(self, flow: HeliosId) -> list[int]:
        rows = await self.fetch("select status from helios_workflow where transaction_id = $1 order by id", flow)
        return [row["status"] for row in rows]

    async def ingest_file(self, data: bytes, name: str = "ACK.xml") -> tuple[str, AuthorityId | None]:
        received = await self.deliver(data, RouteKind.HELIOS, name)
        await helios_receive.ingest(self.deps, received)
        return await self.handling(received)

    async def read_again(self, received: ReceivedId) -> None:
        """The runner's second try, after a conflict."""
        await helios_receive.ingest(self.deps, received)

    async def outcomes(self) -> list[str | None]:
        """Of the attempts, in their order."""
        return [row["outcome"] for row in await self.fetch("select outcome from attempt order by id")]


def acte_mail(
    root: str, attributes: str = "", content: str = "", siren: str = SIREN, number: str = "2026_017"
) -> bytes:
    """A mail of the ministry about an act of 2026-03-09, with the envelope that tells the SIREN."""
    echo = (
        f'<actes:ActeRecu actes:Date="2026-03-09" actes:NumeroInterne="{number}" actes:CodeNatureActe="1">'
        "<actes:Objet>Été</actes:Objet></actes:ActeRecu>"
    )
    name = f"034-{siren}-20260309-{number}-DE-{'1-2' if root == 'ARActe' else '1-3'}_1.xml"
    envelope = xml(
        "EnveloppeMISILLCL",
        "",
        f"<actes:FormulairesEnvoyes><actes:Formulaire><actes:NomFichier>{name}</actes:NomFichier></actes:Formulaire>"
        f'</actes:FormulairesEnvoyes><actes:Destinataire insee:SIREN="{siren}"/>',
    )
    return raw_mail(
        (f"EACT--SPREF0343-{siren}-20260310-1.xml", envelope), (name, xml(root, attributes, content + echo))
    )


def ar_mail(siren: str = SIREN, number: str = "2026_017") -> bytes:
    unique_id = f"034-{siren}-20260309-{number}-DE"
    return acte_mail("ARActe", f'actes:IDActe="{unique_id}" actes:DateReception="2026-03-10"', "", siren, number)


def anomaly_mail(nature: str, siren: str = SIREN, number: str = "2026_017") -> bytes:
    content = f"<actes:Nature>{nature}</actes:Nature><actes:Detail>Détail</actes:Detail>"
    return acte_mail("AnomalieActe", "", content, siren, number)


def envelope_anomaly_mail(envelope_name: str) -> bytes:
    content = "<actes:Nature>999</actes:Nature><actes:Detail>Détail</actes:Detail>"
    return raw_mail((f"ANO_{envelope_name}", xml("AnomalieEnveloppe", "", content)))


def acquit(nomfic: str = "FLUX-ESSAI-1", cod_col: str | None = "012", note: str = "") -> bytes:
    """A PES_ACQUIT; `note` makes its bytes different."""
    column = f'<CodCol V="{cod_col}"/>' if cod_col is not None else ""
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?><!--{note}-->\n<n:PES_ACQUIT xmlns:n="urn:essai">'
        f'<Enveloppe><Parametres><NomFic V="{nomfic}"/></Parametres></Enveloppe><EnTetePES>{column}</EnTetePES>'
        '<ACQUIT><ElementACQUIT><EtatAck V="1"/></ElementACQUIT></ACQUIT></n:PES_ACQUIT>'
    ).encode("latin-1")


def classification() -> tuple[date, bytes]:
    """That of tests/data/actes."""
    [answer] = read_mail(parse_mail(sample("7-2-classification.eml")))
    assert isinstance(answer, RetourClassification)
    return answer.date, answer.xml


@asynccontextmanager
async def plant(database: TestDatabase, directory: Path, /, **sections: msgspec.Struct) -> AsyncIterator[Plant]:
    """Two collectivités, A and B, on a route to a préfecture and one to a DGFiP; `sections` replace those of Config.

    They need no convention: tests of conventions sign their own.
    """
    pki = TestAuthority(directory)
    client = pki.client("tdt")
    password = directory / "password"
    password.write_text(PASSWORD)
    secrets = Credentials(
        certificate=client.certificate,
        key=client.key,
        authorities=pki.path,
        login=LOGIN,
        password_file=str(password),
        mailbox_login=LOGIN,
        mailbox_password_file=str(password),
    )
    config = Config(
        database=Database(dsn=database.app_dsn, wait_seconds=5.0),
        spool=Spool(directory=str(directory / "spool")),
        actes=Actes(return_addresses=["retours@tdt.test"], poll_seconds=0.2),
        helios=Helios(poll_seconds=0.2, stable_seconds=0.01),
        worker=Worker(heartbeat_seconds=0.2, dead_after_seconds=0.8, poll_seconds=0.5, shutdown_seconds=5.0),
        conventions=Conventions(required=False),
        credentials={"actes": msgspec.structs.replace(secrets, login="", password_file=""), "helios": secrets},
    )
    config = msgspec.structs.replace(config, **sections)
    clock = Clock()
    with ftp_server(directory / "ftp", Behaviour()) as ftp:
        async with prefecture_server(pki.server()) as prefecture, open_deps(config) as opened:
            deps = replace(opened, now=clock)
            routes = await _add_routes(deps, prefecture.port, ftp.port)
            people = {
                name: await _add_collectivity(deps, name, siren, routes)
                for name, siren in (("A", SIREN), ("B", OTHER_SIREN))
            }
            yield Plant(deps, clock, database, prefecture, ftp, people, routes)


async def _add_routes(deps: Deps, https: int, ftp: int) -> dict[RouteKind, Route]:
    addresses: dict[RouteKind, tuple[Transport, dict[str, object]]] = {
        RouteKind.ACTES: (Transport.HTTPS, {"url": f"https://localhost:{https}/", "imap_host": "127.0.0.1"}),
        RouteKind.HELIOS: (
            Transport.FTP_GATEWAY,
            {"host": "127.0.0.1", "port": ftp, "send_directory": "entree", "receive_directory": "sortie"},
        ),
    }
    routes = {}
    async with deps.transaction("system") as connection:
        for kind, (transport, settings) in addresses.items():
            new = routes_db.NewRoute(kind, transport, kind, settings, credentials=kind)
            number = RouteId(await routes_db.insert_route(connection, new))
            routes[kind] = Route(number, kind, transport, new.name, settings, new.credentials)
    return routes


async def _add_collectivity(deps: Deps, name: str, siren: str, routes: dict[RouteKind, Route]) -> Principal:
    day, held = classification()
    modules = frozenset(Module)
    async with deps.transaction("system") as connection:
        new = authorities_db.NewAuthority(name, siren, 31, "034", "3", email="mairie@example.fr", p_dest="VHPCE31")
        authority_id = await authorities_db.insert_authority(connection, new)
        account = accounts_db.NewAccount(Role.USER, name, f"hash-{name}", authority_id, email="agent@example.fr")
        account_id = await accounts_db.insert_account(connection, account)
        for route in routes.values():
            await routes_db.insert_authority_route(connection, authority_id, route.kind, route.id, date(2020, 1, 1))
        await insert_classification(connection, authority_id, day, await insert_small(connection, authority_id, held))
        await insert_audit(connection, (authority_id, account_id), "test:plant:made")
        authority = await authorities_db.get_authority(connection, authority_id)
    assert authority is not None
    rights = dict.fromkeys(modules, Permission.TT)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    user = User(
        account_id, authority_id, None, Role.USER, 1, name, "", "", "", None, f"hash-{name}", "", "", now, rights
    )
    return Principal(user, authority, Identity(f"hash-{name}", b"", "", "", now, True))


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = SECONDS) -> None:
    """Ask until it is so; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


async def until_blocked(connection: Any, what: str) -> None:
    """Until a transaction waits for a lock, such as one that this connection holds."""

    async def is_blocked() -> bool:
        return bool(await connection.fetchval("select count(*) from pg_locks where not granted"))

    await until(is_blocked, what)


LETTERS = {
    "2-1": ("CourrierSimple", ""),
    "3-1": ("DemandePieceComplementaire", "<actes:DescriptionPieces>Plan du bâtiment</actes:DescriptionPieces>"),
    "4-1": ("LettreObservations", "<actes:Motif>Délégation absente</actes:Motif>"),
    "5-1": (
        "DefereTA",
        "<actes:DateDepot>2026-07-02</actes:DateDepot><actes:NatureIllegalite>Incompétence</actes:NatureIllegalite>",
    ),
}


def letter_mail(
    code: str,
    act: str = f"034-{SIREN}-20260309-2026_017-DE",
    siren: str = SIREN,
    serial: int = 19,
    pdf: bytes | None = b"%PDF-1.4\nlettre",
) -> bytes:
    """A mail with a letter about this act; without `pdf` its document is missing. `siren`: whom the envelope is for."""
    root, content = LETTERS[code]
    name, document = f"{act}-{code}_{serial}.xml", f"{act}-{code}_{serial - 1}.pdf"
    dated = "" if code == "5-1" else 'actes:DateCourrierPref="2026-07-02" '
    file = f"<actes:NomFichier>{document}</actes:NomFichier>"
    listed = (
        f"<actes:PiecesJointes><actes:PieceJointe>{file}</actes:PieceJointe></actes:PiecesJointes>"
        if code == "5-1"
        else f"<actes:Document>{file}</actes:Document>"
    )
    files = [
        (f"EACT--SPREF0343-{siren}-20260702-{serial}.xml", mails.envelope(name, siren=siren)),
        (name, xml(root, f'{dated}actes:IDActe="{act}"', content + listed)),
    ]
    return mails.raw_mail(*files, *([(document, pdf)] if pdf is not None else []))


AR_ROOTS = {"3-5": "ARPieceComplementaire", "4-5": "ARReponseRejetLettreObservations", "6-2": "ARAnnulation"}


def reply_ar_mail(code: str, act: str, siren: str = SIREN) -> bytes:
    """The AR of an answer to the letter of 2026-07-02 (3-5, 4-5), or of an annulation (6-2)."""
    name = f"{act}-{code}_1.xml"
    letter = f'<actes:InfosCourrierPref actes:DateCourrierPref="2026-07-02" actes:IDActe="{act}"/>'
    received = 'actes:DateReception="2026-07-08"'
    message = (
        xml(AR_ROOTS[code], f'{received} actes:IDActe="{act}"')
        if code == "6-2"
        else xml(AR_ROOTS[code], received, letter)
    )
    return mails.raw_mail(
        (f"EACT--SPREF0343-{siren}-20260708-1.xml", mails.envelope(name, siren=siren)), (name, message)
    )
