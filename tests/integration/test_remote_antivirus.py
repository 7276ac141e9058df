"""The antivirus adapter, against Debian's clamd: verdicts by both kinds of sockets, and everything that is none."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tdt.config import Antivirus as Settings
from tdt.domain.antivirus import Engine, read_engine
from tdt.domain.errors import Temporary
from tdt.remote.antivirus import LIMIT, UNAVAILABLE, Antivirus
from tests.clamd import EICAR, FOUND_EICAR, FOUND_MARK, MARK, STREAM_BYTES, Clamd


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


@pytest.fixture(params=["unix", "tcp"])
def antivirus(clamd: Clamd, request: pytest.FixtureRequest) -> Antivirus:
    address = clamd.address if request.param == "unix" else f"127.0.0.1:{clamd.port}"
    return Antivirus(Settings(address=address, timeout=20.0))


async def test_it_says_what_it_found_and_nothing_of_what_is_clean(antivirus: Antivirus) -> None:
    assert antivirus.configured
    assert (await antivirus.engine()).name.startswith("ClamAV ")
    assert await antivirus.scan(pieces(b"%PDF-1.4\n", b"rien")) == ""
    assert await antivirus.scan(pieces()) == ""
    assert await antivirus.scan(pieces(EICAR)) == FOUND_EICAR
    assert await antivirus.scan(pieces(b"%PDF-1.4\n" + MARK[:7], MARK[7:], b"\n%%EOF")) == FOUND_MARK


async def test_a_chunk_may_be_larger_than_what_is_sent_at_once(antivirus: Antivirus) -> None:
    assert await antivirus.scan(pieces(b"\0" * (3 << 20) + MARK)) == FOUND_MARK


async def test_what_exceeds_its_limits_is_no_verdict(antivirus: Antivirus) -> None:
    """The limit of a stream breaks the sending off; that of a file is told as if something was found."""
    for size in (STREAM_BYTES + (1 << 20), STREAM_BYTES // 2 + 1):
        with pytest.raises(Temporary) as caught:
            await antivirus.scan(pieces(*[b"\0" * 65_536] * (size // 65_536 + 1)))
        assert caught.value.code in (LIMIT, UNAVAILABLE)
    assert caught.value.code == LIMIT
    assert await antivirus.scan(pieces(b"ensuite")) == ""


async def test_memory_is_flat(clamd: Clamd) -> None:
    antivirus = Antivirus(Settings(address=clamd.address))

    async def many() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield bytes(65_536)

    tracemalloc.start()
    try:
        await antivirus.scan(many())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


async def test_one_that_is_stopped_is_waited_for(clamd: Clamd) -> None:
    antivirus = Antivirus(Settings(address=clamd.address, timeout=20.0))
    clamd.stop()
    for question in (antivirus.engine(), antivirus.scan(pieces(b"x"))):
        with pytest.raises(Temporary) as caught:
            await question
        assert caught.value.code == UNAVAILABLE
    clamd.start()
    assert await antivirus.scan(pieces(EICAR)) == FOUND_EICAR


async def test_one_that_says_nothing_is_waited_for_in_bounded_time(clamd: Clamd) -> None:
    antivirus = Antivirus(Settings(address=clamd.address, timeout=0.3))
    clamd.pause()
    try:
        async with asyncio.timeout(10):
            for data in (b"x", bytes(3 << 20)):
                with pytest.raises(Temporary) as caught:
                    await antivirus.scan(pieces(data))
                assert caught.value.code == UNAVAILABLE
    finally:
        clamd.resume()


@pytest.mark.parametrize(
    "answer", [b"", b"stream: ", b"stream: FOUND\0", b"UNKNOWN COMMAND\0", b"x" * 100_000, b"stream: Error ERROR\0"]
)
async def test_an_answer_that_is_none_is_no_verdict(tmp_path: Path, answer: bytes) -> None:
    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        writer.write(answer)
        writer.close()

    path = tmp_path / "odd.sock"
    async with await asyncio.start_unix_server(odd, path):
        with pytest.raises(Temporary) as caught:
            await Antivirus(Settings(address=f"unix:{path}", timeout=5.0)).scan(pieces(b"x"))
    assert caught.value.code == UNAVAILABLE


async def test_the_fault_of_who_gives_the_bytes_stays_its_own(clamd: Clamd) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise Temporary("La base est absente.", code="BASE")

    with pytest.raises(Temporary) as caught:
        await Antivirus(Settings(address=clamd.address)).scan(broken())
    assert caught.value.code == "BASE"


def test_what_clamd_calls_itself() -> None:
    assert read_engine("ClamAV 1.4.6/27500/Wed Nov 25 08:35:11 2026") == Engine(
        "ClamAV 1.4.6", "27500", "Wed Nov 25 08:35:11 2026"
    )
    assert read_engine("ClamAV 1.4.6") == Engine("ClamAV 1.4.6")
