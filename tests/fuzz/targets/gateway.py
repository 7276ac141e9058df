"""A lying DGFiP: what its FTP server may answer, read by the real client over a connection of our own.

An input is the script of the peer. Zero bytes divide it: the replies of the control connection in one piece, then the
content of each data connection.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tdt.domain.errors import TdtError
from tdt.domain.helios.model import Metadata
from tdt.domain.routes import Transport
from tdt.remote import dgfip_ftp
from tdt.remote.dgfip import UNKNOWN_SIZE, DgfipTarget, is_plain_name
from tests.fuzz.targets.base import SECRET, Target, check_told

TARGET = DgfipTarget(
    Transport.FTP_SIMULATOR, "192.0.2.9", 21, "tdt", SECRET, "entree", "sortie", use_pasv_address=True, rename=True
)
BODY = b"<pes/>"


class _Socket:
    family = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return ("192.0.2.9", 21)

    def setsockopt(self, *_: object) -> None:
        pass


class _Writer:
    """Takes everything, like a peer that reads and thinks nothing of it."""

    def __init__(self) -> None:
        self.closed = False
        self.transport = self

    def write(self, _data: bytes) -> None:
        assert not self.closed, "written after it was closed"

    async def drain(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    async def wait_closed(self) -> None:
        pass

    def get_extra_info(self, name: str) -> object:
        return _Socket() if name == "socket" else None


class _Peer:
    """Each connection reads the next part of the script."""

    def __init__(self, data: bytes):
        self._parts = data.split(b"\0")

    async def open(self, host: str, port: int, **_: object) -> tuple[asyncio.StreamReader, Any]:
        if not 0 <= port <= 65535:
            raise OverflowError("getsockaddrarg: port must be 0-65535.")  # as the socket does
        if not host.replace(".", "").isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")  # likewise
        reader = asyncio.StreamReader()
        if self._parts:
            reader.feed_data(self._parts.pop(0))
        reader.feed_eof()
        return reader, _Writer()


def ftp(data: bytes) -> None:
    """Whatever it answers, each of our steps ends, by an answer or by an error of ours."""
    asyncio.run(_visit(data))


async def _visit(data: bytes) -> None:
    for step in (_collect, _send):
        with patch.object(asyncio, "open_connection", _Peer(data).open), _only_ours():
            async with asyncio.timeout(20), dgfip_ftp.open_ftp(TARGET) as client:
                await step(client)


@contextmanager
def _only_ours() -> Iterator[None]:
    try:
        yield
    except TdtError as error:
        check_told(f"{error.message} {error.details}")


async def _collect(client: dgfip_ftp.FtpClient) -> None:
    names = sorted(await client.list_received())
    assert all(is_plain_name(name) for name in names)
    sizes = await client.sizes_of(names)
    assert all(size >= 0 or size == UNKNOWN_SIZE for size in sizes.values())
    for name in names:
        received = b"".join([chunk async for chunk in client.fetch(name)])
        assert len(received) <= 1 << 24
        await client.remove(name)


async def _send(client: dgfip_ftp.FtpClient) -> None:
    size = await client.find_sent("PES")
    assert size is None or size >= 0
    await client.send("PES", Metadata("A", "B", "C"), "0" * 40, len(BODY), _chunks())


async def _chunks() -> AsyncIterator[bytes]:
    yield BODY


LOGIN = b"220 ready\r\n331 password\r\n230 in\r\n200 TYPE\r\n"


def _seeds() -> dict[str, bytes]:
    data = b"200 TYPE\r\n227 Entering (192,0,2,9,4,1)\r\n150 here\r\n"
    listing = LOGIN + data + b"226 done\r\n213 5\r\n213 5\r\n" + data + b"226 done\r\n250 gone\r\n221 bye\r\n"
    sending = LOGIN + b"550 no\r\n200 a\r\n200 b\r\n200 c\r\n" + data
    sending += b"226 stored\r\n350 from\r\n250 to\r\n213 6\r\n221 x\r\n"
    several = LOGIN + b"200-a\r\n 1\r\n200 TYPE\r\n229 (|||1025|)\r\n125-x\r\n125 y\r\n226 z\r\n550 none\r\n"
    return {
        "listing": listing + b"\0sortie/ACK.xml\r\n\0<a/>x",
        "sending": sending,
        "multiline": several + b"\0A\nB\r\n../x\n",
        "passive": LOGIN.replace(b"331", b"332") + b"500 no\r\n229 (|||70000|)\r\n",
    }


TARGETS = [Target("ftp", ftp, _seeds)]
