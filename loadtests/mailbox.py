"""Thousands of answers in the mailbox of the ministry: how fast a worker takes them in, in what memory."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from loadtests.processes import resident
from loadtests.result import Outcome, Sample, Side
from loadtests.stand import ROOT, Stand, database, environment, run_sql
from tdt.config import Config
from tdt.config_file import load
from tdt.db.authorities import NewAuthority, insert_authority
from tdt.deps import open_deps
from tdt.domain.ids import RouteId
from tests.certificates import TestAuthority
from tests.mailservers import LOGIN, PASSWORD, MailServer, dovecot
from tests.mass_answers import answer, insert_sent_acts

COUNT = 10_000
LIMIT_MIB = 64.0
SECONDS = 1_800.0
SIREN = "552100554"
LEFT = "select (select count(*) from acte_transaction where status = 3) as sent, (select count(*) from job) as jobs"

STORED = """
    select (select count(*) from received) as mails, (select count(*) from acte_workflow where status = 4) as ars"""


def run(stand: Stand, _rounds: int, quick: bool) -> Iterator[Outcome]:
    """Once: the mailbox is full before the worker starts, whose memory is watched until the last act has its AR."""
    count = COUNT // 20 if quick else COUNT
    directory = stand.directory / "mails"
    directory.mkdir()
    with database(stand), dovecot(TestAuthority(directory).server()) as server:
        [before] = run_sql(stand, STORED)
        config = asyncio.run(_prepare(stand, server, directory, count))
        for number in range(1, count + 1):
            server.deliver(answer(number, SIREN), f"{number:05}.a")
        with _worker(config, directory) as pid:
            yield from _measure(stand, server, pid, count)
        [after] = run_sql(stand, STORED)
        assert after["mails"] - before["mails"] == after["ars"] - before["ars"] == count, dict(after)


async def _prepare(stand: Stand, server: MailServer, directory: Path, count: int) -> Config:
    """Acts that wait, and the route of ACTES led to this mailbox."""
    config = load(stand.directory / "tdt.toml")
    password = directory / "password"
    password.write_text(PASSWORD)
    async with open_deps(config) as deps, deps.transaction("system") as connection:
        new = NewAuthority("Commune des mesures", SIREN, 31, "034", "3")
        authority = await insert_authority(connection, new)
        route = RouteId(await connection.fetchval("select id from route where kind = 'actes'"))
        name = await connection.fetchval("select credentials from route where id = $1", route)
        address = {"imap_host": "127.0.0.1", "imap_port": server.port, "imap_tls": False}
        await connection.execute("update route set settings = settings || $2 where id = $1", route, address)
        await insert_sent_acts(connection, authority, route, count, SIREN)
    secrets = msgspec.structs.replace(
        config.credentials[name], mailbox_login=LOGIN, mailbox_password_file=str(password)
    )
    return msgspec.structs.replace(config, credentials={**config.credentials, name: secrets})


@contextmanager
def _worker(config: Config, directory: Path) -> Iterator[int]:
    path = directory / "worker.json"
    path.write_text(json.dumps(msgspec.to_builtins(config)))
    command = [sys.executable, "-m", "tests.worker_process", str(path)]
    with (directory / "worker.log").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, env=environment())
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _measure(stand: Stand, server: MailServer, pid: int, count: int) -> Iterator[Outcome]:
    """Seconds to an empty mailbox and to the last AR; memory from a tenth of the way on, when all code is loaded."""
    started = time.monotonic()
    emptied, base, worst = 0.0, 0.0, 0.0
    while True:
        [row] = run_sql(stand, LEFT)
        now = time.monotonic() - started
        if now > SECONDS:
            raise RuntimeError(f"{row['sent']} acts still wait after {SECONDS:.0f} s")
        here = resident(pid) / 2**20
        if not base and row["sent"] <= count * 9 // 10:
            base = here
        worst = max(worst, here)
        if not emptied and not any(any((server.maildir / part).iterdir()) for part in ("new", "cur")):
            emptied = now
        if not row["sent"] and not row["jobs"] and emptied:
            break
        time.sleep(0.5)
    note = f"{count} mails: mailbox emptied after {emptied:.0f} s, last AR applied after {now:.0f} s"
    fetched, read = Side("tdt", [Sample(count / emptied)]), Side("tdt", [Sample(count / now)])
    yield Outcome("mailbox, taken in", "mails/s", fetched, None, [1.0], None, note=note)
    yield Outcome("mailbox, applied", "mails/s", read, None, [1.0], None)
    grown = Side("tdt", [Sample(worst - (base or worst))])
    memory = f"worker at {base:.0f} MiB after a tenth, {worst:.0f} at most"
    yield Outcome("mailbox, memory", "MiB", grown, None, [1.0], LIMIT_MIB, at_least=False, note=memory, of_value=True)
