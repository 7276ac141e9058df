"""The systemd units: accepted, hardened; and the dialogue with systemd of the real programs."""

import asyncio
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import pytest

from tdt.config import Config, Database, Server, Spool, Worker
from tdt.config_file import load
from tdt.db.content import insert_content
from tdt.deps import Deps, open_deps, utc_now
from tdt.sandbox.pki import Pki, make_pki
from tdt.sandbox.provision import provision
from tdt.sandbox.settings import Ports, Settings, choose_port
from tests.commands import open_terminal
from tests.doorbells import make_authority, until
from tests.postgres import TestDatabase
from tests.programs import running
from tests.wire.administration import make_certificate
from tests.wire.client import BOUNDARY, Client, File, close, multipart, read_answer

UNITS = Path(__file__).parents[2] / "systemd"
MANUAL = UNITS.parent / "docs" / "operations.md"
SERVICES = ("tdt-web@.service", "tdt-worker@.service", "tdt-migrate.service")
PROGRAM = "/opt/tdt/.venv/bin/tdt"
HARDENED = {
    "User": "tdt",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
}
IMPORT = "/modules/helios/api/helios_importer_fichier.php"
TEST = "/api/test-connexion.php"


# ---------------------------------------------------------------------------------------------- the files


def read_unit(name: str) -> dict[str, list[str]]:
    """Each key with its values, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[key].append(value)
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(name: str) -> None:
    unit = read_unit(name)
    assert {key: unit[key] for key in HARDENED} == {key: [value] for key, value in HARDENED.items()}
    assert unit["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert "MemoryMax" in unit
    assert unit["LoadCredential"][0] == "dsn:/etc/tdt/secrets/dsn"
    wanted = ["CAP_NET_BIND_SERVICE"] if name == "tdt-web@.service" else [""]
    assert unit["CapabilityBoundingSet"] == wanted
    assert unit.get("AmbientCapabilities", [""]) == wanted


@pytest.mark.parametrize(
    ("name", "shutdown_seconds"),
    [("tdt-web@.service", Server().shutdown_seconds), ("tdt-worker@.service", Worker().shutdown_seconds)],
)
def test_a_process_is_watched_restarted_and_given_time_to_stop(name: str, shutdown_seconds: float) -> None:
    unit = read_unit(name)
    assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == (["notify"], ["always"], ["0"])
    assert int(unit["WatchdogSec"][0]) >= 10
    assert float(unit["TimeoutStopSec"][0]) > shutdown_seconds
    assert unit["Environment"] == ["TDT_INSTANCE=%i"]
    assert unit["PartOf"] == unit["WantedBy"] == ["tdt.target"]
    assert unit["StateDirectory"] == ["tdt"]


def test_only_the_migration_sees_the_owner_of_the_database() -> None:
    for name in SERVICES:
        holds = any(value.startswith("owner_dsn:") for value in read_unit(name)["LoadCredential"])
        assert holds == (name == "tdt-migrate.service")


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        print("systemd-analyze: absent, the units were only read by our own parser")  # noqa: T201 - absence is told
        return
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    names = [name.replace("@", "@1") for name in SERVICES]
    answer = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / name) for name in ("tdt.target", *names))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in answer.stderr.splitlines() if "tdt" in line or "nvalid" in line]
    assert (answer.returncode, ours) == (0, []), answer.stderr


def given_credentials(unit: dict[str, list[str]], directory: Path) -> None:
    """The folder that systemd makes for a service, when only `dsn` and `owner_dsn` were installed."""
    directory.mkdir()
    for value in unit["SetCredential"]:
        name, _, text = value.partition(":")
        (directory / name).write_text(text.replace("\\n", "\n"))
    for value in unit["LoadCredential"]:
        name, _, path = value.partition(":")
        if Path(path).name in ("dsn", "owner_dsn"):
            (directory / name).write_text("postgresql://somebody@/tdt\n")


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("block", [0, 1], ids=["tls", "nginx"])
def test_the_configuration_of_the_manual_suits_the_service(
    name: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_credentials(read_unit(name), tmp_path / "credentials")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    monkeypatch.setenv("TDT_INSTANCE", "1")
    manual = blocks("toml")
    text = manual[0] if block == 0 else manual[1] + manual[0][manual[0].index("[database]") :]
    (tmp_path / "tdt.toml").write_text(text)
    config = load(tmp_path / "tdt.toml")
    assert bool(config.database.owner_dsn) == (name == "tdt-migrate.service")
    assert config.database.dsn
    assert config.queue.url == ""
    assert (config.server.listen == "unix:/run/tdt/web-1/http.sock") == (block == 1)


async def test_the_commands_of_the_manual_open_an_installation(
    database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sadm", "logiciel"):
        (tmp_path / f"{name}.pem").write_bytes(make_certificate(name))
    terminal = open_terminal(database, tmp_path, "[credentials.prefecture]\n[credentials.dgfip]\n")
    [block] = [block for block in blocks("sh") if "first-sadm" in block]
    lines = [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines()]
    for words in filter(None, lines):
        assert words[0] == "tdt"
        await asyncio.to_thread(terminal.run, *words[1:])
    assert await count(database, "select count(*) from authority_route") == 2
    assert await count(database, "select count(*) from account_permission where permission = 'RW'") == 2
    assert await count(database, "select count(*) from service_member") == 1


async def test_the_queries_of_the_manual_are_accepted(database: TestDatabase) -> None:
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        for query in blocks("sql"):
            await connection.execute(query)
    finally:
        await connection.close()


def blocks(language: str) -> list[str]:
    """The blocks of code of the manual, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", MANUAL.read_text(), re.MULTILINE | re.DOTALL)


