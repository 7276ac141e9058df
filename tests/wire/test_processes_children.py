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
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire import test_processes as processes
from tests.wire.client import Client
from tests.wire.stack import changed
from tests.wire.test_acte_documents import BORDEREAU
from tests.wire.test_processes import client_of, serving, until

provisioned = processes.provisioned


async def deposit(client: Client, database: TestDatabase) -> int:
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
    answer = await client.post(actes.CREATE, actes.form())
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
    provisioned: Config, database: TestDatabase, pki: Pki, tmp_path: Path, end: signal.Signals
) -> None:
    config = changed(provisioned, server=msgspec.structs.replace(provisioned.server, processes=2))
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
