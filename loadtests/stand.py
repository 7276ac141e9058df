"""What is measured: a database and accounts made by a real sandbox, then only the processes that a scenario needs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from loadtests.processes import Program, listens, running
from tdt.sandbox import postgres
from tdt.sandbox.settings import choose_port
from tdt.sandbox.supervisor import tied

ROOT = Path(__file__).parent.parent
OURS = ("TDT_DATABASE_URL", "TDT_QUEUE_URL", "TDT_CONFIG")
"""Settings of the caller's environment that would change what is measured."""


@dataclass(frozen=True, slots=True)
class Account:
    """How an account of the sandbox connects."""

    cert: Path
    key: Path
    login: str | None
    password: str | None


@dataclass(frozen=True, slots=True)
class Stand:
    """A sandbox directory and what its JSON line said of it."""

    directory: Path
    told: Mapping[str, Any]

    @property
    def port(self) -> int:
        return int(self.told["url"].rpartition(":")[2])

    @property
    def cluster(self) -> postgres.Cluster:
        return postgres.describe_cluster(self.directory / "postgres")

    @property
    def spool(self) -> Path:
        return self.directory / "spool"

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    def account(self, name: str) -> Account:
        told = self.told["accounts"][name]
        return Account(Path(told["cert"]), Path(told["key"]), told["login"], told["password"])

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


@contextmanager
def temporary_directory(where: str = "") -> Iterator[Path]:
    """A folder that the unprivileged servers may pass through, removed in the end."""
    with tempfile.TemporaryDirectory(prefix="tdt-loadtest-", dir=where or None, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def prepare(directory: Path) -> Stand:
    """Let a sandbox make accounts, routes and classifications, then stop it: what it made stays."""
    with sandbox(directory) as (stand, _):
        return stand


@contextmanager
def sandbox(directory: Path) -> Iterator[tuple[Stand, Program]]:
    """A whole running sandbox, as a user starts it."""
    directory.mkdir(mode=0o711, exist_ok=True)
    command = [sys.executable, "-m", "tdt", "sandbox", "--dir", str(directory)]
    command += ["--port", str(choose_port(set())), "--json"]
    with (directory / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(
            tied(command, signal.SIGTERM), stdout=subprocess.PIPE, stderr=log, env=environment(), cwd=ROOT
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"no sandbox: {(directory / 'sandbox.log').read_text(errors='replace')[-3000:]}")
        yield Stand(directory, json.loads(line)), Program(process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def environment() -> dict[str, str]:
    """Ours, without what would lead the programs elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PYTHONPATH": str(ROOT)}


@contextmanager
def database(stand: Stand) -> Iterator[Program]:
    """The Postgres of the stand, syncs included: what it says is committed is on disk."""
    cluster = stand.cluster
    postgres.drop_foreign_pid(cluster)

    def is_ready() -> bool:
        return asyncio.run(postgres.is_ready(cluster))

    command = postgres.server_command(cluster)
    with running(
        command,
        stand.log("postgres"),
        is_ready,
        environment=postgres.environment(),
        stop_signal=signal.SIGINT,
        is_tied=True,
    ) as program:
        yield program


@contextmanager
def serve(stand: Stand, processes: int = 1, changes: Mapping[str, str] | None = None) -> Iterator[Program]:
    """`tdt serve` with the configuration of the sandbox, some keys of [server] changed."""
    port = choose_port({stand.port})
    values = {"processes": str(processes), "health": json.dumps(f"127.0.0.1:{port}"), **(changes or {})}
    config = stand.directory / f"serve-{port}.toml"
    config.write_text(_replace(stand.directory / "tdt.toml", values), encoding="utf-8")
    command = [sys.executable, "-m", "tdt", "serve", "--config", str(config)]

    def is_ready() -> bool:
        # several processes have health listeners on ports that follow each other
        return listens(stand.port) and all(listens(port + number) for number in range(processes))

    with running(command, stand.log("serve"), is_ready, environment=environment()) as program:
        yield program


def _replace(path: Path, values: Mapping[str, str]) -> str:
    """The text of the configuration with these keys of its section [server]."""
    section, lines = "", []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
            lines.append(line)
            if section == "[server]":
                lines += [f"{key} = {value}" for key, value in values.items()]
        elif not (section == "[server]" and line.partition(" ")[0] in values):
            lines.append(line)
    return "\n".join(lines) + "\n"


@contextmanager
def server_and_database(stand: Stand, processes: int = 1) -> Iterator[dict[str, Program]]:
    """Both, by name."""
    with ExitStack() as stack:
        base = stack.enter_context(database(stand))
        yield {"tdt": stack.enter_context(serve(stand, processes)), "postgres": base}


def run_sql(stand: Stand, statement: str) -> list[Any]:
    """One statement as administrator."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(stand.cluster.dsn("postgres"))
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    return asyncio.run(run())
