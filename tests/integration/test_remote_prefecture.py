"""The POST to the ministry, against real HTTPS servers over mutual TLS, well-behaved and not."""

import asyncio
import email.parser
import email.policy
import ssl
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from tdt.domain.breaker import Sign, read_sign
from tdt.domain.errors import Permanent, TdtError, Temporary, Uncertain
from tdt.remote.errors import SETTINGS
from tdt.remote.prefecture import PrefectureTarget, send_archive
from tests.certificates import TestAuthority

NAME = "TDT-TACT--123456782--20250616-1.tar.gz"
CONTENT = bytes(range(256)) * 4_000


@dataclass(slots=True)
class Ministry:
    """What the server received, and the status it gives."""

    status: int = 200
    answer_at_once: bool = False
    requests: list[web.BaseRequest] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    received_bytes: int = 0
    keep: bool = True
    unwilling: bool = False
    expected: list[str] = field(default_factory=list)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        self.expected.append(request.headers.get("Expect", ""))
        if self.unwilling:
            return web.Response(status=417)
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        if not self.answer_at_once:
            body = bytearray()
            async for chunk in request.content.iter_chunked(65_536):
                self.received_bytes += len(chunk)
                if self.keep:
                    body += chunk
            self.bodies.append(bytes(body))
        return web.Response(status=self.status, text="KO: the text of the answer is not read")


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority(tmp_path)


@pytest.fixture
def target(authority: TestAuthority) -> PrefectureTarget:
    client = authority.client("tdt")
    return PrefectureTarget("", certificate=client.certificate, key=client.key, authorities=authority.path)


