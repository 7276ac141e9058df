"""A process that starts while its database is away waits for it; a setting or a schema that does not fit ends it."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from tdt.config import Config, Database, Spool, Worker
from tdt.db.migrate import migrate
from tdt.deps import open_deps
from tdt.queue.notices import job_notices
from tdt.sandbox import postgres
from tdt.sandbox.pki import Pki
from tdt.sandbox.provision import provision
from tdt.sandbox.settings import Ports, Settings
from tests.doorbells import add_contents, make_authority, until
from tests.own_postgres import Server, own_server
from tests.postgres import COPY, TestDatabase
from tests.programs import Program, running
from tests.tenants import application
from tests.wire.client import Client
from tests.wire.stack import changed

FOR_EVER = 3600.0
"""Longer than a test lasts: whoever waits for so long at the end of a process is seen."""
_numbers = itertools.count(1)
RESTORED = "update lineage set timeline = timeline + 1"


@dataclass(frozen=True, slots=True)
class Own:
    """A server that the test stops and starts, and a fresh database in it."""

    server: Server
    name: str

    def dsn(self, user: str) -> str:
        return self.server.cluster.dsn(user, self.name)

    def settings(self, wait_seconds: float) -> Database:
        return Database(dsn=self.dsn(postgres.APP), wait_seconds=wait_seconds)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    async def prepare(server: Server) -> None:
        await server.start()
        await postgres.make_roles(server.cluster)
        await postgres.make_database(server.cluster)
        await migrate(server.cluster.dsn(postgres.OWNER))

    with own_server(tmp_path_factory.mktemp("own") / "postgres") as server:
        asyncio.run(prepare(server))
        yield server


@pytest.fixture
async def own(migrated: Server) -> Own:
    migrated.stop()
    await migrated.start()
    name = f"own_{next(_numbers)}"
    async with application(migrated.cluster.dsn("postgres", "postgres")) as pool:
        await pool.execute(COPY.format(name, postgres.DATABASE))
    return Own(migrated, name)


def worker_config(database: Database, directory: Path) -> Config:
    return Config(
        database=database,
        spool=Spool(directory=str(directory / "spool")),
        worker=Worker(health=f"unix:{directory}/worker.health", poll_seconds=0.5, shutdown_seconds=5.0),
    )


def events(program: Program) -> list[dict[str, Any]]:
    """The lines of its log."""
    return [json.loads(line) for line in program.output().splitlines() if line.startswith("{")]


def has_told(program: Program, event: str) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        assert program.process.returncode is None, program.output()
        return any(line["event"] == event for line in events(program))

    return told


# ---------------------------------------------------------------------------------------------- the worker


async def test_a_worker_waits_for_its_database_and_goes_on_by_itself(own: Own, tmp_path: Path) -> None:
    config = worker_config(own.settings(0.2), tmp_path)
    async with open_deps(config) as deps:
        await add_contents(deps, await make_authority(deps), 3)
    own.server.stop()
    async with running("work", config) as program:
        await until(has_told(program, "worker.database_away"), "the outage is told")
        for _ in range(3):  # it tries again and again, and systemd is asked to be patient each time
            await until(lambda: extended(program), "more time is asked for")
        assert "READY=1" not in program.told
        await own.server.start()
        await program.hear("READY=1")
        assert [line["event"] for line in events(program)].count("worker.database_away") == 1, "told once"
        async with application(own.dsn("postgres")) as pool:
            assert await pool.fetchval("select count(*) from content") == 3

            async def done() -> bool:
                return bool(await pool.fetchval("select count(*) = 0 from job"))

            await until(done, "its jobs are done")
        program.signal_end()
        assert await program.ended() == 0


async def extended(program: Program) -> bool:
    """Whether it asked for more time once more."""
    asked = [told for told in program.told if told.startswith("EXTEND_TIMEOUT_USEC=")]
    program.told.clear()
    return bool(asked)


@pytest.mark.parametrize("wait_seconds", [0.2, FOR_EVER], ids=["between two tries", "in a try"])
async def test_a_worker_that_waits_stops_at_once(own: Own, tmp_path: Path, wait_seconds: float) -> None:
    own.server.stop()
    async with running("work", worker_config(own.settings(wait_seconds), tmp_path)) as program:
        told = "worker.database_away" if wait_seconds < FOR_EVER else "worker.started"
        await until(has_told(program, told), "it waits")
        program.signal_end()
        assert await program.ended() == 0
        assert events(program)[-1]["event"] == "worker.stopped"


async def test_a_worker_that_stops_during_an_outage_ends_well(own: Own, tmp_path: Path) -> None:
    async with running("work", worker_config(own.settings(0.2), tmp_path)) as program:
        await program.hear("READY=1")
        own.server.stop()
        await until(has_told(program, "worker.database_away"), "the outage is told")
        program.signal_end()
        assert await program.ended() == 0
        assert events(program)[-1]["event"] == "worker.stopped"


# ---------------------------------------------------------------------------------------------- the server


def client_of(config: Config, pki: Pki) -> Client:
    return Client(int(config.server.listen.rpartition(":")[2]), pki, "certonly")


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_server_answers_503_until_it_has_seen_what_became_of_its_database(
    own: Own, config: Config, pki: Pki, processes: int
) -> None:
    """Restored while everything was stopped: not one number is given out before that is noticed."""
    config = changed(
        config,
        database=own.settings(0.2),
        server=msgspec.structs.replace(config.server, processes=processes),
    )
    await provision(own.dsn(postgres.OWNER), pki, Settings(ports=Ports(web=0)))
    async with open_deps(config) as deps, deps.transaction("system") as connection:
        await connection.execute(RESTORED)
    own.server.stop()
    async with running("serve", config) as program:
        await program.hear("READY=1")
        client = client_of(config, pki)
        assert (await client.get("/api/test-connexion.php")).status == 503
        await own.server.start()
        async with asyncio.timeout(30):
            while (await client.get("/api/test-connexion.php")).status == 503:
                pass
        async with application(own.dsn("postgres")) as pool:
            assert await pool.fetchval("select count(*) from alert where kind = 'restore'") == 1
        program.signal_end()
        assert await program.ended() == 0


async def test_a_server_that_waits_stops_at_once(own: Own, config: Config) -> None:
    own.server.stop()
    async with running("serve", changed(config, database=own.settings(FOR_EVER))) as program:
        await until(lambda: is_open(config), "it waits")
        program.signal_end()
        assert await program.ended() == 0
        assert events(program)[-1]["event"] == "server_stopped"


async def is_open(config: Config) -> bool:
    """Whether its health can be asked."""
    return Path(config.server.health.removeprefix("unix:")).exists()  # noqa: ASYNC240


# ---------------------------------------------------------------------------------------------- both

WRONG = {
    "role": lambda database: database.app_dsn.replace("tdt_app@", "nobody_here@"),
    "name": lambda database: database.app_dsn.replace(database.name, "nothing_here"),
    "schema": lambda database: database.app_dsn.replace(database.name, "postgres"),
}


@pytest.mark.parametrize("command", ["work", "serve"])
@pytest.mark.parametrize("wrong", WRONG)
async def test_what_no_patience_corrects_ends_the_process(
    config: Config, database: TestDatabase, tmp_path: Path, command: str, wrong: str
) -> None:
    dsn = WRONG[wrong](database)
    config = changed(
        config,
        database=Database(dsn=dsn, wait_seconds=FOR_EVER),
        worker=Worker(health=f"unix:{tmp_path}/worker.health"),
    )
    async with running(command, config) as program:
        assert await program.ended() == 2
        assert "READY=1" not in program.told
        said = [line for line in program.output().splitlines() if not line.startswith("{")]
    assert len(said) == 1, said
    assert ("tdt migrate" if wrong == "schema" else "_here") in said[0]


async def test_notices_of_jobs_come_again_after_an_outage(own: Own) -> None:
    """Its socket is gone meanwhile, as a refused connection is not."""
    async with application(own.dsn(postgres.APP)) as pool, job_notices(pool) as noticed:

        async def listens() -> bool:
            noticed.clear()
            await pool.execute("notify tdt_job")
            return noticed.is_set()

        await until(listens, "it listens")
        with structlog.testing.capture_logs() as told:
            own.server.stop()

            async def tried() -> bool:
                return len(told) > 1

            await until(tried, "it tries again while the socket is gone")
        await own.server.start()
        await until(listens, "it listens again")
