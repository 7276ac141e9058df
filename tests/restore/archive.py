"""Barman as an operator sets it up: base backups and the WAL as it is written, received synchronously."""

import asyncio
import getpass
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from tdt.sandbox.postgres import Cluster

SERVER = "tdt"
RECEIVER = "barman_receive_wal"
CONFIG = """[barman]
barman_user = {user}
barman_home = {home}
barman_lock_directory = {home}
log_file = {home}/barman.log
configuration_files_directory = {home}

[tdt]
conninfo = host={host} user=postgres dbname=postgres
streaming_conninfo = host={host} user=postgres dbname=postgres
path_prefix = {binaries}
backup_method = postgres
streaming_archiver = on
slot_name = barman
create_slot = auto
immediate_checkpoint = true
"""
IN_SYNC = "select 1 from pg_stat_replication where application_name = $1 and sync_state in ('sync', 'quorum')"


class ArchiveFailed(Exception):
    """Barman did not do what it was asked."""


class Archive:
    """A Barman of its own below `home`, for one cluster."""

    def __init__(self, home: Path, cluster: Cluster):
        self.home, self.cluster = home, cluster
        self._receiver: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True)
        values = {"user": getpass.getuser(), "home": home, "host": cluster.sockets}
        self._config = home / "barman.conf"
        self._config.write_text(CONFIG.format(**values, binaries=cluster.binaries.directory))

    def run(self, *words: str) -> str:
        """`barman WORDS`. Raises ArchiveFailed."""
        done = subprocess.run(
            ["barman", "-c", self._config, *words], capture_output=True, text=True, env=_environment(), check=False
        )
        if done.returncode:
            raise ArchiveFailed(f"barman {' '.join(words)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    async def begin(self) -> None:
        """From here on no commit is answered before Barman has it on disk; then take the base backup."""
        self.run("receive-wal", "--create-slot", SERVER)
        connection = await asyncpg.connect(self.cluster.dsn("postgres", "postgres"))
        try:
            await connection.execute(f"alter system set synchronous_standby_names = '{RECEIVER}'")
            await connection.execute("select pg_reload_conf()")
            with (self.home / "receive.log").open("wb") as log:
                self._receiver = subprocess.Popen(
                    ["barman", "-c", self._config, "receive-wal", SERVER],
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    start_new_session=True,
                )
            async with asyncio.timeout(90):
                while not await connection.fetchval(IN_SYNC, RECEIVER):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()
        await self.switch()
        await asyncio.to_thread(self.run, "backup", SERVER)
        await self.switch()

    async def switch(self) -> None:
        """Complete the segment being written, and file it."""
        connection = await asyncpg.connect(self.cluster.dsn("postgres", "postgres"))
        try:
            segment = await connection.fetchval("select pg_walfile_name(pg_switch_wal())")
            # Barman files a segment once the next one has begun
            await connection.execute("select pg_logical_emit_message(true, 'tdt', 'next')")
        finally:
            await connection.close()
        async with asyncio.timeout(90):
            while segment not in {path.name for path in (self.home / SERVER / "wals").rglob("*")}:
                await asyncio.to_thread(self.run, "archive-wal", SERVER)

    def stop(self) -> None:
        """The machine that received is no longer fed."""
        if self._receiver is not None:
            os.killpg(self._receiver.pid, signal.SIGKILL)
            self._receiver.wait()
            self._receiver = None

    def restore(self, target: Cluster, *, until: str = "", partial: bool = True) -> None:
        """The base backup and the WAL into an empty folder: to its end, or to an instant.

        `partial`: with the segment that was being received; it holds what was committed last.
        """
        self.run("archive-wal", SERVER)
        words = ["recover", SERVER, "latest", str(target.data)]
        if until:
            self.run(*words, "--target-time", until, "--target-action", "promote")
        else:
            self.run(*words)
            # a new timeline at the end of the WAL: tdt then knows that it was restored
            (target.data / "recovery.signal").touch()
            with (target.data / "postgresql.auto.conf").open("a") as settings:
                settings.write("restore_command = 'false'\n")
        left = sorted((self.home / SERVER / "streaming").glob("*.partial"))
        if partial and left and not until:
            shutil.copy(left[-1], target.data / "pg_wal" / left[-1].name.removesuffix(".partial"))
        adapt(target)


def adapt(target: Cluster) -> None:
    """No receiver stands behind this machine yet: nothing waits for one. What was copied is given to its PostgreSQL."""
    settings = target.data / "postgresql.auto.conf"
    lines = settings.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("synchronous_standby_names")]
    settings.write_text("\n".join(kept) + "\n")
    own(target.data)


def own(data: Path) -> None:
    """Postgres runs as `nobody` when we are root: what was copied is given to it."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    data.chmod(0o700)


def _environment() -> Mapping[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8"}
