"""Lists fetched by the running server: a revocation that comes, a forged list, an authority without proof."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.files import read_certificates
from tdt.config import Config, Revocation, RevocationIssuer
from tdt.sandbox.pki import Pki
from tdt.web import server
from tests.postgres import TestDatabase
from tests.wire.client import close, read_answer
from tests.wire.stack import Stack, changed, run_stack
from tests.wire.test_server import over_unix, plain

TEST = "/api/test-connexion.php"


@dataclass(slots=True)
class Publisher:
    """The web server of an authority: what it gives, and how often it was asked."""

    data: bytes = b""
    asked: int = 0
    again: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        self.again.set()
        return web.Response(body=self.data) if self.data else web.Response(status=503)

    async def wait_asked(self) -> None:
        self.again.clear()
        await asyncio.wait_for(self.again.wait(), 10)


@pytest.fixture
async def publisher() -> AsyncIterator[tuple[Publisher, str]]:
    publisher = Publisher()
    app = web.Application()
    app.router.add_get("/list.crl", publisher.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield publisher, f"http://127.0.0.1:{runner.addresses[0][1]}/list.crl"
    await runner.cleanup()


def fetching(config: Config, pki: Pki, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(server, "RELOAD_SECONDS", 0.05)
    issuer = RevocationIssuer(certificate=str(pki.connect / "serveurs.pem"), proof="hard", crl=[url])
    revocation = Revocation(cache=str(tmp_path / "cache"), fetch_seconds=0.05, issuer=[issuer])
    return changed(config, revocation=revocation, server=msgspec.structs.replace(config.server, crl_directory=""))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


async def passes(stack: Stack, account: str) -> bool:
    try:
        return (await stack.client(account).get(TEST)).body == b"OK"
    except asyncio.IncompleteReadError:
        return False


async def test_a_list_is_fetched_and_revokes_on_an_open_connection(
    config: Config,
    database: TestDatabase,
    pki: Pki,
    tmp_path: Path,
    publisher: tuple[Publisher, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority, url = publisher
    async with run_stack(fetching(config, pki, tmp_path, url, monkeypatch), database, pki) as stack:
        await authority.wait_asked()
        refused = await stack.client("revoked").get(TEST)
        assert "la liste de révocation de son autorité".encode("latin-1") in refused.body
        reader, writer = await stack.client("revoked").connect()
        authority.data = (pki.crl / "serveurs.crl").read_bytes()
        await until(lambda: passes(stack, "certonly"))
        writer.write(plain(TEST))
        with pytest.raises(asyncio.IncompleteReadError):
            await read_answer(reader)
        await close(writer)


async def test_a_forged_list_and_an_outage_leave_the_good_one_in_force(
    config: Config,
    database: TestDatabase,
    pki: Pki,
    tmp_path: Path,
    publisher: tuple[Publisher, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority, url = publisher
    authority.data = (pki.crl / "serveurs.crl").read_bytes()
    async with run_stack(fetching(config, pki, tmp_path, url, monkeypatch), database, pki) as stack:
        await until(lambda: passes(stack, "certonly"))
        for bad in (forged(pki), b"", os.urandom(64)):
            authority.data = bad
            await authority.wait_asked()
            await until(lambda: failing(stack))
            assert await passes(stack, "certonly")
            assert not await passes(stack, "revoked")


async def failing(stack: Stack) -> bool:
    measures = (await over_unix(stack.health, plain("/metrics"))).body.decode()
    return any(
        line.startswith("tdt_revocation_list_failed{") and line.endswith(" 1.0") for line in measures.split("\n")
    )


def forged(pki: Pki) -> bytes:
    """The list of the authority's name, without any revocation, by another key."""
    genuine = x509.load_der_x509_crl((pki.crl / "serveurs.crl").read_bytes())
    name = read_certificates(str(pki.connect / "serveurs.pem"))[0].subject
    assert genuine.next_update_utc is not None
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(genuine.last_update_utc).next_update(genuine.next_update_utc)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