def server_context(authority: TestAuthority) -> ssl.SSLContext:
    files = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.path)
    context.load_cert_chain(files.certificate, files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def ministry_server(ministry: Ministry, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", ministry.handle, expect_handler=ministry.expect)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if context else 'http'}://localhost:{port}/path/upload.php"
    finally:
        await runner.cleanup()


@pytest.fixture
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture
async def url(ministry: Ministry, authority: TestAuthority) -> AsyncIterator[str]:
    async with ministry_server(ministry, server_context(authority)) as address:
        yield address


Misbehave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    misbehave: Misbehave, context: ssl.SSLContext | None = None, greeting: bytes = b"HTTP/1.1 100 Continue\r\n\r\n"
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(greeting)
            await misbehave(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"{'https' if context else 'http'}://localhost:{server.sockets[0].getsockname()[1]}/"


async def chunks(content: bytes = CONTENT) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


async def post(target: PrefectureTarget, content: bytes = CONTENT, size: int | None = None) -> str:
    return await send_archive(target, NAME, len(content) if size is None else size, lambda: chunks(content))


def the_part(ministry: Ministry) -> tuple[str, str, bytes]:
    """Field name, file name and content of the only part, read by the standard library's MIME parser."""
    content_type = ministry.requests[-1].headers["Content-Type"]
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + ministry.bodies[-1])
    (part,) = message.iter_parts()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return str(part.get_param("name", header="content-disposition")), str(part.get_filename()), content


async def test_one_file_part_named_like_the_archive(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    assert await post(replace(target, url=url)) == "HTTP 200"
    assert the_part(ministry) == (NAME, NAME, CONTENT)
    request = ministry.requests[0]
    assert request.method == "POST"
    assert int(request.headers["Content-Length"]) == len(ministry.bodies[0])
    assert "Transfer-Encoding" not in request.headers
    assert request.headers["User-Agent"] == "curl/*"
    assert "Authorization" not in request.headers
    assert request.path_qs == "/path/upload.php"


async def test_the_client_certificate_is_presented(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    await post(replace(target, url=url))
    assert ministry.received_bytes > len(CONTENT)
    with pytest.raises(Temporary) as caught:
        await post(replace(target, url=url, certificate="", key=""))
    assert caught.value.details["unreached"]
    assert len(ministry.bodies) == 1


async def test_an_empty_archive_keeps_its_length(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    await post(replace(target, url=url), b"")
    assert the_part(ministry) == (NAME, NAME, b"")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(302, Temporary), (400, Temporary), (403, Temporary), (201, Uncertain), (500, Uncertain), (503, Uncertain)],
)
async def test_a_status_not_accepted_after_the_body_says_no_or_leaves_a_doubt(
    ministry: Ministry, url: str, target: PrefectureTarget, status: int, verdict: type[TdtError]
) -> None:
    ministry.status = status
    with pytest.raises(verdict) as caught:
        await post(replace(target, url=url, rescue_url=url))
    assert caught.value.details["status"] == status
    assert len(ministry.requests) == 1


async def test_the_accepted_statuses_are_a_setting(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    ministry.status = 201
    assert await post(replace(target, url=url, accepted_status=frozenset({201}))) == "HTTP 201"


async def test_basic_authentication(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    await post(replace(target, url=url, login="tdt", password="é"))
    assert ministry.requests[0].headers["Authorization"] == "Basic dGR0OsOp"


async def test_authentication_in_the_query(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    await post(replace(target, url=url + "?a=b", login="tdt", password="x&y=z", authentication="query"))
    assert dict(ministry.requests[0].query) == {"a": "b", "user": "tdt", "password": "x&y=z"}


async def test_the_password_appears_in_no_error(target: PrefectureTarget) -> None:
    async def half(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(2_000)

    secret = "Motdepasse1"
    async with raw_server(half) as url:
        guarded = replace(target, url=url, login="tdt", password=secret, authentication="query")
        with pytest.raises(Uncertain) as caught:
            await post(guarded, CONTENT * 20)
    assert secret not in repr(guarded) + repr(caught.value.details)
    assert secret not in "".join(traceback.format_exception(caught.value))


async def test_the_server_of_another_authority_gets_nothing(
    ministry: Ministry, url: str, target: PrefectureTarget, tmp_path: Path
) -> None:
    with pytest.raises(Temporary) as caught:
        await post(replace(target, url=url, authorities=TestAuthority(tmp_path, "Une autre").path))
    assert caught.value.details["unreached"]
    assert ministry.requests == []


async def test_the_host_name_is_checked(ministry: Ministry, target: PrefectureTarget, authority: TestAuthority) -> None:
    files = authority.server("ailleurs.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    async with ministry_server(ministry, context) as url:
        with pytest.raises(Temporary):
            await post(replace(target, url=url))
    assert ministry.requests == []


async def test_unreadable_certificates_wait_for_the_operator(url: str, target: PrefectureTarget) -> None:
    with pytest.raises(Temporary) as caught:
        await post(replace(target, url=url, certificate="/nonexistent/tdt.pem"))
    assert caught.value.code == SETTINGS


async def test_the_rescue_address_when_the_main_one_is_closed(
    ministry: Ministry, url: str, target: PrefectureTarget, unused_tcp_port: int
) -> None:
    closed = f"https://localhost:{unused_tcp_port}/"
    assert await post(replace(target, url=closed, rescue_url=url)) == "HTTP 200 (adresse de secours)"
    assert the_part(ministry) == (NAME, NAME, CONTENT)
    with pytest.raises(Temporary):
        await post(replace(target, url=closed))
    with pytest.raises(Temporary):
        await post(replace(target, url=closed, rescue_url=closed))


async def test_the_rescue_address_when_the_main_name_does_not_resolve(url: str, target: PrefectureTarget) -> None:
    unknown = replace(target, url="https://nowhere.invalid/", rescue_url=url)
    assert await post(unknown) == "HTTP 200 (adresse de secours)"


async def test_the_rescue_address_when_the_handshake_fails(url: str, target: PrefectureTarget) -> None:
    async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 this is no TLS\r\n")
        await writer.drain()

    async with raw_server(nothing) as plain:
        main = plain.replace("http:", "https:")
        assert await post(replace(target, url=main, rescue_url=url)) == "HTTP 200 (adresse de secours)"


async def read_some(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readexactly(300_000)


async def read_all(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)


@pytest.mark.parametrize("misbehave", [read_some, read_all])
async def test_a_loss_after_the_first_byte_is_uncertain_and_never_rescued(
    ministry: Ministry, url: str, target: PrefectureTarget, authority: TestAuthority, misbehave: Misbehave
) -> None:
    async with raw_server(misbehave, server_context(authority)) as broken:
        with pytest.raises(Uncertain) as caught:
            await post(replace(target, url=broken, rescue_url=url))
    assert caught.value.__cause__ is not None
    assert ministry.requests == []


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), Temporary("La base de données ne répond pas.")])
async def test_bytes_of_ours_that_cannot_be_read_say_nothing_of_the_ministry(
    ministry: Ministry, url: str, target: PrefectureTarget, fault: Exception
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT[:1000]
        raise fault

    with pytest.raises((Uncertain, Temporary)) as caught:
        await send_archive(replace(target, url=url), NAME, len(CONTENT), broken)
    assert read_sign(caught.value) is Sign.NOTHING
    assert all(CONTENT not in body for body in ministry.bodies), "nothing whole came"


async def test_an_answer_that_is_not_http_is_uncertain(target: PrefectureTarget) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader, writer)
        writer.write(b"\x00\x01 nonsense\r\n\r\n")
        await writer.drain()

    async with raw_server(nonsense) as url:
        with pytest.raises(Uncertain):
            await post(replace(target, url=url))


async def test_a_loss_before_the_body_is_rescued(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    async def close(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with raw_server(close, greeting=b"") as broken:
        assert await post(replace(target, url=broken, rescue_url=url)) == "HTTP 200 (adresse de secours)"
        with pytest.raises(Temporary):
            await post(replace(target, url=broken))


async def test_a_server_is_asked_before_the_body(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    await post(replace(target, url=url))
    assert ministry.expected == ["100-continue"]


async def test_a_server_that_refuses_to_be_asked(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    ministry.unwilling = True
    assert await post(replace(target, url=url)) == "HTTP 200"
    assert the_part(ministry) == (NAME, NAME, CONTENT)


async def test_a_server_that_does_not_say_continue_gets_the_body_all_the_same(target: PrefectureTarget) -> None:
    async def old(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader, writer)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n")
        await writer.drain()

    async with raw_server(old, greeting=b"") as url:
        assert await post(replace(target, url=url)) == "HTTP 200"


async def test_silence_after_the_last_byte_is_uncertain(target: PrefectureTarget) -> None:
    never = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_all(reader, writer)
        await asyncio.wait_for(never.wait(), 10)

    async with raw_server(silent) as url:
        with pytest.raises(Uncertain) as caught:
            await post(replace(target, url=url, answer_seconds=0.3))
        never.set()
    assert isinstance(caught.value.__cause__, TimeoutError)


async def test_a_server_that_stops_reading_does_not_hold_the_worker(target: PrefectureTarget) -> None:
    never = asyncio.Event()

    async def stalled(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1_000)
        await asyncio.wait_for(never.wait(), 10)

    async with raw_server(stalled) as url:
        with pytest.raises(Uncertain):
            await post(replace(target, url=url, answer_seconds=0.3), CONTENT * 50)
        never.set()


async def test_a_refusal_before_the_end_of_the_body(ministry: Ministry, target: PrefectureTarget) -> None:
    """The status decides when it arrives; a success before the end of the body cannot be believed."""
    ministry.answer_at_once = True

    async def slow() -> AsyncIterator[bytes]:
        yield CONTENT
        await asyncio.wait_for(asyncio.Event().wait(), 30)

    async with ministry_server(ministry, None) as url:
        ministry.status = 413
        with pytest.raises(Temporary):
            await send_archive(replace(target, url=url), NAME, len(CONTENT) * 2, slow)
        ministry.status = 200
        with pytest.raises(Uncertain):
            await send_archive(replace(target, url=url), NAME, len(CONTENT) * 2, slow)


@pytest.mark.parametrize("error", [-1, 1])
async def test_content_of_another_size_than_announced(url: str, target: PrefectureTarget, error: int) -> None:
    with pytest.raises(Uncertain):
        await post(replace(target, url=url), CONTENT, len(CONTENT) + error)


@pytest.mark.parametrize("name", ["", 'a"b.tar.gz', "a\r\nb.tar.gz", "a\\b"])
async def test_a_name_that_would_break_the_header_is_refused(target: PrefectureTarget, name: str) -> None:
    with pytest.raises(Permanent):
        await send_archive(replace(target, url="https://localhost:1/"), name, 0, lambda: chunks(b""))


async def test_cancellation_goes_through(target: PrefectureTarget) -> None:
    arrived = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readexactly(1_000)
        arrived.set()
        await reader.read()

    async with raw_server(hold) as url:
        task = asyncio.create_task(post(replace(target, url=url), CONTENT * 50))
        await asyncio.wait_for(arrived.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_memory_stays_flat(ministry: Ministry, url: str, target: PrefectureTarget) -> None:
    ministry.keep = False
    block, count = bytes(1_048_576), 128

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield block

    before = psutil.Process().memory_info().rss
    await send_archive(replace(target, url=url), NAME, count * len(block), blocks)
    assert ministry.received_bytes > count * len(block)
    assert psutil.Process().memory_info().rss - before < 48 * 1_048_576
