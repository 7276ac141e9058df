"""The process around the endpoints: behind nginx, without its database, its health, its limits of belief."""

import asyncio
import re
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from tdt.config import Config, ConfigError, Database, Server
from tdt.deps import open_deps
from tdt.sandbox.pki import Pki
from tdt.web.server import check, start
from tests.postgres import TestDatabase
from tests.wire.client import Answer, Client, close, read_answer
from tests.wire.stack import Stack, changed, run_stack

TEST = "/api/test-connexion.php"


async def over_unix(path: Path, request: bytes) -> Answer:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(request)
        return await read_answer(reader)
    finally:
        await close(writer)


def plain(path: str, **headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def test_health_is_on_its_own_listener(stack: Stack) -> None:
    assert (await over_unix(stack.health, plain("/live"))).body == b"live\n"
    ready = await over_unix(stack.health, plain("/ready"))
    assert (ready.status, ready.body) == (200, b"ready\n")
    await stack.client().get(TEST)
    measures = await over_unix(stack.health, plain("/metrics"))
    assert b'tdt_http_requests_total{path="/api/test-connexion.php",status="200"} 1.0' in measures.body
    assert re.search(rb'^tdt_tls_handshakes_total{version="TLSv1.3"} [1-9]', measures.body, re.MULTILINE)
    assert re.search(rb"^tdt_pool_max [1-9]", measures.body, re.MULTILINE)
    assert b"\ntdt_pool_waiting 0.0" in measures.body
    assert re.search(rb"^tdt_spool_free_bytes [1-9]", measures.body, re.MULTILINE)
    assert (await stack.client().get("/metrics")).status == 404


async def test_without_database_a_request_waits_then_gets_503_in_its_shape(
    config: Config, pki: Pki, tmp_path: Path
) -> None:
    nowhere = changed(config, database=Database(dsn=f"postgresql:///tdt?host={tmp_path}", wait_seconds=0.5))
    async with open_deps(nowhere) as deps, AsyncExitStack() as stack:
        await start(deps, stack)
        client = Client(int(config.server.listen.rpartition(":")[2]), pki, "certonly")
        started = asyncio.get_running_loop().time()
        answer = await client.get(TEST)
        assert asyncio.get_running_loop().time() - started >= 0.2
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.body == "KO\nService momentanément indisponible, réessayez.\n".encode("latin-1")
        xml = await client.get("/modules/helios/api/helios_transac_get_status.php?transaction=7")
        assert xml.status == 503
        assert b"<id>7</id><resultat>KO</resultat><message>Service momentan&#xE9;ment" in xml.body
        ready = await over_unix(tmp_path / "health.sock", plain("/ready"))
        assert (ready.status, ready.body) == (503, b"database: no answer\n")


@pytest.fixture
def behind_nginx(config: Config, tmp_path: Path) -> Config:
    server = msgspec.structs.replace(
        config.server, listen=f"unix:{tmp_path}/web.sock", client_certificate="nginx", certificate="", key=""
    )
    return changed(config, server=server)


async def test_behind_nginx_the_certificate_comes_in_a_header(
    behind_nginx: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    async with run_stack(behind_nginx, database, pki) as stack:
        web = tmp_path / "web.sock"
        assert web.stat().st_mode & 0o777 == 0o660
        verified = {"X-Client-Verify": "SUCCESS", "X-Client-Cert": quote(leaf(stack, "certonly"))}
        assert (await over_unix(web, plain(TEST, **verified))).body == b"OK"
        unverified = verified | {"X-Client-Verify": "FAILED:unable to verify"}
        answer = await over_unix(web, plain(TEST, **unverified))
        assert answer.body == "KO\nAucune information de certificat trouvée\n".encode("latin-1")
        broken = {"X-Client-Verify": "SUCCESS", "X-Client-Cert": "nonsense"}
        assert (await over_unix(web, plain(TEST, **broken))).body == b"KO\nImpossible de lire le certificat\n"
        revoked = {"X-Client-Verify": "SUCCESS", "X-Client-Cert": quote(leaf(stack, "revoked"))}
        with pytest.raises(asyncio.IncompleteReadError):
            await over_unix(web, plain(TEST, **revoked))


def leaf(stack: Stack, account: str) -> str:
    return stack.pki.client(account).cert.read_text()


@pytest.mark.parametrize(
    "server",
    [Server(listen="0.0.0.0:443", client_certificate="nginx"), Server(listen="unix:/x", client_certificate="tls")],
)
def test_a_certificate_in_a_header_is_only_believed_on_a_unix_socket(server: Server) -> None:
    with pytest.raises(ConfigError):
        check(server)


async def test_unreadable_requests_leave_no_secret_in_the_log(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    secret = "c3lzdGVtOm1vdC1kZS1wYXNzZQ"
    answer = await stack.client().send(
        f"GET /api/test-connexion.php HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {secret}\x01\r\n\r\n".encode()
    )
    assert answer.status == 400
    assert [record.getMessage().split()[0] for record in caplog.records] == ["http.unreadable_request"]
    assert secret not in caplog.text


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_handshake_is_told_to_both_sides(stack: Stack, version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required|handshake.failure"):
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port, ssl=context)
        writer.write(b"GET /api/test-connexion.php HTTP/1.1\r\n\r\n")
        await reader.read()


async def test_a_restored_base_is_noticed_before_the_first_request(
    config: Config, database: TestDatabase, pki: Pki
) -> None:
    """The numbers given out after the restored instant are given to nobody else."""
    async with open_deps(config) as deps, deps.transaction("system") as connection:
        await connection.execute("update lineage set timeline = timeline + 1")
    async with run_stack(config, database, pki) as stack, stack.deps.transaction("system") as connection:
        assert await connection.fetchval("select count(*) from lineage") == 2
