"""Children of a real server: each of its processes has its own, and they are gone with it."""

import asyncio
import re
import signal
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest

from tdt.config import Config
from tdt.sandbox.pki import Pki
from tests.integration.test_stamp_large import make_images
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire.client import Client, File
from tests.wire.stack import changed
from tests.wire.test_acte_documents import BORDEREAU
from tests.wire.test_processes import client_of, serving, until


async def deposit(client: Client, database: TestDatabase, data: bytes = actes.PDF) -> int:
    """An act, once there are classifications."""
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        for row in await connection.fetch("select id from authority"):
            body = (row["id"], len(actes.CLASSIFICATION), actes.CLASSIFICATION)
            content = await connection.fetchval(actes.INSERT_BODY, *body)
            await connection.execute(
                "insert into acte_classification (authority_id, date, content_id) values ($1, '2019-03-01', $2)",
                row["id"],
                content,
            )
    finally:
        await connection.close()
    answer = await client.post(actes.CREATE, actes.form(acte_pdf_file=File("acte.pdf", data)))
    match = re.fullmatch(rb"OK\n([0-9]+)\n\n", answer.body)
    assert match, answer.body.decode("latin-1")
    return int(match[1])


def hosts(parent: int) -> list[psutil.Process]:
    """The processes that fork the children."""
    return [
        child
        for child in psutil.Process(parent).children(recursive=True)
        if "tdt.documents.child_host" in child.cmdline()
    ]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_every_process_has_its_children_and_none_outlives_it(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path, end: signal.Signals
) -> None:
    config = changed(config, server=msgspec.structs.replace(config.server, processes=2))
    async with serving(config, tmp_path) as (process, _):
        client = client_of(config, pki)
        number = await deposit(client, database)
        async with asyncio.timeout(60):
            # each connection goes to one of the two: asked often enough, both have answered
            while len(hosts(process.pid)) < 2:
                answer = await client.get(f"{BORDEREAU}?trans_id={number}")
                assert answer.body.startswith(b"%PDF-")
        started = hosts(process.pid)
        process.send_signal(end)
        await process.wait()
        await until(lambda: not any(one.is_running() for one in started))


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def test_a_large_stamped_file_costs_the_server_no_memory(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    limits = msgspec.structs.replace(config.limits, acte_archive_bytes=100_000_000)
    async with serving(changed(config, limits=limits), tmp_path) as (process, _):
        client = client_of(config, pki)
        source = tmp_path / "source.pdf"
        make_images(source, 30, 2_000_000)
        number = await deposit(client, database, source.read_bytes())
        connection = await asyncpg.connect(database.owner_dsn)
        file = await connection.fetchval("select id from acte_file where transaction_id = $1 and position = 1", number)
        await connection.close()
        before = peak(process.pid)
        answer = await client.get(f"{actes.DOWNLOAD}?file={file}&tampon=true")
        assert answer.headers["x-tdt-tampon"] == "TAMPON_APPOSE"
        assert len(answer.body) > 60_000_000
        assert peak(process.pid) - before < 24 << 20
