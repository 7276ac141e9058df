"""Three collectivités in two groups with one of everything, every kind of caller, and the server behind a unix socket.

The callers are of the first collectivité; what the others have is told by relation. The certificate comes by header, as
from nginx: thousands of requests then cost no handshake (tests/wire/test_nginx.py has nginx itself in front).
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import asyncpg
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.config import Config
from tdt.deps import open_deps
from tdt.domain.authorities import Module, Permission, Role
from tdt.domain.balance import Heading, Side, document
from tdt.domain.identity import certificate_hash
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind
from tdt.flows import restores
from tdt.passwords import hash_now
from tdt.web.server import start
from tests.postgres import TestDatabase
from tests.rights import PLACEHOLDER, Way
from tests.wire.administration import make_certificate
from tests.wire.client import File, close, multipart, read_answer
from tests.wire.stack import changed

PASSWORD = "mot-de-passe-de-tous"
CLASSIFICATION = (
    b'<actes:RetourClassification xmlns:actes="http://www.interieur.gouv.fr/ACTES#v1.1-20040216">'
    b"<actes:DateClassification>2020-01-01</actes:DateClassification></actes:RetourClassification>"
)
TWIN = "certificat de quelqu'un"
BOUNDARY_TYPE = "multipart/form-data; boundary=----------------------------7a1f0c9be2d4"
HELD = ("colleague", "child", "parent", "house", "group", "foreign")
"""What accounts other than the callers have."""

UNKNOWN: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "acte",
            "letter",
            "file",
            "env",
            "pes",
            "retour",
            "account",
            "authority",
            "service",
            "group",
            "siret",
            "lot",
            "lotfile",
            "balance",
        ),
        "999999999",
    ),
    "unique_id": "034-999999999-20200131-RIEN-DE",
    "siren": "999999999",
    "number": "99999999999999",
}
"""Numbers that nothing has."""

Key = tuple[Role, Permission, Module]


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that calls: its certificate as nginx would pass it, its login, what it owns."""

    header: str
    login: str
    owned: Mapping[str, str]


