"""Clients that are slow, silent or hostile: each ends and leaves nothing, and another client is served meanwhile."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from tdt.config import Config, Limits
from tdt.sandbox.pki import Pki
from tdt.web.connections import watch_peers
from tests.postgres import TestDatabase
from tests.wire.client import BOUNDARY, Client, File, close, multipart, read_answer
from tests.wire.stack import Stack, changed, run_stack
from tests.wire.test_server import over_unix, plain

TEST = "/api/test-connexion.php"
IMPORT = "/modules/helios/api/helios_importer_fichier.php"
FILE = "/modules/helios/helios_download_file.php"
CREATE = "/modules/actes/actes_transac_create.php"
LOGINS = "/admin/users/api-list-login.php"
URLENCODED = "application/x-www-form-urlencoded"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
MEBIBYTE = 1 << 20
STALL = 1.0
IDLE = 1.5
SLOWEST = 30_000


@pytest.fixture
async def hurried(config: Config, database: TestDatabase, pki: Pki) -> AsyncIterator[Stack]:
    """A server with short limits."""
    server = msgspec.structs.replace(
        config.server, idle_seconds=IDLE, handshake_seconds=2.0, stall_seconds=STALL, slowest_bytes=SLOWEST
    )
    async with run_stack(changed(config, server=server, limits=Limits()), database, pki) as stack:
        yield stack


def head(client: Client, path: str, length: int, content_type: str = FORM) -> bytes:
    return client.head("POST", path, {"Content-Type": content_type, "Content-Length": str(length)})


async def served(stack: Stack) -> None:
    """Another client is, and at once."""
    async with asyncio.timeout(5):
        assert (await stack.client().get(TEST)).body == b"OK"


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, however it does."""
    async with asyncio.timeout(8):
        try:
            return await reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""


async def no_connection_of_the_pool_is_held(stack: Stack) -> None:
    assert stack.deps.pool.get_idle_size() == stack.deps.pool.get_size()


async def test_idle_connections_and_headers_byte_by_byte_end(hurried: Stack) -> None:
    idle = [await hurried.client().connect() for _ in range(5)]
    slow, writer = await hurried.client().connect()

    async def drip() -> None:
        for byte in hurried.client().head("GET", TEST, {"X-Slow": "x" * 1000}):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    started = time.monotonic()
    await served(hurried)
    assert [await rest(reader) for reader, _ in [*idle, (slow, writer)]] == [b""] * 6
    assert time.monotonic() - started < IDLE + 5
    dripping.cancel()
    for _, other in [*idle, (slow, writer)]:
        await close(other)


async def test_a_connection_that_is_used_is_kept(hurried: Stack) -> None:
    """The idle limit counts from the last answer."""
    client = hurried.client()
    reader, writer = await client.connect()
    for _ in range(6):
        writer.write(client.head("GET", TEST, {}))
        assert (await read_answer(reader)).body == b"OK"
        await asyncio.sleep(IDLE / 4)
    await close(writer)


async def test_when_all_places_are_taken_the_longest_idle_makes_room(
    config: Config, database: TestDatabase, pki: Pki
) -> None:
    server = msgspec.structs.replace(config.server, connections=10)
    async with run_stack(changed(config, server=server), database, pki) as stack:
        oldest, first = await stack.client().connect()
        body = multipart([("enveloppe", File("p.xml", b"x" * 500_000))])
        busy, sender = await stack.client().connect()
        sender.write(head(stack.client(), IMPORT, len(body)) + body[:300_000])
        await asyncio.sleep(0.1)
        others = [await stack.client().connect() for _ in range(8)]
        await served(stack)
        assert await rest(oldest) == b""
        assert not others[-1][0].at_eof()
        sender.write(body[300_000:])
        assert b"<resultat>OK</resultat>" in (await read_answer(busy)).body
        for writer in (first, sender, *(other for _, other in others)):
            await close(writer)


async def test_handshakes_that_never_end_do(hurried: Stack) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", hurried.port) for _ in range(30)]
    await served(hurried)
    started = time.monotonic()
    assert {await rest(reader) for reader, _ in silent} == {b""}
    assert time.monotonic() - started < 7
    for _, writer in silent:
        await close(writer)


