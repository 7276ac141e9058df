"""The DGFiP simulator under test, in the test's process or in one of its own, and its FTP and SFTP clients."""

import ftplib
import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncssh
from lxml import etree

from tdt.simulators.control import ControlServer, reset_route
from tdt.simulators.dgfip import Dgfip
from tdt.simulators.journal import Journal
from tests.helios_xsd import check

LOGIN, PASSWORD = "tdt", "essai"
NAME = "PESALR2_123456782_260115_002.xml"
METADATA = {"P_DEST": "VHPCE31", "P_APPLI": "THELPES2", "P_MSG": "PES#012#034001#00"}
SECONDS = 15.0


@dataclass(slots=True)
class Simulator:
    """A running simulator and the way to its control API."""

    ftp: int
    sftp: int
    control: str

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.control + path) as answer:
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.read()

    async def post(self, path: str, status: int = 200, **order: Any) -> Any:
        body = io.BytesIO(json.dumps(order).encode())  # aiohttp warns of large bytes
        async with aiohttp.ClientSession() as session, session.post(self.control + path, data=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    async def received(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get("/dgfip/received")
        return found

    def connect(self) -> ftplib.FTP:
        ftp = ftplib.FTP(timeout=SECONDS)
        ftp.connect("127.0.0.1", self.ftp)
        try:
            ftp.login(LOGIN, PASSWORD)
        except ftplib.Error:
            ftp.close()
            raise
        return ftp


@asynccontextmanager
async def simulator(directory: Path, **settings: Any) -> AsyncIterator[Simulator]:
    config = {
        **{"host": "127.0.0.1", "ftp_port": 0, "sftp_port": 0, "login": LOGIN, "password": PASSWORD},
        **{"sftp_host_key": str(directory / "host_key"), "gateway": True, "schemas": None, **settings},
    }
    journal = Journal(directory / "state")
    dgfip = Dgfip(config, journal)
    control = ControlServer({"host": "127.0.0.1", "port": 0}, [*dgfip.routes(), reset_route([dgfip])])
    await dgfip.start()
    await control.start()
    try:
        yield Simulator(dgfip.ftp_port, dgfip.sftp_port, f"http://127.0.0.1:{control.port}")
    finally:
        await control.stop()
        await dgfip.stop()
        journal.close()


def announce(ftp: ftplib.FTP, metadata: dict[str, str] | None = None) -> None:
    for name, value in (metadata or METADATA).items():
        assert ftp.sendcmd(f"site {name} {value}").startswith("200")


def put(ftp: ftplib.FTP, content: bytes, name: str = NAME, metadata: dict[str, str] | None = None) -> str:
    announce(ftp, metadata)
    return ftp.storbinary(f"STOR /entree/{name}", io.BytesIO(content))


def take_all(ftp: ftplib.FTP) -> dict[str, bytes]:
    """Read all that waits in the reception directory; the gateway removes it."""
    taken = {}
    for path in ftp.nlst("/sortie/"):
        data = bytearray()
        ftp.retrbinary(f"RETR /sortie/{path.rpartition('/')[2]}", data.extend)
        taken[path.rpartition("/")[2]] = bytes(data)
    return taken


def wait_for(ftp: ftplib.FTP, count: int = 1) -> dict[str, bytes]:
    """What comes, until this number of files."""
    taken: dict[str, bytes] = {}
    deadline = time.monotonic() + SECONDS
    while len(taken) < count:
        assert time.monotonic() < deadline, f"{sorted(taken)} after {SECONDS} s"
        taken |= take_all(ftp)
        time.sleep(0.02)
    return taken


def exchange(server: Simulator, *flows: bytes, count: int | None = None) -> list[bytes]:
    """Send flows, wait for the acquits, check the schema of each (but the technical ones)."""
    with server.connect() as ftp:
        found: list[bytes] = []
        for content in flows:
            put(ftp, content)
            found += wait_for(ftp, count or 1).values()
    assert all(b"UNKNOWN_TYPE" in acquit or check(acquit) == [] for acquit in found)
    return found


def states(acquit: bytes) -> list[str]:
    return [str(element.get("V")) for element in etree.fromstring(acquit).iter("EtatAck")]


def codes(acquit: bytes) -> list[str]:
    return [str(element.get("V")) for element in etree.fromstring(acquit).iter("NumAnoAck")]


async def open_sftp(server: Simulator, password: str = PASSWORD) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1", server.sftp, username=LOGIN, password=password, known_hosts=None, config=None, client_keys=None
    )


def remote_name(content: bytes) -> str:
    return "%%".join([*METADATA.values(), hashlib.sha1(content).hexdigest()])


class Process:
    """The simulator in a process of its own, killed and started again on the same directory and ports."""

    def __init__(self, directory: Path):
        self._config = directory / "config.json"
        self._settings: dict[str, Any] = {
            "state": str(directory / "state"),
            "control": {"host": "127.0.0.1", "port": 0},
            "dgfip": {
                **{"ftp_port": 0, "sftp_port": 0, "sftp_host_key": str(directory / "host_key")},
                **{"login": LOGIN, "password": PASSWORD, "gateway": True},
            },
        }
        self.child: subprocess.Popen[str] | None = None

    def start(self) -> Simulator:
        self._config.write_text(json.dumps(self._settings))
        command = [sys.executable, "-m", "tests.integration.dgfip_process", str(self._config)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        ports = json.loads(self.child.stdout.readline())
        return Simulator(ports["ftp"], ports["sftp"], f"http://127.0.0.1:{ports['control']}")

    def kill(self) -> None:
        if self.child is not None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
            assert self.child.stdout is not None
            self.child.stdout.close()
            self.child = None
