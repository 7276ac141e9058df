"""An upload over FTP that does not reach its end is reset, never ended: an end would make a whole file of its part."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tdt.domain.errors import TdtError
from tdt.domain.helios.model import Metadata
from tdt.domain.routes import Transport
from tdt.remote.dgfip import DgfipTarget, open_dgfip

REPLIES = {"USER": "331 ok", "PASS": "230 ok", "TYPE": "200 ok", "SITE": "200 ok", "QUIT": "221 ok"}


@dataclass(slots=True)
class Server:
    """`hangs_up` at STOR, whose data connection is open by then. `ended`: how each data connection ended."""

    hangs_up: bool
    port: int = 0
    received: asyncio.Event = field(default_factory=asyncio.Event)
    ended: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await asyncio.start_server(self.data, "127.0.0.1", 0)
        port = data.sockets[0].getsockname()[1]
        writer.write(b"220 ready\r\n")
        try:
            while line := await reader.readline():
                command = line.decode().split()[0].upper()
                if command == "PASV":
                    writer.write(f"227 ok (127,0,0,1,{port // 256},{port % 256})\r\n".encode())
                elif command != "STOR":
                    writer.write(f"{REPLIES.get(command, '500 unknown')}\r\n".encode())
                elif self.hangs_up:
                    writer.transport.abort()
                    return
                else:
                    writer.write(b"150 go on\r\n")
        except ConnectionError:
            pass
        finally:
            writer.close()
            data.close()

    async def data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65_536):
                self.received.set()
            self.ended.put_nowait("end of file")
        except ConnectionError:
            self.ended.put_nowait("reset")
        finally:
            writer.close()


@asynccontextmanager
async def serving(hangs_up: bool) -> AsyncIterator[Server]:
    server = Server(hangs_up)
    listening = await asyncio.start_server(server.control, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


async def send(port: int) -> None:
    """A flow whose second half does not come."""
    target = DgfipTarget(
        transport=Transport.FTP_GATEWAY,
        host="127.0.0.1",
        port=port,
        login="tdt",
        password="secret",
        send_directory="entree",
        receive_directory="sortie",
    )

    async def chunks() -> AsyncIterator[bytes]:
        yield b"<PES>"
        await asyncio.Event().wait()

    async with open_dgfip(target) as client:
        await client.send("FLUX.xml", Metadata("VHPCE31", "GHELPES2", "PES#1#2#3"), "", 10, chunks())


async def test_a_control_connection_lost_at_the_command_makes_no_empty_file() -> None:
    async with serving(hangs_up=True) as server:
        with pytest.raises(TdtError):
            await send(server.port)
        async with asyncio.timeout(10):
            assert await server.ended.get() == "reset"


async def test_a_process_that_is_killed_makes_no_file_of_a_part() -> None:
    program = f"import asyncio; from {__name__} import send; asyncio.run(send({{}}))"
    async with serving(hangs_up=False) as server:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program.format(server.port))
        async with asyncio.timeout(30):
            await server.received.wait()
            child.send_signal(signal.SIGKILL)
            await child.wait()
            assert await server.ended.get() == "reset"
