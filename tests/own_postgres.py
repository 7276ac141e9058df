"""A PostgreSQL of a test's own, which it stops and starts."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tdt.sandbox import postgres


class Server:
    """A PostgreSQL that the test stops and starts."""

    def __init__(self, directory: Path):
        self.cluster = postgres.describe_cluster(directory, durable=False)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        return self.cluster.dsn("postgres", "postgres")

    async def start(self) -> None:
        await postgres.create_cluster(self.cluster)
        self._launch()
        await postgres.wait_ready(self.cluster)

    def _launch(self) -> None:
        command = postgres.server_command(self.cluster)
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=postgres.environment(), cwd="/"
        )

    def stop(self, number: int = signal.SIGINT) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


@contextmanager
def own_server(directory: Path) -> Iterator[Server]:
    server = Server(directory)
    try:
        yield server
    finally:
        server.stop()
