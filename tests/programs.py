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
        self._channel = channel
        self._log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace")

    async def hear(self, state: str, seconds: float = START_SECONDS) -> None:
        """Listen until it says this."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    data = await asyncio.get_running_loop().sock_recv(self._channel, 4096)
                    self.told.append(data.decode())
                    if self.told[-1] == state:
                        return
        except TimeoutError:
            raise AssertionError(f"never said {state}, but {self.told}\n{self.output()}") from None

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
            if process.returncode is None:
                process.kill()
                await process.wait()


def _channel(folder: str) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(f"{folder}/notify")
    channel.setblocking(False)
    return channel