# ---------------------------------------------------------------------------------------------- the programs


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pki]:
    yield make_pki(tmp_path_factory.mktemp("pki") / "pki", utc_now())


@pytest.fixture
def config(database: TestDatabase, tmp_path: Path, authorities: Pki) -> Config:
    return Config(
        server=Server(
            listen=f"127.0.0.1:{choose_port(set())}",
            health=f"unix:{tmp_path}/web.health",
            certificate=str(authorities.server.cert),
            key=str(authorities.server.key),
            connect_authorities=str(authorities.connect),
            transmit_authorities=str(authorities.transmit),
        ),
        database=Database(dsn=database.app_dsn, pool_size=6, wait_seconds=3.0),
        spool=Spool(directory=str(tmp_path / "spool")),
        worker=Worker(health=f"unix:{tmp_path}/worker.health", poll_seconds=0.5),
    )


WATCHED = {"WATCHDOG_USEC": "1000000"}


async def test_the_server_talks_to_systemd_and_ends_what_it_serves(
    config: Config, authorities: Pki, database: TestDatabase
) -> None:
    await provision(database.owner_dsn, authorities, Settings(ports=Ports(web=0)))
    client = Client(int(config.server.listen.rpartition(":")[2]), authorities, "certonly")
    async with running("serve", config, WATCHED) as program:
        await program.hear("READY=1")
        assert (await client.get(TEST)).body == b"OK"
        assert await is_live(config.server.health)
        for _ in range(3):
            await program.hear("WATCHDOG=1", 5)

        body = multipart([("enveloppe", File("p.xml", b"<pes/>" * 100_000))])
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
        reader, writer = await client.connect()
        writer.write(client.head("POST", IMPORT, headers) + body[:300_000])
        await writer.drain()
        await until(lambda: has_files(config.spool.directory), "the body has begun to arrive")
        program.signal_end()
        await program.hear("STOPPING=1")
        await program.hear("WATCHDOG=1", 5)  # still watched while it ends what it serves
        writer.write(body[300_000:])
        assert b"<resultat>OK</resultat>" in (await read_answer(reader)).body
        await close(writer)
        assert await program.ended() == 0


async def test_several_processes_under_one_service_are_watched_too(
    config: Config, authorities: Pki, database: TestDatabase
) -> None:
    await provision(database.owner_dsn, authorities, Settings(ports=Ports(web=0)))
    several = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, processes=2))
    async with running("serve", several, WATCHED) as program:
        await program.hear("READY=1")
        for _ in range(3):
            await program.hear("WATCHDOG=1", 5)
        program.signal_end()
        await program.hear("STOPPING=1")
        assert await program.ended() == 0


async def test_the_worker_talks_to_systemd_and_ends_what_it_does(
    config: Config, database: TestDatabase, deps: Deps
) -> None:
    authority = await make_authority(deps)
    async with running("work", config, WATCHED) as program:
        await program.hear("READY=1")
        assert await count(database, "select count(*) from worker") == 1
        assert await is_live(config.worker.health)
        for _ in range(3):
            await program.hear("WATCHDOG=1", 5)

        writer = deps.spool.writer()
        for _ in range(96):
            writer.write(b"x" * (1 << 20))
        body = await writer.finish()
        async with deps.transaction("system") as connection:
            await insert_content(connection, authority, body)
        await until(lambda: is_running(database), "the job has begun")
        program.signal_end()
        await program.hear("STOPPING=1")
        assert await program.ended() == 0
    assert await count(database, "select count(*) from job") == 0
    assert await count(database, "select count(*) from content where place = 'archive'") == 1
    assert await count(database, "select count(*) from worker") == 0


@pytest.fixture
async def deps(config: Config) -> AsyncIterator[Deps]:
    async with open_deps(config) as opened:
        yield opened


async def is_live(address: str) -> bool:
    connector = aiohttp.UnixConnector(address.removeprefix("unix:"))
    async with aiohttp.ClientSession(connector=connector) as session, session.get("http://localhost/live") as answer:
        return answer.status == 200


async def has_files(directory: str) -> bool:
    return any(path.is_file() for path in Path(directory).rglob("*"))  # noqa: ASYNC240


async def is_running(database: TestDatabase) -> bool:
    return await count(database, "select count(*) from job where state = 'running'") == 1


async def count(database: TestDatabase, query: str) -> int:
    connection = await asyncpg.connect(database.admin_dsn)
    try:
        found: int = await connection.fetchval(query)
        return found
    finally:
        await connection.close()
