"""Main and rescue address of the ministry: cut at each stage, never twice after an answer that leaves a doubt."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Temporary, Uncertain
from tdt.domain.ids import EnvelopeId
from tdt.domain.routes import RouteKind
from tdt.flows import actes_moves, actes_send, routes
from tests.faults.plant import BIG_PDF, WINDOW, Plant

OPERATOR = Actor(Source.CLI, None, "exploitant")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BEFORE = ("closed", "unknown name", "connected", "no TLS", "handshake", "head", "refused before the body")
DOUBTFUL = ("first bytes", "middle", "whole", "half a status", "nonsense", "HTTP 500", "HTTP 201")


class Broken:
    """A raw server that plays one stage of an exchange, then cuts the connection; counts what it was given."""

    def __init__(self, stage: str):
        self.stage = stage
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._play(reader, writer)
            await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            if self.stage.startswith(("HTTP", "half", "nonsense", "refused")):
                writer.close()
            else:
                writer.transport.abort()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.stage == "no TLS":
            writer.write(b"220 bonjour\r\n")
        if self.stage in ("connected", "no TLS", "handshake"):
            return
        head = await reader.readuntil(b"\r\n\r\n")
        if self.stage == "head":
            return
        if self.stage == "refused before the body":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        writer.write(CONTINUE)
        await reader.readexactly({"first bytes": 10, "middle": length // 2}.get(self.stage, length))
        if self.stage == "half a status":
            writer.write(b"HTTP/1.1 2")
        if self.stage == "nonsense":
            writer.write(b"\x00\x01\x02\r\n\r\n")
        if self.stage.startswith("HTTP"):
            writer.write(f"HTTP/1.1 {self.stage[5:]} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


@asynccontextmanager
async def broken(stage: str, directory: Path) -> AsyncIterator[tuple[Broken, str]]:
    """The server, with the certificate of the plant's préfecture, and its address."""
    server = Broken(stage)
    if stage == "unknown name":
        yield server, "https://nulle-part.invalid/"
        return
    if stage == "closed":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            yield server, f"https://localhost:{taken.getsockname()[1]}/"
        return
    context = None
    if stage not in ("connected", "no TLS"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(directory / "localhost.crt", directory / "localhost.key")
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield server, f"https://localhost:{listening.sockets[0].getsockname()[1]}/"


async def use(works: Plant, main: str, rescue: str) -> None:
    settings: dict[str, object] = {"url": main, "rescue_url": rescue}
    await routes.modify(works.deps, OPERATOR, works.routes[RouteKind.ACTES].id, settings=settings)


async def attempts(works: Plant) -> list[tuple[str, str | None, bool]]:
    rows = await works.fetch("select address, outcome, reached from attempt order by id")
    return [(row["address"], row["outcome"], row["reached"]) for row in rows]


async def big(works: Plant) -> EnvelopeId:
    """So large that no buffer of the system swallows it whole."""
    return (await works.packaged_acte(pdf=BIG_PDF))[1]


@pytest.mark.parametrize("stage", BEFORE)
async def test_what_surely_did_not_arrive_is_rescued_once(works: Plant, tmp_path: Path, stage: str) -> None:
    envelope = await big(works)
    async with broken(stage, tmp_path) as (_, main):
        await use(works, main, f"https://localhost:{works.prefecture.port}/")
        await actes_send.transmit(works.deps, envelope)
    assert await attempts(works) == [("main", "failed", False), ("rescue", "accepted", True)]
    assert len(works.prefecture.parcels) == 1
    assert await works.value("select detail from attempt order by id desc limit 1") == "HTTP 200 (adresse de secours)"


@pytest.mark.parametrize("stage", DOUBTFUL)
async def test_after_a_doubt_nothing_is_sent_anywhere_before_the_window(
    works: Plant, tmp_path: Path, stage: str
) -> None:
    envelope = await big(works)
    rescue = f"https://localhost:{works.prefecture.port}/"
    async with broken(stage, tmp_path) as (server, main):
        await use(works, main, rescue)
        for _ in range(3):
            with pytest.raises(Uncertain):
                await actes_send.transmit(works.deps, envelope)
        assert server.connections == 1
    assert await attempts(works) == [("main", "uncertain", True)]
    assert works.prefecture.parcels == []
    # after the window: the same bytes under the same name, wherever they are taken
    works.elapse(WINDOW)
    async with broken("closed", tmp_path) as (_, main):
        await use(works, main, rescue)
        await actes_send.transmit(works.deps, envelope)
    sent = await works.fetch("select distinct name, sha256 from attempt")
    assert len(sent) == 1 and len(works.prefecture.parcels) == 1


@pytest.mark.parametrize("stage", DOUBTFUL)
async def test_a_doubt_at_the_rescue_address_is_one_too(works: Plant, tmp_path: Path, stage: str) -> None:
    envelope = await big(works)
    async with broken("connected", tmp_path) as (_, main), broken(stage, tmp_path) as (rescue, address):
        await use(works, main, address)
        for _ in range(2):
            with pytest.raises(Uncertain):
                await actes_send.transmit(works.deps, envelope)
        assert rescue.connections == 1
    assert await attempts(works) == [("main", "failed", False), ("rescue", "uncertain", True)]


async def test_a_clear_refusal_is_not_rescued(works: Plant, tmp_path: Path) -> None:
    envelope = await big(works)
    async with broken("HTTP 403", tmp_path) as (_, main):
        await use(works, main, f"https://localhost:{works.prefecture.port}/")
        with pytest.raises(Temporary):
            await actes_send.transmit(works.deps, envelope)
    assert await attempts(works) == [("main", "failed", True)]
    assert works.prefecture.parcels == []


async def test_both_addresses_away(works: Plant, tmp_path: Path) -> None:
    envelope = await big(works)
    async with broken("closed", tmp_path) as (_, main), broken("handshake", tmp_path) as (_, rescue):
        await use(works, main, rescue)
        with pytest.raises(Temporary):
            await actes_send.transmit(works.deps, envelope)
    assert await attempts(works) == [("main", "failed", False), ("rescue", "failed", False)]


async def relay(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.close()


@asynccontextmanager
async def stuck(works: Plant, envelope: EnvelopeId, late: bool = False) -> AsyncIterator[asyncio.Task[None]]:
    """A worker stuck at the main address until the block ends: it gets nothing there, or (`late`) all that it wants."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await go.wait()
        if late:
            answer, request = await asyncio.open_connection("127.0.0.1", works.prefecture.port)
            await asyncio.gather(relay(reader, request), relay(answer, writer), return_exceptions=True)
        writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        main = f"https://localhost:{listening.sockets[0].getsockname()[1]}/"
        await use(works, main, f"https://localhost:{works.prefecture.port}/")
        sending = asyncio.create_task(actes_send.transmit(works.deps, envelope))
        async with asyncio.timeout(20):
            await reached.wait()
        yield sending
        go.set()
        await asyncio.wait([sending])


async def test_a_worker_taken_for_dead_does_not_go_to_the_rescue_address(works: Plant, tmp_path: Path) -> None:
    """Another has sent the archive meanwhile: the first, that wakes up, must not send it too."""
    _, envelope = await works.packaged_acte()
    async with stuck(works, envelope) as first, broken("closed", tmp_path) as (_, closed):
        works.elapse(2 * WINDOW)
        await use(works, closed, f"https://localhost:{works.prefecture.port}/")
        await actes_send.transmit(works.deps, envelope)
        assert len(works.prefecture.parcels) == 1
    assert isinstance(first.exception(), Temporary)
    assert len(works.prefecture.parcels) == 1
    await actes_send.transmit(works.deps, envelope)
    assert await attempts(works) == [("main", "failed", False), ("main", "failed", False), ("rescue", "accepted", True)]


async def test_a_worker_taken_for_dead_that_reaches_the_ministry_at_last_sends_nothing(works: Plant) -> None:
    _, envelope = await works.packaged_acte()
    async with stuck(works, envelope, late=True) as first:
        works.elapse(2 * WINDOW)
        await use(works, f"https://localhost:{works.prefecture.port}/", "")
        await actes_send.transmit(works.deps, envelope)
        assert len(works.prefecture.parcels) == 1
    assert isinstance(first.exception(), Temporary)
    assert len(works.prefecture.parcels) == 1
    assert await attempts(works) == [("main", "failed", False), ("main", "accepted", True)]


async def test_what_is_given_up_meanwhile_does_not_go_to_the_rescue_address(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    async with stuck(works, envelope) as sending:
        await actes_moves.give_up(works.deps, OPERATOR, acte)
    assert isinstance(sending.exception(), Temporary)
    assert (works.prefecture.parcels, await attempts(works)) == ([], [("main", "failed", False)])
    # surely not with the ministry: it can be put in line again
    await actes_moves.put_again(works.deps, OPERATOR, acte, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
