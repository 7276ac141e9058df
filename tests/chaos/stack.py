"""Everything that runs: Postgres, RabbitMQ, the simulated State, its mailbox, our processes, proxies between."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tdt.db.migrate import migrate
from tdt.domain.ids import AuthorityId
from tdt.domain.routes import Transport
from tdt.sandbox import postgres
from tdt.sandbox.client import Client
from tdt.sandbox.layout import CREDENTIALS_PREFECTURE, Dsns, Layout, write_config, write_secrets, write_simulators
from tdt.sandbox.main import receive_classification
from tdt.sandbox.pki import make_pki
from tdt.sandbox.probes import answers_http, greets_imap, listens
from tdt.sandbox.provision import provision
from tdt.sandbox.settings import Settings, choose_port, load_settings, save_settings
from tdt.sandbox.supervisor import tied
from tests.certificates import Files
from tests.chaos.births import Life, Nursery, execute
from tests.chaos.configuration import Table
from tests.chaos.configuration import write_config as write_ours
from tests.chaos.mounts import Disk, make_disks
from tests.chaos.processes import Kept
from tests.chaos.shim import LOADER
from tests.chaos.state import CREDENTIALS
from tests.chaos.tenants import POPULATION, TENANTS, Tenant
from tests.mailservers import make_dovecot
from tests.proxy import Proxy
from tests.services import RabbitNode
from tests.smtp import MailHost, mail_host

SERVERS, WORKERS = 2, 4
BACKDATE = timedelta(days=1)
"""The certificates are good for a process whose clock is late."""


@dataclass(slots=True)
class Stack:
    """What runs, by name; `owner` reaches the database directly, as the verification does."""

    layout: Layout
    settings: Settings
    cluster: postgres.Cluster
    rabbit: RabbitNode
    nursery: Nursery
    disks: dict[str, Disk]
    kept: dict[str, Kept] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    authorities: dict[str, AuthorityId] = field(default_factory=dict)
    mails: MailHost | None = None
    taken: set[int] = field(default_factory=set)

    def take_port(self) -> int:
        """One that nobody of ours has or will have."""
        port = choose_port(self.taken)
        self.taken.add(port)
        return port

    @property
    def owner(self) -> str:
        return self.cluster.dsn(postgres.OWNER)

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.settings.ports.control}"

    @property
    def servers(self) -> list[Kept]:
        return [one for name, one in self.kept.items() if name.startswith("serve")]

    @property
    def workers(self) -> list[Kept]:
        return [one for name, one in self.kept.items() if name.startswith("work")]

    @property
    def ours(self) -> list[Kept]:
        return [*self.servers, *self.workers]

    def with_shim(self, environment: Mapping[str, str]) -> dict[str, str]:
        """That of a process of ours: with the library that fills the spool, where its disk does not."""
        shim = self.disks["spool"].shim
        return shim.with_shim(environment) if shim is not None else dict(environment)

    def clients(self, tenant: Tenant) -> list[Client]:
        return [tenant.client(self.layout, self.settings, self.ports[one.name]) for one in self.servers]


@asynccontextmanager
async def running(directory: Path, disks: dict[str, Disk], *, mounting: bool) -> AsyncIterator[Stack]:
    """All of it, ready; stopped in the end, its files left on `disks`, which are mounted here."""
    layout = Layout(directory)
    settings = load_settings(directory, 0)
    # not below ours: it runs as another user, who cannot pass
    broker_files = Path(tempfile.mkdtemp(prefix="tdt-rabbit-"))
    cluster, nursery = postgres.describe_cluster(directory / "postgres"), Nursery(directory / "nursery.log")
    stack = Stack(layout, settings, cluster, RabbitNode(broker_files), nursery, disks)
    stack.taken |= {getattr(settings.ports, name) for name in settings.ports.__struct_fields__}
    async with AsyncExitStack() as ending:
        ending.push_async_callback(_stop, stack)
        broker = asyncio.create_task(asyncio.to_thread(stack.rabbit.start))
        made = asyncio.create_task(asyncio.to_thread(make_pki, layout.pki.directory, _now() - BACKDATE))
        await asyncio.to_thread(make_disks, directory, stack.disks, mounting)
        await nursery.open(stack.with_shim({}))
        await _start_database(stack)
        await made
        await broker
        stack.mails = await ending.enter_async_context(mail_host())
        await _open_proxies(stack)
        await _provision(stack)
        await _start_state(stack)
        await _start_ours(stack)
        # what they share, asked for once each: the préfecture knows them, and they have its lists
        await asyncio.gather(*(receive_classification(stack.clients(tenant)[0]) for tenant in TENANTS))
        yield stack


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


async def _stop(stack: Stack) -> None:
    last = ("simulators", "mailbox", "postgres")
    await asyncio.gather(*(one.stop() for one in stack.ours))
    for name in last:
        if name in stack.kept:
            await stack.kept[name].stop(signal.SIGINT if name == "postgres" else signal.SIGTERM)
    await stack.nursery.close()
    for proxy in stack.proxies.values():
        await proxy.close()
    await asyncio.to_thread(stack.rabbit.close)


def _log_of(stack: Stack, name: str) -> Path:
    path = stack.layout.directory / "logs" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    return path


def _keep(stack: Stack, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Kept:
    log, usual = _log_of(stack, name), environment or dict(os.environ)
    kept = Kept(name, log, lambda armed: execute(command, {**usual, **armed}, log), _always)
    stack.kept[name] = kept
    return kept


async def _always() -> bool:
    return True


async def _start_database(stack: Stack) -> None:
    cluster = stack.cluster
    await postgres.create_cluster(cluster)
    kept = _keep(stack, "postgres", postgres.server_command(cluster), postgres.environment())
    kept.prepare = lambda: postgres.drop_foreign_pid(cluster)
    kept.is_ready = lambda: postgres.is_ready(cluster)
    await kept.start()
    await postgres.make_roles(cluster)
    await postgres.make_database(cluster)
    await migrate(stack.owner)


async def _open_proxies(stack: Stack) -> None:
    ports = stack.settings.ports
    targets: dict[str, int | Path] = {
        "postgres": stack.cluster.sockets / postgres.SOCKET_NAME,
        "rabbitmq": stack.rabbit.port,
        "prefecture": ports.prefecture,
        "imap": ports.mailbox,
        "dgfip": ports.ftp,
    }
    for name, target in targets.items():
        stack.proxies[name] = Proxy(target)
        # a port of ours, not one that the system gives away while the proxy is closed
        stack.proxies[name].port = stack.take_port()
        await stack.proxies[name].open()


async def _provision(stack: Stack) -> None:
    layout, settings = stack.layout, stack.settings
    write_secrets(layout, settings)
    layout.secret("prefecture").write_text(CREDENTIALS[1], encoding="utf-8")
    dsn = f"postgresql://{postgres.APP}@127.0.0.1:{stack.proxies['postgres'].port}/{postgres.DATABASE}?sslmode=disable"
    write_config(layout, settings, Dsns(stack.owner, dsn))
    # a gateway that deletes as it sends loses what a killed worker had not written: no client can close this window,
    # and a file lost so could not be told from one that we lose
    write_simulators(layout, settings, [one.registry() for one in POPULATION.collectivities], gateway=False)
    stack.authorities = await provision(stack.owner, layout.pki, settings, POPULATION)
    save_settings(layout.directory, settings)
    await set_route(
        stack.owner,
        "actes",
        {
            "url": f"https://localhost:{stack.proxies['prefecture'].port}/",
            "imap_port": stack.proxies["imap"].port,
            "connect_seconds": 5,
            "answer_seconds": 4,
        },
    )
    await set_route(stack.owner, "helios", {"port": stack.proxies["dgfip"].port}, Transport.FTP_SIMULATOR)


ROUTE = "update route set settings = settings || $2::jsonb, transport = coalesce($3, transport) where kind = $1"


async def set_route(owner: str, kind: str, changes: Mapping[str, object], transport: Transport | None = None) -> None:
    """These settings of the routes of a kind, beside the others that they have; their transport too, if given."""
    connection = await asyncpg.connect(owner)
    try:
        await connection.execute(ROUTE, kind, json.dumps(changes), transport)
    finally:
        await connection.close()


async def _start_state(stack: Stack) -> None:
    layout, ports = stack.layout, stack.settings.ports
    # not the sandbox's: with hundreds of mails it takes seconds to answer, longer than a process lives here
    layout.mail.mkdir(exist_ok=True)
    tls = Files(str(layout.pki.prefecture.cert), str(layout.pki.prefecture.key))
    dovecot = make_dovecot(layout.mail, tls, (ports.mailbox, stack.take_port()), stack.settings.password("mailbox"))
    imap = _keep(stack, "mailbox", dovecot)
    imap.is_ready = lambda: greets_imap(ports.mailbox)
    state = _keep(stack, "simulators", _tdt("simulators", layout.simulators))
    state.is_ready = lambda: answers_http(ports.control, "/dgfip/received")
    await asyncio.gather(imap.start(), state.start())


def _tdt(command: str, config: Path) -> list[str]:
    return tied([sys.executable, "-m", "tdt", command, "--config", str(config)])


async def _start_ours(stack: Stack) -> None:
    assert stack.mails is not None
    common: dict[str, Table] = {
        "queue": {"url": stack.rabbit.url(stack.proxies["rabbitmq"].port), "name": "tdt.chaos"},
        "mail": {
            "host": "localhost",
            "port": stack.mails.port,
            "tls": "none",
            "sender": "tdt@chaos.example",
            "operators": ["exploitant@chaos.example"],
        },
    }
    for number in range(1, SERVERS + 1):
        port, health = stack.take_port(), stack.take_port()
        own: Table = {"listen": f"127.0.0.1:{port}", "health": f"127.0.0.1:{health}"}
        stack.ports[f"serve-{number}"] = port
        kept = _our_process(stack, f"serve-{number}", {**common, "server": own})
        kept.is_ready = lambda port=port, health=health: _serves(port, health)  # type: ignore[misc]
    for number in range(1, WORKERS + 1):
        health = stack.take_port()
        kept = _our_process(stack, f"work-{number}", {**common, "worker": {"health": f"127.0.0.1:{health}"}})
        kept.is_ready = lambda health=health: answers_http(health, "/ready")  # type: ignore[misc]
    await asyncio.gather(*(one.start() for one in stack.ours))


def _our_process(stack: Stack, name: str, changes: dict[str, Table]) -> Kept:
    config = stack.layout.directory / f"{name}.toml"
    login = {"login": CREDENTIALS[0], "password_file": str(stack.layout.secret("prefecture"))}
    write_ours(stack.layout.config, config, changes, {CREDENTIALS_PREFECTURE: login})
    command, log = name.partition("-")[0], _log_of(stack, name)

    async def begin(armed: Mapping[str, str]) -> Life:
        if LOADER in armed:  # it is read when a program is loaded, never after
            usual = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            return await execute(_tdt(command, config), stack.with_shim({**usual, **armed}), log)
        return await stack.nursery.fork([command, "--config", str(config)], armed, log)

    stack.kept[name] = Kept(name, log, begin, _always)
    return stack.kept[name]


async def _serves(port: int, health: int) -> bool:
    return await answers_http(health, "/ready") and await listens(port)