@dataclass(slots=True)
class World:
    """The running server, and what is in it: ids by relation, then by placeholder."""

    socket: Path
    owner: Any
    queries: list[str] = field(default_factory=list)
    callers: dict[Key, Caller] = field(default_factory=dict)
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    certificates: dict[str, bytes] = field(default_factory=dict)
    """In DER, of the account that deposited, by relation; its login is the name of the relation."""
    twin: bytes = b""

    def objects(self, caller: Caller, relation: str) -> Mapping[str, str]:
        """What stands for the placeholders of a request: what the caller owns, or somebody of this relation."""
        return caller.owned if relation == "self" else self.held[relation]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is compared: status, then Location or the body."""

    status: int
    told: bytes

    @property
    def line(self) -> str:
        return f"{self.status} {self.told.decode('latin-1')}"


class Session:
    """One caller on one connection, opened again when the server closes it."""

    def __init__(self, world: World, caller: Caller):
        self._world, self._caller = world, caller
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, way: Way, values: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """Call as `way` says, with these values for its placeholders."""
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(str(self._world.socket))
        reader, writer = self._streams
        writer.write(self._request(way, values, headers or {}))
        answer = await read_answer(reader)
        if answer.headers.get("connection") == "close":
            await self.close()
        told = answer.headers["location"].encode() if answer.status == 302 else answer.body
        return Answer(answer.status, told)

    async def close(self) -> None:
        """End the connection, if it is open."""
        if self._streams is not None:
            streams, self._streams = self._streams, None
            await close(streams[1])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def _request(self, way: Way, values: Mapping[str, str], more: Mapping[str, str]) -> bytes:
        def fill(template: str) -> str:
            return PLACEHOLDER.sub(lambda found: values[found[1]], template)

        path, fields = fill(way.path), fill(way.fields)
        headers = {"Host": "localhost", "X-Client-Verify": "SUCCESS", "X-Client-Cert": self._caller.header, **more}
        body = b""
        if way.method == "UPLOAD":
            pairs = [part.partition("=") for part in fields.split("&")]
            file = File("c.pem", self._world.twin)
            body = multipart([*((name, value) for name, _, value in pairs), ("certificat", file)])
            headers["Content-Type"] = BOUNDARY_TYPE
        elif way.method == "POST":
            body = fields.encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        elif fields:
            path += f"?{fields}"
        if way.method == "BASIC" and "Authorization" not in more:
            headers["Authorization"] = basic(self._caller.login)
        if body:
            headers["Content-Length"] = str(len(body))
        head = [
            f"{'POST' if body else 'GET'} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def basic(login: str, password: str = PASSWORD) -> str:
    """The header of these credentials."""

    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode("ascii")


@asynccontextmanager
async def run_world(config: Config, database: TestDatabase, tmp_path: Path, monkeypatch: Any) -> AsyncIterator[World]:
    """Start the server with everything in an empty database; it stops with the block."""
    socket = tmp_path / "nginx.sock"
    server = msgspec.structs.replace(
        config.server, listen=f"unix:{socket}", client_certificate="nginx", certificate="", key=""
    )
    config = changed(config, server=server, database=msgspec.structs.replace(config.database, dsn=database.app_dsn))
    owner = await asyncpg.connect(database.owner_dsn)
    world = World(socket, owner)
    _listen_to_queries(world, monkeypatch)
    monkeypatch.setattr(restores, "WATCH_SECONDS", 3600.0)  # only what a request asks of the database is compared
    try:
        await _fill(world)
        async with open_deps(config) as deps, AsyncExitStack() as stack:
            await start(deps, stack)
            yield world
    finally:
        await owner.close()


def _listen_to_queries(world: World, monkeypatch: Any) -> None:
    """Keep every statement that the server sends, in its order."""
    from tdt.db import pool

    prepare = pool._prepare

    async def listening(connection: Any) -> None:
        await prepare(connection)
        connection.add_query_logger(lambda record: world.queries.append(record.query))

    monkeypatch.setattr(pool, "_prepare", listening)


# ---------------------------------------------------------------------------------------------- what there is

PLACES = (("A", "123456782", 0), ("B", "987654324", 0), ("C", "732829320", 1))


SPREAD = """
    select setval(format('%I.%I', schemaname, sequencename)::regclass,
        (100 + row_number() over (order by sequencename)) * 1000000) from pg_sequences where schemaname = 'public'"""
"""Numbers as long as the unknown ones, and found nowhere else in an answer."""


async def _fill(world: World) -> None:
    async with world.owner.transaction():
        await world.owner.execute(SPREAD)
        stored = hash_now(PASSWORD)
        groups = [
            await _id(world, "insert into authority_group (name) values ($1) returning id", n) for n in ("G1", "G2")
        ]
        for group in groups:
            for siren in ("552100554", "356000000"):
                await world.owner.execute("insert into authority_group_siren values ($1, $2)", group, siren)
        route = await _id(
            world,
            "insert into route (name, kind, transport, settings) values ('x', 'actes', 'https', '{}') returning id",
        )
        places = {name: await _place(world, name, siren, (groups[group], route)) for name, siren, group in PLACES}
        home = places["A"]
        tree = await _tree(world, int(home["authority"]))
        for relation in HELD:
            place = places[{"group": "B", "foreign": "C"}.get(relation, "A")]
            account, certificate, _ = await _account(world, relation, Role.USER, place, relation, stored)
            world.certificates[relation] = certificate.public_bytes(Encoding.DER)
            managed, _, _ = await _account(world, f"{relation} administré", Role.USER, place)
            if relation in tree:
                await _join(world, tree[relation], account, place)
            owned = await _deposits(world, relation, account, place, route)
            world.held[relation] = {**place, **owned, "account": str(managed)}
        for role in Role:
            for permission in Permission:
                for module in Module:
                    key = (role, permission, module)
                    world.callers[key] = await _caller(world, key, home, tree["colleague"], route, stored)
        _, _, pem = await _account(world, TWIN, Role.USER, home)
        world.twin = pem


async def _id(world: World, statement: str, *values: object) -> int:
    found: int = await world.owner.fetchval(statement, *values)
    return found


async def _content(world: World, authority: int, data: bytes) -> int:
    return await _id(
        world,
        """insert into content (authority_id, sha256, size, place, data)
        values ($1, sha256($3), $2, 'row', $3) returning id""",
        authority,
        len(data),
        data,
    )


async def _place(world: World, name: str, siren: str, around: tuple[int, int]) -> dict[str, str]:
    """A collectivité in a group, with one of each; `around`: the group, and a route."""
    group, route = around
    authority = await _id(
        world,
        """insert into authority (name, siren, nature, department, district, modules, address, postal_code, city)
        values ($1, $2, 31, '034', '3', '{actes,helios,mail}', 'rue', '34000', 'Ville') returning id""",
        f"Commune {name}",
        siren,
    )
    await world.owner.execute(
        "insert into authority_membership (authority_id, group_id, valid_from) values ($1, $2, '2020-01-01')",
        authority,
        group,
    )
    pdf = await _content(world, authority, b"%PDF-1.4 convention " + name.encode())
    await world.owner.execute("update authority set agreement_content_id = $2 where id = $1", authority, pdf)
    classification = await _content(world, authority, CLASSIFICATION)
    await world.owner.execute(
        "insert into acte_classification (authority_id, date, content_id) values ($1, '2020-01-01', $2)",
        authority,
        classification,
    )
    number, blocked = f"{siren}00010", f"{siren}00028"
    insert = "insert into authority_siret (authority_id, siret) values ($1, $2) returning id"
    await _id(world, insert, authority, number)
    row = await _id(world, insert, authority, blocked)  # apart: callers at work at the same time list the other one
    service = await _service(world, authority, "À part")
    balance = await _id(world, BALANCE, authority, route, document(_heading(authority, name, siren, route), Side(), {}))
    found = {"authority": authority, "group": group, "siret": row, "service": service, "siren": siren, "number": number}
    found["balance"] = balance
    return {key: str(value) for key, value in found.items()}


BALANCE = """
    insert into balance (authority_id, module, route_id, day, balanced, document, sha256)
    values ($1, 'actes', $2, '2020-01-02', true, $3, sha256($3)) returning id"""


def _heading(authority: int, name: str, siren: str, route: int) -> Heading:
    at = datetime(2020, 1, 3, tzinfo=UTC)
    module, day = RouteKind.ACTES, date(2020, 1, 2)
    return Heading(authority, name, siren, module, RouteId(route), "x", False, day, at, at, at, None)


async def _service(world: World, authority: int, name: str, parent: int | None = None) -> int:
    return await _id(
        world,
        "insert into service (authority_id, name, parent_id) values ($1, $2, $3) returning id",
        authority,
        name,
        parent,
    )


async def _tree(world: World, authority: int) -> dict[str, int]:
    """Three services, one above the other: the callers are in the middle one."""
    above = await _service(world, authority, "Direction")
    middle = await _service(world, authority, "Service", above)
    return {"parent": above, "colleague": middle, "child": await _service(world, authority, "Bureau", middle)}


async def _join(world: World, service: int, account: int, place: Mapping[str, str]) -> None:
    await world.owner.execute(
        "insert into service_member (service_id, account_id, authority_id) values ($1, $2, $3)",
        service,
        account,
        int(place["authority"]),
    )


async def _account(
    world: World, name: str, role: Role, place: Mapping[str, str], login: str | None = None, stored: str | None = None
) -> tuple[int, x509.Certificate, bytes]:
    pem = make_certificate(name)
    certificate = x509.load_pem_x509_certificate(pem)
    account = await _id(
        world,
        """insert into account (role, name, authority_id, group_id, certificate_hash, certificate, login, password_hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8) returning id""",
        str(role),
        name,
        int(place["authority"]),
        int(place["group"]) if role is Role.GADM else None,
        certificate_hash(certificate.public_bytes(Encoding.DER)),
        pem.decode("ascii"),
        login,
        stored,
    )
    return account, certificate, pem


async def _caller(world: World, key: Key, home: Mapping[str, str], service: int, route: int, stored: str) -> Caller:
    role, permission, module = key
    login = f"{role}-{permission}-{module}"
    account, _, pem = await _account(world, login, role, home, login, stored)
    for one in Module:
        await world.owner.execute(
            "insert into account_permission (account_id, authority_id, module, permission) values ($1, $2, $3, $4)",
            account,
            int(home["authority"]),
            str(one),
            str(permission if one is module else Permission.NONE),
        )
    await _join(world, service, account, home)
    owned = await _deposits(world, login, account, home, route)
    return Caller(quote(pem), login, {**home, **owned, "account": str(account)})


async def _deposits(world: World, name: str, account: int, place: Mapping[str, str], route: int) -> dict[str, str]:
    """An acte with its AR and a PES with its acquit, deposited by an account."""
    authority = int(place["authority"])
    archive = await _content(world, authority, b"archive")
    envelope = await _id(
        world,
        """insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, content_id)
        values ($1, $2, $3, $4, $4, $5) returning id""",
        authority,
        account,
        route,
        f"{name}.tar.gz",
        archive,
    )
    unique_id = f"034-{place['siren']}-20200131-{account}-DE"
    acte = await _id(
        world,
        """insert into acte_transaction (authority_id, account_id, envelope_id, type, number, unique_id, status)
        values ($1, $2, $3, 1, $4, $5, 4) returning id""",
        authority,
        account,
        envelope,
        f"N{account}",
        unique_id,
    )
    pdf, ar = await _content(world, authority, b"%PDF-1.4 acte"), await _content(world, authority, b"<AR/>")
    file = await _id(
        world,
        """insert into acte_file (authority_id, envelope_id, transaction_id, position, name, mimetype, size, content_id)
        values ($1, $2, $3, 1, 'acte.pdf', 'application/pdf', 13, $4) returning id""",
        authority,
        envelope,
        acte,
        pdf,
    )
    await world.owner.execute(
        "insert into acte_workflow (authority_id, transaction_id, status, flux_content_id) values ($1, $2, 4, $3)",
        authority,
        acte,
        ar,
    )
    letter = await _letter(world, (account, acte, route), authority, unique_id)
    pes = await _pes(world, name, account, place, route)
    lot = await _id(
        world,
        "insert into acte_batch (authority_id, account_id, description) values ($1, $2, 'lot') returning id",
        authority,
        account,
    )
    lotfile = await _id(
        world,
        """insert into acte_batch_file (authority_id, batch_id, posted_filename, size, content_id)
        values ($1, $2, 'a.pdf', 13, $3) returning id""",
        authority,
        lot,
        await _content(world, authority, b"%PDF-1.4 lot"),
    )
    found = {
        "lot": lot,
        "lotfile": lotfile,
        "acte": acte,
        "letter": letter,
        "unique_id": unique_id,
        "env": envelope,
        "file": file,
        "pes": pes,
        "retour": await _retour(world, name, place, route),
    }
    return {key: str(value) for key, value in found.items()}


async def _letter(world: World, about: tuple[int, int, int], authority: int, unique_id: str) -> int:
    """A demande de pièces that nobody has read, with its archive; `about`: account, acte, route."""
    account, acte, route = about
    archive = await _content(world, authority, b"courrier")
    envelope = await _id(
        world,
        """insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, content_id, received)
        values ($1, $2, $3, $4, $4, $5, true) returning id""",
        authority,
        account,
        route,
        f"courrier-{acte}.tar.gz",
        archive,
    )
    return await _id(
        world,
        """insert into acte_transaction
            (authority_id, account_id, envelope_id, related_id, type, number, unique_id, status, letter_date)
        values ($1, $2, $3, $4, 3, 'N', $5, 7, '2020-03-01') returning id""",
        authority,
        account,
        envelope,
        acte,
        unique_id,
    )


async def _pes(world: World, name: str, account: int, place: Mapping[str, str], route: int) -> int:
    authority = int(place["authority"])
    data, acquit = await _content(world, authority, b"<PES/>"), await _content(world, authority, b"<ACQUIT/>")
    pes = await _id(
        world,
        """insert into helios_transaction (authority_id, account_id, route_id, siren, filename, content_id, sha1, size,
            status, acquit_content_id, acquit_filename)
        values ($1, $2, $3, $4, 'pes.xml', $5, $6, 6, 8, $7, 'acquit.xml') returning id""",
        authority,
        account,
        route,
        place["siren"],
        data,
        hashlib.sha1(name.encode()).digest(),
        acquit,
    )
    await world.owner.execute(
        "insert into helios_workflow (authority_id, transaction_id, status, message) values ($1, $2, 8, 'là')",
        authority,
        pes,
    )
    return pes


async def _retour(world: World, name: str, place: Mapping[str, str], route: int) -> int:
    """A PES_Retour that nobody has read: of the collectivité, whoever calls it its own."""
    authority = int(place["authority"])
    content = await _content(world, authority, b"<PES_Retour/>")
    received = await _id(
        world,
        "insert into received (route_id, remote_key, name, content_id) values ($1, $2, 'r.xml', $3) returning id",
        route,
        f"retour de {name}",
        content,
    )
    return await _id(
        world,
        """insert into helios_retour (authority_id, received_id, content_id, name)
        values ($1, $2, $3, 'r.xml') returning id""",
        authority,
        received,
        content,
    )
