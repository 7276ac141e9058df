"""The server as real processes: told to systemd, stopped by a signal, several on one port, one killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from tdt.config import Config
from tdt.sandbox.pki import Pki
from tests.wire.client import BOUNDARY, Client, File, close, multipart, read_answer
from tests.wire.stack import changed

PROGRAM = (
    "import sys, msgspec; from tdt.config import Config; from tdt.web.processes import run;"
    "run(msgspec.json.decode(sys.argv[1], type=Config))"
)
TEST = "/api/test-connexion.php"
IMPORT = "/modules/helios/api/helios_importer_fichier.php"


@asynccontextmanager
async def serving(config: Config, directory: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, socket.socket]]:
    """The server started as systemd would, and the socket on which it tells its state."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(directory / "notify"))
        told.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            msgspec.json.encode(config).decode(),
            env=os.environ | {"NOTIFY_SOCKET": str(directory / "notify"), "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            async with asyncio.timeout(30):
                assert await asyncio.get_running_loop().sock_recv(told, 100) == b"READY=1"
            yield process, told
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def stopped(process: asyncio.subprocess.Process, told: socket.socket) -> int:
    """Ask for the end; gives the exit code."""
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        assert await asyncio.get_running_loop().sock_recv(told, 100) == b"STOPPING=1"
        return await process.wait()


def client_of(config: Config, pki: Pki) -> Client:
    return Client(int(config.server.listen.rpartition(":")[2]), pki, "certonly")


async def test_a_request_in_flight_ends_before_the_process(config: Config, pki: Pki, tmp_path: Path) -> None:
    config = changed(config, server=msgspec.structs.replace(config.server, shutdown_seconds=20.0))
    body = multipart([("enveloppe", File("p.xml", b"<pes/>" * 100_000))])
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
    async with serving(config, tmp_path) as (process, told):
        client = client_of(config, pki)
        reader, writer = await client.connect()
        writer.write(client.head("POST", IMPORT, headers) + body[:300_000])
        await writer.drain()
        await until(lambda: any((tmp_path / "spool").iterdir()))
        ending = asyncio.create_task(stopped(process, told))
        await until(lambda: refuses(client.port))
        writer.write(body[300_000:])
        assert b"<resultat>OK</resultat>" in (await read_answer(reader)).body
        await close(writer)
        assert await ending == 0


async def test_several_processes_share_the_port_and_one_is_replaced(config: Config, pki: Pki, tmp_path: Path) -> None:
    config = changed(config, server=msgspec.structs.replace(config.server, processes=2))
    async with serving(config, tmp_path) as (process, told):
        client = client_of(config, pki)
        assert (await client.get(TEST)).body == b"OK"
        assert (tmp_path / "health.sock").exists()
        assert (tmp_path / "health.sock.1").exists()
        members = listeners(process.pid, client.port)
        assert len(members) == 2
        members[0].kill()
        await until(lambda: len(set(listeners(process.pid, client.port)) - {members[0]}) == 2)
        assert (await client.get(TEST)).body == b"OK"
        assert await stopped(process, told) == 0
        assert refuses(client.port)


async def test_members_do_not_survive_the_watcher(config: Config, pki: Pki, tmp_path: Path) -> None:
    config = changed(config, server=msgspec.structs.replace(config.server, processes=2))
    async with serving(config, tmp_path) as (process, _):
        port = client_of(config, pki).port
        process.kill()
        await process.wait()
        await until(lambda: refuses(port))


def listeners(parent: int, port: int) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(parent).children(recursive=True):
        try:
            connections = child.net_connections("tcp")
        except psutil.Error:
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections):
            found.append(child)
    return found


def refuses(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "not within the deadline"
        await asyncio.sleep(0.02)
