"""`tdt simulators`: the préfecture and the DGFiP of a sandbox in one process, with their control API."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from tdt.simulators.control import ControlServer, reset_route
from tdt.simulators.dgfip import Dgfip
from tdt.simulators.journal import Journal
from tdt.simulators.prefecture import Prefecture


class Server(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Simulator(Server, Protocol):
    def routes(self) -> Sequence[web.RouteDef]: ...


async def run(config_path: Path) -> None:
    """Serve until SIGTERM or SIGINT; the configuration is the JSON file that the sandbox writes."""
    config = json.loads(await asyncio.to_thread(config_path.read_text, "utf-8"))
    state = Path(config["state"])
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    journals = [Journal(state / "prefecture"), Journal(state / "dgfip")]
    dgfip = Dgfip(config["dgfip"], journals[1])
    prefecture = Prefecture(config["prefecture"], journals[0])
    simulators: list[Simulator] = [prefecture, dgfip]
    routes = [route for simulator in simulators for route in simulator.routes()]
    control = ControlServer(config["control"], [*routes, reset_route([journals[0], dgfip], prefecture.match_door)])
    async with contextlib.AsyncExitStack() as stack:
        for journal in journals:
            stack.callback(journal.close)
        servers: list[Server] = [*simulators, control]
        for server in servers:
            stack.push_async_callback(server.stop)
            await server.start()
        await stopping.wait()
