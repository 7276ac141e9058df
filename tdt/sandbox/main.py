"""`tdt sandbox`: everything that a real exchange needs, in one process tree and one directory."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tdt.db.migrate import MigrationError, migrate
from tdt.db.pool import UNREACHABLE
from tdt.domain.ids import AuthorityId
from tdt.log import configure
from tdt.sandbox import mailserver, postgres
from tdt.sandbox.client import ACTES, Client
from tdt.sandbox.layout import Dsns, Layout, write_config, write_secrets, write_simulators
from tdt.sandbox.pki import REFUSED, make_pki
from tdt.sandbox.probes import answers_http, listens
from tdt.sandbox.provision import COLLECTIVITIES, SHOWN, NotOurs, provision
from tdt.sandbox.settings import Ports, Settings, is_free, load_settings, save_settings
from tdt.sandbox.supervisor import Busy, Command, StartFailed, Supervisor, lock_directory, own_directory, tied

log = structlog.get_logger()

CLASSIFICATION_SECONDS = 60.0
POSTGRES_SILENT_SECONDS = 5.0
FAILURES = (OSError, StartFailed, Busy, NotOurs, MigrationError, postgres.PostgresMissing, postgres.PostgresFailed)
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: what its first line of output says."""

    layout: Layout
    settings: Settings
    dsns: Dsns
    authorities: dict[str, AuthorityId]

    @property
    def url(self) -> str:
        return f"https://localhost:{self.settings.ports.web}"

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.settings.ports.control}"

    def client(self, name: str) -> Client:
        """A client of the API as this account."""
        pair, person = self.layout.pki.client(name), next(one for one in SHOWN if one.name == name)
        password = self.settings.password(name) if person.login else None
        return Client(self.settings.ports.web, self.layout.pki.root, pair.cert, pair.key, person.login, password)

    def describe(self) -> dict[str, object]:
        """The JSON line."""
        pki = self.layout.pki
        return {
            "url": self.url,
            "ca": str(pki.root),
            "dir": str(self.layout.directory),
            "database": self.dsns.owner,
            "control": self.control,
            "accounts": {
                person.name: {
                    "cert": str(pki.client(person.name).cert),
                    "key": str(pki.client(person.name).key),
                    "login": person.login,
                    "password": self.settings.password(person.name) if person.login else None,
                    "role": person.role.value,
                    "authority": person.collectivity,
                }
                for person in SHOWN
            },
            "authorities": {
                collectivity.key: {
                    "id": self.authorities[collectivity.key],
                    "siren": collectivity.new.siren,
                    "siret": list(collectivity.sirets),
                    "name": collectivity.new.name,
                }
                for collectivity in COLLECTIVITIES
            },
            "certificates": {
                name: {"cert": str(pki.client(name).cert), "key": str(pki.client(name).key)} for name in REFUSED
            },
        }