@pytest.mark.parametrize(("path", "content_type"), [(IMPORT, FORM), (CREATE, URLENCODED), (LOGINS, URLENCODED)])
@pytest.mark.parametrize("trickle", [True, False])
async def test_bodies_in_a_trickle_or_cut_short_end_and_leave_nothing(
    hurried: Stack, path: str, content_type: str, trickle: bool
) -> None:
    body = multipart([("enveloppe", File("p.xml", b"x" * 400_000))])
    client = hurried.client()
    reader, writer = await client.connect()
    writer.write(head(client, path, len(body), content_type) + (body[:1000] if content_type == FORM else b"a=1"))

    async def drip() -> None:
        while trickle:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    await served(hurried)
    await no_connection_of_the_pool_is_held(hurried)
    async with asyncio.timeout(4 * STALL + 4):
        answer = await read_answer(reader)
    dripping.cancel()
    await close(writer)
    assert b"OK" not in answer.body
    assert hurried.spooled() == []


async def test_a_slow_line_is_no_trickle(hurried: Stack) -> None:
    """Above the slowest pace a body may last many times longer than the silence that is borne."""
    body = multipart([("enveloppe", File("p.xml", b"x" * 200_000))])
    client = hurried.client()
    reader, writer = await client.connect()
    writer.write(head(client, IMPORT, len(body)))
    for start in range(0, len(body), 10_000):
        writer.write(body[start : start + 10_000])
        await asyncio.sleep(0.1)
    assert b"<resultat>OK</resultat>" in (await read_answer(reader)).body
    await close(writer)


async def test_who_waits_for_nothing_after_100_continue_ends(hurried: Stack) -> None:
    client = hurried.client()
    reader, writer = await client.connect()
    headers = {"Content-Type": FORM, "Content-Length": "1000", "Expect": "100-continue"}
    writer.write(client.head("POST", IMPORT, headers))
    async with asyncio.timeout(STALL + 5):
        answer = await read_answer(reader)
    await close(writer)
    assert answer.interim == (100,)
    assert b"<resultat>KO</resultat>" in answer.body


async def test_a_download_that_nobody_reads_ends_and_holds_no_database_connection(hurried: Stack) -> None:
    data = b"x" * (16 * MEBIBYTE)
    answer = await hurried.client().post(IMPORT, [("enveloppe", File("p.xml", data))])
    number = int(answer.body.split(b"<id>")[1].split(b"</id>")[0])
    pair = hurried.pki.client("certonly")
    context = ssl.create_default_context(cafile=str(hurried.pki.root))
    context.load_cert_chain(pair.cert, pair.key)
    readers = []
    for _ in range(6):  # more than the pool has
        raw = socket.create_connection(("127.0.0.1", hurried.port))
        reader = await asyncio.to_thread(context.wrap_socket, raw, server_hostname="localhost")
        reader.sendall(hurried.client().head("GET", f"{FILE}?id={number}", {}))
        readers.append(reader)
    await asyncio.sleep(0.3)
    await no_connection_of_the_pool_is_held(hurried)
    assert await connected(hurried) == 6
    await served(hurried)
    await asyncio.sleep(65_536 / SLOWEST + 1)
    assert await connected(hurried) == 0
    for each in readers:
        each.close()


async def connected(stack: Stack) -> int:
    """Clients, as the metrics tell."""
    text = (await over_unix(stack.health, plain("/metrics"))).body.decode()
    return next(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("tdt_connections_open "))


