"""The server behind nginx, with the configuration that we give as an example: same answers, same refusals."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg
import msgspec
import psutil
import pytest

from tdt.config import Config, Limits
from tdt.sandbox.pki import Pki
from tests.nginx import Nginx, nginx
from tests.postgres import TestDatabase
from tests.programs import Program, running
from tests.wire.client import BOUNDARY, Client, close, read_answer
from tests.wire.stack import SETTINGS, Stack, changed

TEST = "/api/test-connexion.php"
IMPORT = "/modules/helios/api/helios_importer_fichier.php"
FILE = "/modules/helios/helios_download_file.php"
NOBODY = "KO\nLe certificat n&#039;est pas valide : aucun compte trouvé\n".encode("latin-1")
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Front:
    """nginx, the server program behind it, and who may come."""

    nginx: Nginx
    program: Program
    config: Config
    pki: Pki

    def client(self, account: str = "certonly", basic: bool = False) -> Client:
        password = SETTINGS.passwords.get(account, "")
        return Client(self.nginx.port, self.pki, account, account if basic else "", password if basic else "")


@asynccontextmanager
async def fronted(config: Config, pki: Pki) -> AsyncIterator[Front]:
    """The server program behind nginx, with accounts."""
    with nginx(pki) as proxy:
        config = behind(config, proxy.socket)
        async with running("serve", config) as program:
            await program.hear("READY=1")
            yield Front(proxy, program, config, pki)


@pytest.fixture
async def front(config: Config, pki: Pki) -> AsyncIterator[Front]:
    async with fronted(config, pki) as running_front:
        yield running_front


def behind(config: Config, path: Path) -> Config:
    server = msgspec.structs.replace(
        config.server, listen=f"unix:{path}", client_certificate="nginx", certificate="", key=""
    )
    return changed(config, server=server, limits=Limits())


def forged(pki: Pki, account: str = "certonly") -> Mapping[str, str]:
    """What nginx would say of another account's certificate, said by a client."""
    certificate = quote(pki.client(account).cert.read_text())
    return {
        "X-Client-Cert": certificate,
        "X-Client-Verify": "SUCCESS",
        "x-client-cert": certificate,
        "X_Client_Cert": certificate,
        "X_Client_Verify": "SUCCESS",
    }


async def test_a_verified_certificate_comes_in(front: Front) -> None:
    answer = await front.client().get(TEST)
    assert (answer.status, answer.body) == (200, b"OK")
    assert (await front.client("system", basic=True).get(TEST)).body == b"OK"
    assert (await front.client("no-account").get(TEST)).body == NOBODY


@pytest.mark.parametrize("account", ["unknown-ca", "expired", "revoked"])
async def test_nginx_closes_on_a_certificate_that_does_not_verify(front: Front, account: str) -> None:
    with pytest.raises(asyncio.IncompleteReadError) as ended:
        await front.client(account).get(TEST)
    assert ended.value.partial == b""
    assert "connection_refused" not in front.program.output()


async def test_nginx_closes_without_a_certificate(front: Front) -> None:
    context = ssl.create_default_context(cafile=str(front.pki.root))
    reader, writer = await asyncio.open_connection("localhost", front.nginx.port, ssl=context)
    writer.write(front.client().head("GET", TEST, forged(front.pki)))
    assert await reader.read() == b""
    await close(writer)


async def test_a_forged_certificate_header_is_overwritten_by_nginx(front: Front) -> None:
    assert (await front.client("no-account").get(TEST, forged(front.pki))).body == NOBODY


async def test_a_forged_certificate_header_is_nothing_to_the_tls_server(stack: Stack) -> None:
    assert (await stack.client("no-account").get(TEST, forged(stack.pki))).body == NOBODY


async def test_the_forwarded_certificate_of_s2low_passes(front: Front) -> None:
    """Its name has dots: nginx drops such headers unless told otherwise, and then nobody would notice it."""
    forwarded = {"org.s2low.forward-x509-identification": "AAECAwQ=" * 500}
    assert (await front.client().get(TEST, forwarded)).body == NOBODY


async def test_a_large_flow_passes_with_flat_memory(front: Front) -> None:
    """150 MB up, then down, byte for byte: neither nginx nor the server keeps them, nor writes them twice."""
    blocks, size = 150, 150 * MEBIBYTE
    start = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:PES_Aller xmlns:n="urn:x"><!--'
    end = b"--></n:PES_Aller>\n"
    block = b"x" * MEBIBYTE
    digest = hashlib.sha256(start + block * blocks + end).hexdigest()
    before = peaks(front)
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="enveloppe"; filename="p.xml"\r\n\r\n'.encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    length = len(head) + len(start) + size + len(end) + len(tail)
    client = front.client()
    reader, writer = await client.connect()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(length),
        "Expect": "100-continue",
    }
    writer.write(client.head("POST", IMPORT, headers))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(head + start)
    for _ in range(blocks):
        writer.write(block)
        await writer.drain()
        assert front.nginx.temporary_files() == []
    writer.write(end + tail)
    answer = await read_answer(reader)
    await close(writer)
    assert b"<resultat>OK</resultat>" in answer.body, answer
    number = int(answer.body.split(b"<id>")[1].split(b"</id>")[0])

    given = await client.get(f"{FILE}?id={number}")
    assert hashlib.sha256(given.body).hexdigest() == digest
    assert front.nginx.temporary_files() == []
    grown = {name: after - before[name] for name, after in peaks(front).items()}
    assert max(grown.values()) < 64 * MEBIBYTE, grown


def peaks(front: Front) -> dict[str, int]:
    """Largest resident memory so far, in bytes, of each process."""
    processes = [psutil.Process(front.program.pid), *front.nginx.processes()]
    return {f"{process.name()} {process.pid}": _peak(process.pid) for process in processes}


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


async def test_a_server_that_was_restarted_is_found_again(front: Front) -> None:
    assert (await front.client().get(TEST)).body == b"OK"
    front.program.signal_end()
    assert await front.program.ended() == 0
    assert (await front.client().get(TEST)).status == 502
    async with running("serve", front.config) as program:
        await program.hear("READY=1")
        assert (await front.client().get(TEST)).body == b"OK"


async def test_failures_are_counted_by_the_address_that_nginx_tells(front: Front, database: TestDatabase) -> None:
    client = Client(front.nginx.port, front.pki, "system", "system", "wrong")
    assert (await client.get(TEST, {"X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"})).body == NOBODY
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        assert await connection.fetchval("select address from login_failure") == "127.0.0.1"
    finally:
        await connection.close()
