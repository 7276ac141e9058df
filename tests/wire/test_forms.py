"""Bodies over a real socket: cut anywhere, hostile, truncated, larger than allowed; what is refused leaves nothing."""

import asyncio
import random

import pytest

from tdt.domain.text import to_latin1
from tests.wire.client import BOUNDARY, Answer, Client, File, Parts, close, multipart, read_answer
from tests.wire.stack import Stack

IMPORT = "/modules/helios/api/helios_importer_fichier.php"
CREATE = "/modules/actes/actes_transac_create.php"
LOGINS = "/admin/users/api-list-login.php"


def head(client: Client, path: str, length: int | None, content_type: str = "") -> bytes:
    headers = {"Content-Type": content_type or f"multipart/form-data; boundary={BOUNDARY}"}
    headers |= {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
    return client.head("POST", path, headers)


async def dribble(client: Client, request: bytes, seed: int) -> Answer:
    """Send a request in pieces of random sizes."""
    chance = random.Random(seed)
    reader, writer = await client.connect()
    try:
        while request:
            size = chance.choice((1, 7, 100, 5_000, 70_000))
            writer.write(request[:size])
            await writer.drain()
            await asyncio.sleep(0)
            request = request[size:]
        return await read_answer(reader)
    finally:
        await close(writer)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("quoted", [True, False])
async def test_a_body_cut_anywhere_is_the_same_body(stack: Stack, seed: int, quoted: bool) -> None:
    data = b"\r\n--" + BOUNDARY.encode()[:-1] + bytes(random.Random(seed).randbytes(200_000)) + b"\r\n\r\n--"
    body = multipart([("must_signed", "0"), ("enveloppe", File(f"p{seed}.xml", data))], quoted)
    client = stack.client()
    answer = await dribble(client, head(client, IMPORT, len(body)) + body, seed)
    number = int(answer.body.split(b"<id>")[1].split(b"</id>")[0])
    given = await client.get(f"/modules/helios/helios_download_file.php?id={number}")
    assert given.body == data


async def test_a_chunked_body_and_a_quoted_boundary(stack: Stack) -> None:
    body = multipart([("enveloppe", File("p.xml", b"<pes/>" * 1000))])
    client = stack.client()
    request = head(client, IMPORT, None, f'multipart/form-data; boundary="{BOUNDARY}"')
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        request += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    answer = await client.send(request + b"0\r\n\r\n")
    assert b"<resultat>OK</resultat>" in answer.body


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        (f"multipart/form-data; boundary={BOUNDARY}x", multipart([("enveloppe", File("p", b"x"))]), "code 3"),
        (f"multipart/form-data; boundary={BOUNDARY}", multipart([("enveloppe", File("p", b"x"))])[:-8], "code 3"),
        ("multipart/form-data", multipart([("enveloppe", File("p", b"x"))]), "Aucune enveloppe"),
        ("text/xml", b"<pes/>", "Aucune enveloppe"),
        (f"multipart/form-data; boundary={BOUNDARY}", b"\r\n" * 500_000, "code 3"),
        (f"multipart/form-data; boundary={BOUNDARY}", f"--{BOUNDARY}\r\n".encode() * 5_000, "Aucune enveloppe"),
        (f"multipart/form-data; boundary={BOUNDARY}", f"--{BOUNDARY}\r\nA".encode() * 5_000, "Aucune enveloppe"),
        (f"multipart/form-data; boundary={'x' * 300}", b"\r\n--" + b"x" * 1_000_000, "Aucune enveloppe"),
    ],
)
async def test_hostile_bodies_get_a_clear_answer(stack: Stack, content_type: str, body: bytes, message: str) -> None:
    client = stack.client()
    answer = await client.send(head(client, IMPORT, len(body), content_type) + body)
    assert answer.status == 200
    assert b"<resultat>KO</resultat>" in answer.body
    assert message.encode() in answer.body
    assert stack.spooled() == []


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(stack: Stack) -> None:
    body = multipart([("enveloppe", File("p.xml", b"x" * 3_000_000))])
    client = stack.client()
    _, writer = await client.connect()
    writer.write(head(client, IMPORT, len(body)) + body[:1_500_000])
    await writer.drain()
    await until(lambda: stack.spooled() != [])
    writer.transport.abort()
    await until(lambda: stack.spooled() == [])


async def test_a_refusal_reaches_a_client_that_sends_everything_before_it_reads(stack: Stack) -> None:
    body = multipart([("api", "1"), ("acte_pdf_file", File("a.pdf", b"x" * 30_000_000))])
    client = stack.client()
    reader, writer = await client.connect()
    writer.write(head(client, CREATE, len(body)) + body)
    await writer.drain()
    answer = await read_answer(reader)
    assert answer.body == to_latin1("KO\nLa taille totale des fichiers est trop importante (max : 2000000)\n")
    assert answer.headers["connection"] == "close"
    assert await reader.read() == b""
    await close(writer)


async def test_an_urlencoded_body_is_a_form_too(stack: Stack) -> None:
    client = stack.client("no-account")
    body = b"api=1&subject=%E9t%E9"
    request = head(
        client, "/modules/actes/actes_transac_get_status.php", len(body), "application/x-www-form-urlencoded"
    )
    assert (await client.send(request + body)).body.startswith(b"KO\n")


async def test_text_fields_have_limits_where_they_matter(stack: Stack) -> None:
    parts: Parts = [("api", "1"), ("subject", "x" * 70_000), ("number", "A1")]
    answer = await stack.client().post(CREATE, parts)
    assert answer.body.startswith(b"KO\nLa taille totale des fichiers")
    assert (await stack.client().post(LOGINS, parts)).body == b"\n"


async def until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "not within the deadline"
        await asyncio.sleep(0.01)
