"""A worker's process that hands one thing to the State, to be killed while it does."""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from tdt.config import Config
from tdt.deps import open_deps
from tdt.domain.ids import EnvelopeId, HeliosId
from tdt.flows import actes_send, helios_send
from tests.faults.plant import Plant


class Sending:
    """A process of its own, in which `transmit` runs."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process

    async def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def ended(self) -> int:
        return await self._process.wait()


async def start(works: Plant, kind: str, number: int) -> Sending:
    """Run `transmit` of this kind ("acte", "helios") in another process."""
    orders = {"config": msgspec.to_builtins(works.deps.config), "kind": kind, "number": number}
    with tempfile.NamedTemporaryFile("w", suffix=".json", dir=works.deps.spool.directory.parent, delete=False) as file:
        json.dump(orders, file)
    root = Path(__file__).parents[2]
    return Sending(
        await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.faults.sending", file.name, cwd=root)
    )


async def _send(orders: dict[str, Any]) -> None:
    async with open_deps(msgspec.convert(orders["config"], Config)) as deps:
        if orders["kind"] == "acte":
            await actes_send.transmit(deps, EnvelopeId(orders["number"]))
        else:
            await helios_send.transmit(deps, HeliosId(orders["number"]))


if __name__ == "__main__":
    asyncio.run(_send(json.loads(Path(sys.argv[1]).read_text())))