BOMBS = {
    "a header of 1 MB": b"X-Bomb: " + b"x" * MEBIBYTE + b"\r\n",
    "10,000 headers": b"".join(b"X-%d: y\r\n" % number for number in range(10_000)),
    "100 headers of 30 kB": b"".join(b"X-%d: " % number + b"y" * 30_000 + b"\r\n" for number in range(100)),
    "a name of 1 MB": b"x" * MEBIBYTE + b": y\r\n",
    "a folded header": b"X-Folded: a\r\n" + b" b\r\n" * 100_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_header_bombs_are_refused(stack: Stack, bomb: bytes) -> None:
    reader, writer = await stack.client().connect()
    writer.write(b"GET " + TEST.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + bomb)
    answer = await rest(reader)
    await close(writer)
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431")
    await served(stack)


async def test_a_url_of_1_mb_is_refused(stack: Stack) -> None:
    reader, writer = await stack.client().connect()
    writer.write(b"GET " + TEST.encode() + b"?a=" + b"x" * MEBIBYTE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await rest(reader)
    await close(writer)
    assert answer == b"" or answer.split(b" ")[1] == b"400"
    await served(stack)


@pytest.mark.parametrize("field", [b"a[]&", b"a=1&", b"a[9" + b"9" * 5000 + b"]=1&a[]=2&", b"%41%42=%43&"])
async def test_a_query_full_of_fields_is_read_quickly(stack: Stack, field: bytes) -> None:
    query = field * (30_000 // len(field))
    started = time.monotonic()
    assert (await stack.client().get(f"{TEST}?{query.decode()}")).body == b"OK"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"a=1&" * 100_000),
        (URLENCODED, b"a[]&" * 250_000),
        (URLENCODED, b"a=" + b"x" * (30 * MEBIBYTE)),
        (FORM, multipart([("a", b"x" * (30 * MEBIBYTE))])),
        (FORM, multipart([("a", b"x")] * 10_000)),
        (FORM, multipart([("a[]", b"x")] * 10_000)),
        (FORM, multipart([("n" * MEBIBYTE, b"x")])),
        (FORM, multipart([("a", File("n" * MEBIBYTE, b"x"))])),
        (FORM, multipart([("m", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 300_000)])),
        (FORM, gzip.compress(b"x" * (20 * MEBIBYTE))),
    ],
)
async def test_field_bombs_are_refused_and_forgotten(stack: Stack, content_type: str, body: bytes) -> None:
    client = stack.client()
    reader, writer = await client.connect()
    writer.write(
        client.head("POST", f"{CREATE}?api=1", {"Content-Type": content_type, "Content-Length": str(len(body))})
    )
    started = time.monotonic()
    writer.write(body)
    await served(stack)
    answer = await read_answer(reader)
    await close(writer)
    assert time.monotonic() - started < 5
    assert answer.body.startswith(b"KO\n"), answer
    assert stack.spooled() == []


async def test_a_compressed_body_is_never_unpacked(stack: Stack) -> None:
    bomb = gzip.compress(multipart([("enveloppe", File("p.xml", b"x" * (20 * MEBIBYTE)))]))
    client = stack.client()
    headers = {"Content-Type": FORM, "Content-Encoding": "gzip", "Content-Length": str(len(bomb))}
    answer = await client.send(client.head("POST", IMPORT, headers) + bomb)
    assert b"<resultat>KO</resultat>" in answer.body
    assert stack.spooled() == []


async def test_chunks_of_one_byte_make_the_same_body(stack: Stack) -> None:
    body = multipart([("enveloppe", File("p.xml", b"<pes/>" * 2000))])
    client = stack.client()
    request = client.head("POST", IMPORT, {"Content-Type": FORM, "Transfer-Encoding": "chunked"})
    request += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert b"<resultat>OK</resultat>" in (await client.send(request)).body


async def test_a_huge_extension_of_a_chunk_is_forgotten(stack: Stack) -> None:
    client = stack.client()
    reader, writer = await client.connect()
    writer.write(client.head("POST", IMPORT, {"Content-Type": FORM, "Transfer-Encoding": "chunked"}))
    writer.write(b"1;" + b"x" * (4 * MEBIBYTE))
    await served(stack)
    writer.write(b"\r\nx\r\n0\r\n\r\n")
    answer = await read_answer(reader)
    await close(writer)
    assert b"<resultat>KO</resultat>" in answer.body
    assert stack.spooled() == []


async def test_the_kernel_ends_the_connections_of_peers_that_vanished() -> None:
    """What an accepted connection has: idle for 75 s, then 4 probes of 15 s; as long for what is not acknowledged."""
    with socket.socket() as listener, socket.socket() as client:
        watch_peers(listener, 75.0)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            assert [accepted.getsockopt(socket.IPPROTO_TCP, name) for name in names] == [75, 15, 4, 135_000]
