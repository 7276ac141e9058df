"""A machine that runs everything (`tdt sandbox`), dies at once, and another one that takes over from what was saved."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tdt.sandbox import postgres
from tdt.sandbox.layout import Layout
from tdt.sandbox.probes import listens
from tdt.sandbox.settings import choose_port

START_SECONDS = 90.0


def distribution() -> str:
    """The PostgreSQL of the distribution: Barman uses its programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        raise postgres.PostgresMissing("the Debian package postgresql is needed (scripts/services)")
    return str(found[-1].parent)


class Machine:
    """One folder with a database, a spool, a configuration; and its processes."""

    def __init__(self, directory: Path):
        self.layout = Layout(directory)
        self.cluster = postgres.describe_cluster(directory / "postgres", distribution())
        self.said: dict[str, Any] = {}
        self.archiving_port = 0
        self._sandbox: subprocess.Popen[bytes] | None = None
        self._second: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Everything, ready."""
        directory = self.layout.directory
        directory.mkdir(parents=True, exist_ok=True)
        await postgres.create_cluster(self.cluster)
        command = [sys.executable, "-m", "tdt", "sandbox", "--dir", str(directory), "--port", "0", "--json"]
        with (directory / "sandbox.log").open("ab") as log:
            self._sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self._sandbox.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = await asyncio.to_thread(self._sandbox.stdout.readline)
        if not line:
            raise RuntimeError(f"the sandbox did not start: {directory}/sandbox.log")
        self.said = json.loads(line)

    async def start_second(self) -> None:
        """A second server of the same database: it answers once the bytes are in the database."""
        self.archiving_port = choose_port(set())
        text = self.layout.config.read_text()
        port = int(self.said["url"].rpartition(":")[2])
        text = text.replace(f'"127.0.0.1:{port}"', f'"127.0.0.1:{self.archiving_port}"')
        text = "\n".join('health = "127.0.0.1:0"' if one.startswith("health") else one for one in text.splitlines())
        config = self.layout.directory / "archiving.toml"
        config.write_text(text + '\n[content]\nanswer_after = "archive"\n')
        with (self.layout.directory / "second.log").open("ab") as log:
            self._second = subprocess.Popen(
                [sys.executable, "-m", "tdt", "serve", "--config", str(config)], stdout=log, stderr=log
            )
        async with asyncio.timeout(START_SECONDS):
            while not await listens(self.archiving_port):
                await asyncio.sleep(0.1)

    def pause_workers(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT to the workers: what is posted stays as it is."""
        for pid in self._processes():
            if _command(pid)[1:4] == ["-m", "tdt", "work"]:
                os.kill(pid, number)

    def kill(self) -> None:
        """The power goes: Postgres first, so that nothing ends in order."""
        pids = list(self._processes())
        if not pids:
            return
        os.kill(pids[0], signal.SIGSTOP)
        for pid in sorted(
            pids, key=lambda pid: not _command(pid)[0].endswith("postgres") and "postgres:" not in _command(pid)[0]
        ):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in (self._sandbox, self._second):
            if process is not None:
                process.kill()
                process.wait()

    def stop(self) -> None:
        """In order."""
        for process in (self._second, self._sandbox):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def _processes(self) -> Iterator[int]:
        for process in (self._sandbox, self._second):
            if process is not None and process.poll() is None:
                yield from _tree(process.pid)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[None]:
        """Its PostgreSQL alone."""
        await postgres.create_cluster(self.cluster)
        with (self.layout.directory / "postgres.log").open("ab") as log:
            process = subprocess.Popen(
                postgres.server_command(self.cluster), stdout=log, stderr=log, env=postgres.environment(), cwd="/"
            )
        try:
            await postgres.wait_ready(self.cluster, START_SECONDS)
            await self._recovered()
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    async def _recovered(self) -> None:
        """All the WAL was replayed: it takes writes."""
        connection = await asyncpg.connect(self.cluster.dsn("postgres", "postgres"))
        try:
            async with asyncio.timeout(START_SECONDS):
                while await connection.fetchval("select pg_is_in_recovery()"):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()

    def verify(self) -> dict[str, Any]:
        """What `tdt verify` says."""
        config = self.layout.directory / "verify.toml"
        config.write_text(
            f'[database]\ndsn = "{self.cluster.dsn(postgres.APP)}"\n'
            f'[spool]\ndirectory = "{self.layout.directory}/spool"\n'
        )
        command = [sys.executable, "-m", "tdt", "verify", "--json", "--rate", "0", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            raise RuntimeError(f"tdt verify: {done.stdout}{done.stderr}")
        said: dict[str, Any] = json.loads(done.stdout)
        return said


def another(machine: Machine, directory: Path, *, spool: bool) -> Machine:
    """A new machine: the configuration, certificates and secrets of the old one; its spool if it was saved.

    The State and its mailbox, which play outside, are as they are.
    """
    left = {"postgres", "sandbox.log", "postgres.log", *(() if spool else ("spool",))}
    shutil.copytree(machine.layout.directory, directory, ignore=lambda folder, names: left & set(names), symlinks=True)
    (directory / "spool").mkdir(mode=0o700, exist_ok=True)
    for path in directory.rglob("*.lock"):
        path.unlink()
    new = Machine(directory)
    new.cluster.data.parent.mkdir(parents=True)
    return new


def _tree(root: int) -> Iterator[int]:
    yield root
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{root}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return
    for child in children:
        yield from _tree(child)


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def now() -> float:
    """Seconds, to measure with."""
    return time.time()