async def run_sandbox(directory: Path, port: int, json_output: bool) -> int:
    """Runs until SIGTERM or Ctrl-C; gives the exit code. Only the JSON line goes to stdout."""
    configure("info", "json")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stopping.set)
    try:
        async with contextlib.AsyncExitStack() as stack:
            starting = asyncio.create_task(stack.enter_async_context(open_sandbox(directory, port)))
            stop = asyncio.create_task(stopping.wait())
            await asyncio.wait([starting, stop], return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.wait([starting])
                stop.cancel()
                return 130
            _announce(await starting, json_output)
            await stop
            log.info("sandbox.stopping")
    except FAILURES as error:
        print(f"tdt sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _announce(sandbox: Sandbox, json_output: bool) -> None:
    if json_output:
        print(json.dumps(sandbox.describe()), flush=True)
    else:
        print(f"{sandbox.url} est prêt ({sandbox.layout.directory}). Ctrl-C pour arrêter.", flush=True)


@contextlib.asynccontextmanager
async def open_sandbox(directory: Path, port: int = 0) -> AsyncIterator[Sandbox]:
    """The whole sandbox, ready; everything is stopped at the end, in order."""
    layout = _make_directory(directory)
    with contextlib.ExitStack() as owned:
        owned.callback(os.close, own_directory(layout.directory))
        lock = await lock_directory(layout.directory)
        supervisor = Supervisor([lock])
        try:
            yield await _start(supervisor, layout, port)
        finally:
            owned.close()  # who comes now waits for the end of this tree
            await asyncio.shield(supervisor.stop())
            os.close(lock)


def _make_directory(directory: Path) -> Layout:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Layout(directory.resolve())


async def _start(supervisor: Supervisor, layout: Layout, port: int) -> Sandbox:
    settings = load_settings(layout.directory, port)
    if not is_free(settings.ports.web):
        raise Busy(f"port {settings.ports.web} is in use by another program")
    pki_made = asyncio.create_task(asyncio.to_thread(make_pki, layout.pki.directory, _now()))
    dsns = await _start_database(supervisor, layout, settings)
    pki = await pki_made
    mailbox = mailserver.Mailbox(layout.mail, settings.ports.mailbox, settings.password("mailbox"))
    write_secrets(layout, settings)
    write_config(layout, settings, dsns)
    write_simulators(layout, settings, [collectivity.registry() for collectivity in COLLECTIVITIES])
    authorities = await provision(dsns.owner, pki, settings)
    save_settings(layout.directory, settings)
    mailserver.prepare(mailbox)
    commands = [mailserver.mail_command(mailbox), *_own_commands(layout, settings)]
    # they wait for each other where they must; stopped in the reverse order
    await asyncio.gather(*(supervisor.start(command) for command in commands))
    sandbox = Sandbox(layout, settings, dsns, authorities)
    await asyncio.gather(*(receive_classification(sandbox.client(name)) for name in ("certonly", "other")))
    return sandbox


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


async def _start_database(supervisor: Supervisor, layout: Layout, settings: Settings) -> Dsns:
    url = os.environ.get("TDT_DATABASE_URL", "")
    if url:
        login = f"{postgres.APP}_{settings.password('database')[:8]}"
        dsns = Dsns(url, await postgres.borrow(url, login, settings.password("database")))
        save_settings(layout.directory, settings)  # the login is of no use without its password
    else:
        cluster = postgres.describe_cluster(layout.directory / "postgres")
        await postgres.create_cluster(cluster)
        await supervisor.start(_database_command(cluster))
        await postgres.make_roles(cluster)
        await postgres.make_database(cluster)
        dsns = Dsns(cluster.dsn(postgres.OWNER), cluster.dsn(postgres.APP))
    try:
        await migrate(dsns.owner)
    except UNREACHABLE as error:
        raise StartFailed(f"the database went away while it was being prepared: {error}") from error
    return dsns


def _database_command(cluster: postgres.Cluster) -> Command:
    return Command(
        name="postgres",
        arguments=postgres.server_command(cluster),
        is_ready=lambda: postgres.is_ready(cluster),
        environment=postgres.environment(),
        prepare=lambda: postgres.drop_foreign_pid(cluster),
        stop_signal=signal.SIGINT,
        # a postmaster does not see a startup process or checkpointer killed during a recovery: it waits for ever
        silent_seconds=POSTGRES_SILENT_SECONDS,
        progress=postgres.recovery_progress,
        stop_seconds=10.0,
    )


def _own_commands(layout: Layout, settings: Settings) -> list[Command]:
    ports = settings.ports
    return [
        _own_command("simulators", layout.simulators, lambda: answers_http(ports.control, "/dgfip/received")),
        _own_command("work", layout.config, lambda: answers_http(ports.worker_health, "/ready")),
        _own_command("serve", layout.config, lambda: _serves(ports)),
    ]


def _own_command(name: str, config: Path, is_ready: Callable[[], Awaitable[bool]]) -> Command:
    return Command(name, tied([sys.executable, "-m", "tdt", name, "--config", str(config)]), is_ready)


async def _serves(ports: Ports) -> bool:
    return await answers_http(ports.web_health, "/ready") and await listens(ports.web)


async def receive_classification(client: Client) -> None:
    """The first 7-1/7-2 exchange of a collectivité; nothing when it has a classification already."""
    fetch = f"{ACTES}/actes_classification_fetch.php"
    if not (await _ask(client, fetch)).startswith(b"KO"):
        return
    deadline = asyncio.get_running_loop().time() + CLASSIFICATION_SECONDS
    answer = await _ask(client, f"{ACTES}/actes_classification_request.php")
    lines = answer.decode("latin-1").split("\n")
    if lines[0] != "OK":
        raise StartFailed(f"the classification was refused: {' '.join(lines[:2])}")
    while True:
        status = (await _ask(client, f"{ACTES}/actes_transac_get_status.php", transaction=lines[1])).split(b"\n")
        if status[:2] == [b"OK", b"4"]:
            return
        if status[:2] == [b"OK", b"-1"] or asyncio.get_running_loop().time() > deadline:
            raise StartFailed(f"the classification did not come: {b' '.join(status[:3]).decode('latin-1')}")
        await asyncio.sleep(0.1)


async def _ask(client: Client, path: str, **query: object) -> bytes:
    try:
        return await asyncio.to_thread(client.get, path, api=1, **query)
    except (OSError, http.client.HTTPException) as error:
        raise StartFailed(f"the server does not answer: {error}") from error
