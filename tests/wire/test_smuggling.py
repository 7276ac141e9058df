"""Request smuggling: framings that nginx and tdt could read differently, and a request hidden behind each."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote

import pytest

from tdt.config import Config
from tdt.sandbox.pki import Pki
from tests.wire.client import Client, close, read_answer
from tests.wire.stack import Stack
from tests.wire.test_nginx import TEST, Front, fronted

HIDDEN = "/modules/helios/api/helios_transac_get_status.php"
"""Nobody asks for it here but by smuggling."""


def inside(pki: Pki) -> bytes:
    """The request that is hidden: as another client, and with the headers that nginx alone may set."""
    certificate = quote(pki.client("certonly").cert.read_text())
    lines = [
        f"GET {HIDDEN}?transaction=7 HTTP/1.1",
        "Host: localhost",
        "X-Client-Verify: SUCCESS",
        f"X-Client-Cert: {certificate}",
        "X-Swallow: ",
    ]
    return "\r\n".join(lines).encode()


def hidden(headers: list[bytes], body: bytes, end: bytes = b"\r\n") -> bytes:
    start = [b"POST " + TEST.encode() + b" HTTP/1.1", b"Host: localhost", *headers, b"", b""]
    return end.join(start) + body


FRAMINGS: Mapping[str, list[bytes]] = {
    "CL.TE": [b"Content-Length: {all}", b"Transfer-Encoding: chunked"],
    "TE.CL": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "two lengths": [b"Content-Length: 5", b"Content-Length: {all}"],
    "two lengths, longer first": [b"Content-Length: {all}", b"Content-Length: 5"],
    "a list of lengths": [b"Content-Length: 5, {all}"],
    "a signed length": [b"Content-Length: +5"],
    "a negative length": [b"Content-Length: -1"],
    "a length in hexadecimal": [b"Content-Length: 0x5"],
    "a length with a space": [b"Content-Length: 5 5"],
    "a length after a vertical tab": [b"Content-Length: \x0b5"],
    "a length beyond 64 bits": [b"Content-Length: 18446744073709551621"],
    "an underscore": [b"Content_Length: {all}", b"Content-Length: 5"],
    "TE, space before the colon": [b"Content-Length: 5", b"Transfer-Encoding : chunked"],
    "CL, space before the colon": [b"Content-Length : {all}", b"Content-Length: 5"],
    "CL, tab before the colon": [b"Content-Length\t: {all}"],
    "TE, tab before the value": [b"Content-Length: 5", b"Transfer-Encoding:\tchunked"],
    "TE, tab after the value": [b"Content-Length: 5", b"Transfer-Encoding: chunked\t"],
    "TE, vertical tab": [b"Content-Length: 5", b"Transfer-Encoding: \x0bchunked"],
    "TE in capitals": [b"Content-Length: 5", b"TRANSFER-ENCODING: CHUNKED"],
    "TE in capitals alone": [b"Transfer-Encoding: CHUNKED"],
    "TE twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
    "TE twice, chunked last": [b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"],
    "TE as a list": [b"Transfer-Encoding: identity, chunked"],
    "TE as a list, not last": [b"Transfer-Encoding: chunked, identity"],
    "TE xchunked": [b"Content-Length: 5", b"Transfer-Encoding: xchunked"],
    "TE quoted": [b"Content-Length: 5", b'Transfer-Encoding: "chunked"'],
    "TE, a null byte": [b"Content-Length: 5", b"Transfer-Encoding: chunked\x00"],
    "TE folded": [b"Content-Length: 5", b"Transfer-Encoding:\r\n chunked"],
    "TE folded behind another": [b"Content-Length: 5", b"X-Any: y\r\n Transfer-Encoding: chunked"],
    "TE behind a bare line feed": [b"Content-Length: 5", b"X-Any: y\nTransfer-Encoding: chunked"],
    "TE behind a bare carriage return": [b"Content-Length: 5", b"X-Any: y\rTransfer-Encoding: chunked"],
    "TE, underscore": [b"Content-Length: 5", b"Transfer_Encoding: chunked"],
    "first header with a space": [b" Transfer-Encoding: chunked", b"Content-Length: 5"],
    "an upgrade": [b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 0"],
    "an upgrade to HTTP/2": [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"],
    "Connection names the headers": [b"Connection: X-Client-Cert, X-Client-Verify", b"Content-Length: 0"],
    "no length": [],
}


def requests(pki: Pki) -> dict[str, bytes]:
    """Each framing before a body that is a request, after a zero chunk too; then what is no matter of framing."""
    secret = inside(pki)
    found = {}
    for name, headers in FRAMINGS.items():
        for kind, body in (("plain", b"x=1&y" + secret), ("chunked", b"0\r\n\r\n" + secret)):
            filled = [header.replace(b"{all}", b"%d" % len(body)) for header in headers]
            found[f"{name}, {kind}"] = hidden(filled, body)
    chunked = [b"Transfer-Encoding: chunked"]
    found |= {
        "bare line feeds": hidden([b"Content-Length: 5", b"Transfer-Encoding: chunked"], b"0\n\n" + secret, b"\n"),
        "a chunk ended by a line feed": hidden(chunked, b"5\nx=1&y\n0\n\n" + secret),
        "a size of chunk that overflows": hidden(chunked, b"10000000000000005\r\nx=1&y\r\n0\r\n\r\n" + secret),
        "a size of chunk with 0x": hidden(chunked, b"0x5\r\nx=1&y\r\n0\r\n\r\n" + secret),
        "a signed size of chunk": hidden(chunked, b"+5\r\nx=1&y\r\n0\r\n\r\n" + secret),
        "an extension with a line feed": hidden(chunked, b"0;a\n\r\n\r\n" + secret),
        "a chunk that is too long": hidden(chunked, b"5\r\nx=1&yzz0\r\n\r\n" + secret),
        "headers in the trailer": hidden(chunked, b"0\r\n" + secret.partition(b"\r\n")[2] + b"\r\n\r\n"),
        "a body of GET": hidden([b"Content-Length: %d" % len(secret)], secret).replace(b"POST", b"GET", 1),
        "HTTP/1.0 and TE": hidden(chunked, b"0\r\n\r\n" + secret).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
        "HTTP/0.9": b"GET " + TEST.encode() + b"\r\n" + secret,
        "a request in the URL": b"GET " + TEST.encode() + b"?a=%0d%0a%0d%0a" + quote(secret).encode() + b" HTTP/1.1\r\n"
        b"Host: localhost\r\n\r\n",
        "a request in the host": hidden([b"Host: a\r\n\r\n" + secret], b""),
    }
    return found


async def say(client: Client, request: bytes) -> bytes:
    """Send it, and close: whatever is answered in a short while."""
    reader, writer = await client.connect()
    answer = b""
    writer.write(request + b"\r\n\r\n")
    try:
        async with asyncio.timeout(0.15):
            while more := await reader.read(65_536):
                answer += more
    except (TimeoutError, ConnectionError, ssl.SSLError):
        pass
    writer.transport.abort()
    return answer


@pytest.fixture
async def front(config: Config, pki: Pki) -> AsyncIterator[Front]:
    async with fronted(config, pki) as found:
        yield found


async def test_nothing_is_done_as_somebody_else_behind_nginx(front: Front) -> None:
    """One who has no account, and one who has, share nginx's few connections to the server: after each attempt the
    second gets its own answers, and nothing that the first hid was done as the second."""
    attacker, victim = front.client("no-account"), front.client()
    reader, writer = await victim.connect()
    for name, request in requests(front.pki).items():
        await say(attacker, request)
        for _ in range(2):
            writer.write(victim.head("GET", TEST, {}))
            answer = await read_answer(reader)
            assert (answer.status, answer.body) == (200, b"OK"), name
    await close(writer)
    hidden_ones = [line for line in log_of(front) if line.get("path") == HIDDEN]
    assert [line for line in hidden_ones if "account_id" in line] == []
    # the same request is done as its sender when it is sent openly: the search above would find one
    assert (await victim.get(f"{HIDDEN}?transaction=7")).status == 200
    assert [line["path"] for line in log_of(front) if line.get("path") == HIDDEN and "account_id" in line] == [HIDDEN]


def log_of(front: Front) -> list[dict[str, object]]:
    lines = [line for line in front.program.output().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line["event"] == "request"]


async def test_the_server_itself_reads_no_ambiguous_framing(stack: Stack) -> None:
    """In the process a connection is one client's: whatever it hides is its own. Still nothing hidden is answered."""
    for name, request in requests(stack.pki).items():
        answer = await say(stack.client("no-account"), request)
        assert b"\r\n\r\nOK" not in answer, name
