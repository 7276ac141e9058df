"""The program as an operator runs it: `python -m tdt COMMAND --config FILE`, and what it tells systemd."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tdt.config import Config

CONFINED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Starts a program as MemoryDenyWriteExecute=yes does (prctl PR_SET_MDWE; kernels before 6.3 do nothing)."""
START_SECONDS = 30.0
STOP_SECONDS = 30.0


def write_config(config: Config, path: Path) -> None:
    """As TOML, every key written out."""
    lines: list[str] = []
    for section, values in msgspec.to_builtins(config).items():
        tables = {f"{section}.{name}": table for name, table in values.items()} if section == "credentials" else None
        for name, table in (tables or {section: values}).items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    path.write_text("\n".join(lines) + "\n")


class Program:
    """A running command. `told` keeps what it said to systemd, in order."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket, log: Path):
        self.process = process
        self.told: list[str] = []
        self._heard = 0
        self._news = asyncio.Event()
        self._channel = channel
        self._log = log
        # read all the time, as systemd does: the program waits when nobody takes what it says
        asyncio.get_running_loop().add_reader(channel, self._take)

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace")

    def _take(self) -> None:
        self.told.append(self._channel.recv(4096).decode())
        self._news.set()

    async def hear(self, state: str, seconds: float = START_SECONDS) -> None:
        """Come back once it has said this, after what was heard before."""
        try:
            async with asyncio.timeout(seconds):
                while state not in self.told[self._heard :]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never said {state}, but {self.told}\n{self.output()}") from None
        self._heard = self.told.index(state, self._heard) + 1

    def signal_end(self) -> None:
        """As `systemctl stop` does."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it does not end\n{self.output()}") from None


@asynccontextmanager
async def running(command: str, config: Config, environment: Mapping[str, str] | None = None) -> AsyncIterator[Program]:
    """Start a command; killed with the block if it still runs."""
    with tempfile.TemporaryDirectory(prefix="tdt-program-") as folder, _channel(folder) as channel:
        directory = Path(folder)
        write_config(config, directory / "tdt.toml")
        told: dict[str, Any] = {"NOTIFY_SOCKET": f"{directory}/notify", "PYTHONPATH": os.pathsep.join(sys.path)}
        with (directory / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CONFINED),
                *(sys.executable, "-m", "tdt", command, "--config", str(directory / "tdt.toml")),
                stdout=log,
                stderr=log,
                env=os.environ | told | dict(environment or {}),
            )
        try:
            yield Program(process, channel, directory / "log")
        finally:
            asyncio.get_running_loop().remove_reader(channel)
            if process.returncode is None:
                process.kill()
                await process.wait()


def _channel(folder: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(f"{folder}/notify")
    channel.setblocking(False)
    return channel
