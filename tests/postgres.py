"""One private PostgreSQL for the test session, a migrated template, a copy of it for each test.

TDT_TEST_POSTGRES_BIN selects other binaries than the wheel's (a directory with initdb and postgres).
"""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from tdt.db.migrate import migrate
from tdt.sandbox import postgres

TEMPLATE = "tdt_template"
ROOM = 4 << 30
COPY = "create database {} template {} owner tdt_owner strategy file_copy"
"""The files as they are: without syncs, and in memory, quicker than by the log."""


@dataclass(frozen=True, slots=True)
class TestServer:
    """The server of the session; `template` is migrated and never connected to again."""

    __test__ = False

    cluster: postgres.Cluster
    template: str = TEMPLATE

    @property
    def admin_dsn(self) -> str:
        return self.cluster.dsn("postgres", "postgres")


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """A fresh migrated database: as its owner (sees all rows) and as the application (row-level security applies)."""

    __test__ = False

    name: str
    owner_dsn: str
    app_dsn: str
    admin_dsn: str


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    directory = Path(tempfile.mkdtemp(prefix="tdt-test-pg-", dir=find_memory()))
    cluster = postgres.describe_cluster(directory, os.environ.get("TDT_TEST_POSTGRES_BIN", ""), durable=False)
    process = None
    try:
        asyncio.run(postgres.create_cluster(cluster))
        with (directory / "log").open("wb") as log:
            command = postgres.server_command(cluster)
            process = subprocess.Popen(command, stdout=log, stderr=log, env=postgres.environment(), cwd="/")
        asyncio.run(_prepare(cluster))
        yield TestServer(cluster)
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        shutil.rmtree(directory)
        shutil.rmtree(cluster.sockets, ignore_errors=True)


def find_memory() -> Path | None:
    """Where a database is copied ten times faster than on a disk; None (the usual place) where there is no room."""
    memory = Path("/dev/shm")
    try:
        return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM else None
    except OSError:
        return None


async def _prepare(cluster: postgres.Cluster) -> None:
    await postgres.wait_ready(cluster)
    await postgres.make_roles(cluster)
    await postgres.make_database(cluster, TEMPLATE)
    await migrate(cluster.dsn(postgres.OWNER, TEMPLATE))


@pytest.fixture
def empty_database(postgres_server: TestServer) -> Iterator[TestDatabase]:
    """Migrated, without a row of anybody."""
    with copied(postgres_server) as made:
        yield made


@pytest.fixture
def database(empty_database: TestDatabase) -> TestDatabase:
    """The same, but in the folders that put something there first."""
    return empty_database


@contextmanager
def copied(server: TestServer, template: str = TEMPLATE) -> Iterator[TestDatabase]:
    """A copy of a template, gone with the block."""
    made = make_copy(server, f"tdt_test_{next(_numbers)}", template)
    yield made
    asyncio.run(_execute(server.admin_dsn, f"drop database {made.name} with (force)"))


def make_copy(server: TestServer, name: str, template: str = TEMPLATE) -> TestDatabase:
    """One that stays as long as the server."""
    asyncio.run(_execute(server.admin_dsn, COPY.format(name, template)))
    dsn = server.cluster.dsn
    return TestDatabase(name, dsn(postgres.OWNER, name), dsn(postgres.APP, name), dsn("postgres", name))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
