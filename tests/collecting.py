"""One look at a reception directory in a process of its own, killed where it is told: `CONFIG.json WHERE`.

WHERE `none` goes to the end, reads what was stored, and prints what memory it took beyond what it had at the start.
"""

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from tdt.config import Config
from tdt.db.routes import list_active_routes
from tdt.deps import open_deps
from tdt.domain.routes import RouteKind
from tdt.flows import helios_receive
from tdt.remote.dgfip_ftp import FtpClient

ROOT = Path(__file__).parents[1]
storing = importlib.import_module("tdt.flows.helios_receive.storing")
collect = importlib.import_module("tdt.flows.helios_receive.collect")
inbox = importlib.import_module("tdt.documents.inbox")

POINTS: dict[str, tuple[Any, str]] = {
    "while it comes": (inbox, "write_all"),
    "before it is durable": (inbox, "sync_directory"),
    "before it is stored": (collect, "store"),
    "before the commit": (storing, "insert_jobs"),
    "after the commit": (Path, "unlink"),
    "before it is removed there": (FtpClient, "remove"),
}
"""Where the process may die: in place of this function."""


def run_collect(config: Config, directory: Path, where: str = "none") -> subprocess.CompletedProcess[str]:
    """Have a process look once; it dies at `where`."""
    path = directory / "collect.json"
    path.write_text(json.dumps(msgspec.to_builtins(config)))
    command = [sys.executable, "-m", "tests.collecting", str(path), where]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


async def _look(config: Config, where: str) -> None:
    if where in POINTS:
        setattr(*POINTS[where], _die)
    async with open_deps(config) as deps:
        async with deps.transaction("system") as connection:
            [route] = await list_active_routes(connection, RouteKind.HELIOS)
        before = _peak()
        await helios_receive.collect(deps, route, helios_receive.Memory())
        async with deps.transaction("system") as connection:
            rows = await connection.fetch("select id from received where state = 'new' order by id")
        for row in rows:
            await helios_receive.ingest(deps, row["id"])
        sys.stdout.write(str(_peak() - before))


if __name__ == "__main__":
    read = msgspec.convert(json.loads(Path(sys.argv[1]).read_text()), Config)
    asyncio.run(_look(read, sys.argv[2]))
