"""A worker in a process of its own, to be killed: `python -m tests.worker_process CONFIG.json`."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec

from tdt import log
from tdt.config import Config
from tdt.deps import open_deps
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.runner import Worker

ROOT = Path(__file__).parents[1]


def start_worker(config: Config, directory: Path) -> subprocess.Popen[bytes]:
    """Start one; its log goes to `directory`/worker.log."""
    path = directory / "worker.json"
    path.write_text(json.dumps(msgspec.to_builtins(config)))
    command = [sys.executable, "-m", "tests.worker_process", str(path)]
    with (directory / "worker.log").open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)


async def _work(config: Config) -> None:
    log.configure("warning", "json")
    async with open_deps(config) as deps:
        await Worker(deps, WorkerMetrics()).run(lambda: None)


if __name__ == "__main__":
    asyncio.run(_work(msgspec.convert(json.loads(Path(sys.argv[1]).read_text()), Config)))
