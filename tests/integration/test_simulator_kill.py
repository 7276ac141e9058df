"""The simulators as a process: killed again and again they answer exactly once, and a large archive costs no memory."""

import asyncio
import contextlib
import gzip
import json
import os
import random
import signal
import socket
import sys
import tarfile
from collections import Counter
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from tests.actes_archives import PDF, Acte, acte_parcel
from tests.certificates import TestAuthority
from tests.integration.prefecture_stand import Stand, client_tls, read_mail, settings, wait_until

PROGRAM = (
    "import asyncio, pathlib, sys; from tdt.simulators.main import run; asyncio.run(run(pathlib.Path(sys.argv[1])))"
)
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Simulators:
    """`tdt simulators` as a child process that is started again on the same ports and state."""

    def __init__(self, directory: Path, authority: TestAuthority):
        self.directory = directory
        self.port, self.control = free_port(), free_port()
        self.process: asyncio.subprocess.Process | None = None
        config = {
            "state": str(directory / "state"),
            "control": {"host": "127.0.0.1", "port": self.control},
            "prefecture": settings(directory, authority, self.port),
            "dgfip": {"host": "127.0.0.1", "login": "tdt", "password": "tdt"},
        }
        (directory / "simulators.json").write_text(json.dumps(config))

    async def start(self) -> None:
        arguments = [sys.executable, "-c", PROGRAM, str(self.directory / "simulators.json")]
        self.process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT)
        process = self.process
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.control)
                    writer.close()
                    await writer.wait_closed()
                    return
                assert process.returncode is None, "the simulators ended by themselves"
                await asyncio.sleep(0.02)

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    def memory(self, field: str) -> int:
        """VmRSS or VmHWM, in bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0]) * 1024


@pytest.fixture
async def simulators(tmp_path: Path) -> AsyncIterator[tuple[Simulators, Stand]]:
    authority = TestAuthority(tmp_path)
    simulators = Simulators(tmp_path, authority)
    await simulators.start()
    tls = client_tls(authority, authority.client("tdt"))
    connector = aiohttp.TCPConnector(ssl=tls, force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"https://localhost:{simulators.port}/"
            yield simulators, Stand(session, url, f"http://127.0.0.1:{simulators.control}", tmp_path / "mail")
    finally:
        await simulators.end(signal.SIGKILL)


async def post_until_acknowledged(stand: Stand, serial: int) -> None:
    """As a TdT does: the identical archive again until it is acknowledged."""
    parcel = acte_parcel(Acte(number=f"K{serial:03}"), serial)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                assert await stand.post(parcel) == 201
                return
            await asyncio.sleep(0.05)


async def empty_mailbox(new: Path, taken: list[str]) -> None:
    """A TdT that takes each mail away as soon as it appears: nothing in the mailbox tells what was delivered."""
    while True:
        taken += take_mails(new)
        await asyncio.sleep(0.005)


def take_mails(new: Path) -> list[str]:
    """The number of the act of each AR found; the mails are removed."""
    numbers = []
    for file in list(new.iterdir()):
        mail = read_mail(file.read_bytes())
        assert mail.kind == "ARActe"
        numbers.append(str(mail.root.get("{http://www.interieur.gouv.fr/ACTES#v1.1-20040216}IDActe")).split("-")[3])
        file.unlink()
    return numbers


async def test_each_reception_is_answered_once_across_kills(simulators: tuple[Simulators, Stand]) -> None:
    process, stand = simulators
    chance = random.Random(20261122)  # the same instants in every run
    await stand.command("/prefecture/behaviour", {"delay": 0.15})
    taken: list[str] = []
    async with asyncio.TaskGroup() as group:
        emptying = group.create_task(empty_mailbox(stand.maildir / "new", taken))
        posting = []
        for kill in range(6):
            start = kill * 8 + 1
            posting += [group.create_task(post_until_acknowledged(stand, n)) for n in range(start, start + 8)]
            await asyncio.sleep(chance.uniform(0.02, 0.35))
            await process.end(signal.SIGKILL)
            await process.start()
        await asyncio.gather(*posting)
        receptions = Counter(item["metadata"]["acts"][0] for item in await stand.received())
        assert set(receptions) == {f"K{n:03}" for n in range(1, 49)}
        await wait_until(lambda: len(taken) >= receptions.total())
        await asyncio.sleep(0.5)  # the time in which a second copy would come
        emptying.cancel()
    assert Counter(taken) == receptions
    assert await process.end(signal.SIGTERM) == 0


async def test_a_large_archive_costs_no_memory(simulators: tuple[Simulators, Stand], tmp_path: Path) -> None:
    process, stand = simulators
    acte = Acte(files=(("99_DE", "pdf", PDF),))
    document = next(iter(acte.documents()))
    parcel = acte_parcel(acte)
    path = tmp_path / "large.tar.gz"
    block = os.urandom(1 << 20)
    with gzip.open(path, "wb", compresslevel=0) as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        for name, data in parcel.entries().items():
            info = tarfile.TarInfo(name)
            whole = PDF + block * 149 if name == document else data
            info.size = len(whole)
            tar.addfile(info, BytesIO(whole))
    before = process.memory("VmRSS")
    with path.open("rb") as file, aiohttp.MultipartWriter("form-data") as body:
        body.append(file).set_content_disposition("form-data", name=parcel.name, filename=parcel.name)
        async with stand.session.post(stand.url, data=body) as response:
            assert response.status == 201
    (mail,) = await stand.wait_mails(1)
    assert mail.kind == "ARActe"
    assert process.memory("VmHWM") - before < 64 << 20
    (item,) = await stand.received()
    assert item["size"] == path.stat().st_size
