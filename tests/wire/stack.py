"""The real server on a real socket, with the accounts and the PKI of the sandbox and a fresh database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from tdt.config import Config, Database, Limits, Server, Spool
from tdt.deps import Deps, open_deps, utc_now
from tdt.domain.ids import AuthorityId
from tdt.sandbox.pki import Pki, make_pki
from tdt.sandbox.provision import provision
from tdt.sandbox.settings import Ports, Settings, choose_port
from tdt.web.server import start
from tests.postgres import TestDatabase, TestServer, copied, make_copy
from tests.wire.client import Client

SETTINGS = Settings(ports=Ports(web=0))
"""The passwords of the accounts, the same for all tests of a process."""
PROVISIONED = "tdt_provisioned"


@dataclass(frozen=True, slots=True)
class Stack:
    """A running server and what tests need to talk to it and to look behind it."""

    port: int
    health: Path
    deps: Deps
    pki: Pki
    settings: Settings
    authorities: dict[str, AuthorityId]
    database: TestDatabase

    def client(self, account: str = "certonly", basic: bool = False) -> Client:
        """A client with this certificate, with the Basic credentials of the account if asked."""
        password = self.settings.passwords.get(account, "")
        return Client(self.port, self.pki, account, account if basic else "", password if basic else "")

    def spooled(self) -> list[str]:
        """The files in the spool."""
        return sorted(path.name for path in self.deps.spool.directory.iterdir())


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki") / "pki", utc_now())


@pytest.fixture(scope="session")
def provisioned_template(postgres_server: TestServer, pki: Pki) -> str:
    """A database that holds the accounts already: copied, it spares each test the making of them."""
    made = make_copy(postgres_server, PROVISIONED)
    asyncio.run(provision(made.owner_dsn, pki, SETTINGS))
    return made.name


@pytest.fixture
def database(postgres_server: TestServer, provisioned_template: str) -> Iterator[TestDatabase]:
    with copied(postgres_server, provisioned_template) as made:
        yield made


@pytest.fixture
def config(database: TestDatabase, tmp_path: Path, pki: Pki) -> Config:
    """The configuration of the server under test; a test may replace parts of it before `run_stack`."""
    return Config(
        server=Server(
            listen=f"127.0.0.1:{choose_port(set())}",
            health=f"unix:{tmp_path}/health.sock",
            public_url="https://tdt.example",
            certificate=str(pki.server.cert),
            key=str(pki.server.key),
            connect_authorities=str(pki.connect),
            transmit_authorities=str(pki.transmit),
            crl_directory=str(pki.crl),
            shutdown_seconds=2.0,
        ),
        database=Database(dsn=database.app_dsn, pool_size=4, wait_seconds=2.0),
        spool=Spool(directory=str(tmp_path / "spool")),
        limits=Limits(acte_archive_bytes=2_000_000, pes_bytes=4 << 20),
    )


@asynccontextmanager
async def run_stack(config: Config, database: TestDatabase, pki: Pki) -> AsyncIterator[Stack]:
    """Start the server; it stops with the block."""
    authorities = await provision(database.owner_dsn, pki, SETTINGS)
    async with open_deps(config) as deps, AsyncExitStack() as stack:
        await start(deps, stack)
        port = 0 if config.server.listen.startswith("unix:") else int(config.server.listen.rpartition(":")[2])
        health = Path(config.server.health.removeprefix("unix:"))
        yield Stack(port, health, deps, pki, SETTINGS, authorities, database)


@pytest.fixture
async def stack(config: Config, database: TestDatabase, pki: Pki) -> AsyncIterator[Stack]:
    async with run_stack(config, database, pki) as running:
        yield running


def changed(config: Config, **sections: msgspec.Struct) -> Config:
    """The same configuration with other sections."""
    return msgspec.structs.replace(config, **sections)
