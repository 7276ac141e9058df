"""A private RabbitMQ node for the test session, from the distribution's files, without its service and without root.

Debian's rabbitmq-server script refuses other users than its own: the node is started by the script under it. As root
the node runs as `nobody`. Everything listens on 127.0.0.1, on ports of its own; epmd is a child of ours too.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdt.sandbox.settings import choose_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 90.0
STOP_SECONDS = 40.0
PASSWORD = "s3cr%2Ft-du-courtier"
"""Percent-encoded, as in a URL."""

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = tdt
default_pass = s3cr/t-du-courtier
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
"""
ADVANCED = "[{kernel, [{inet_dist_use_interface, {127,0,0,1}}]}].\n"


class RabbitNode:
    """One broker; stop() and start() keep its data and its port."""

    def __init__(self, directory: Path):
        self._directory = directory
        # not ports that the system gives to outgoing connections: ours must still be free after a restart
        self.port, self._epmd_port, self._dist_port = choose_port(set()), choose_port(set()), choose_port(set())
        self._user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._write_files()

    def url(self, port: int | None = None) -> str:
        """The address, through another port (a proxy's) if given."""
        return f"amqp://tdt:{PASSWORD}@127.0.0.1:{port or self.port}/"

    def start(self) -> None:
        """Come back once the broker speaks AMQP."""
        if self._epmd is None:
            self._epmd = self._run(["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"])
        self._server = self._run([str(SERVER)])
        deadline = time.monotonic() + START_SECONDS
        while not self._speaks():
            output = (self._directory / "output").read_text(errors="replace")
            assert self._server.poll() is None, f"RabbitMQ does not start:\n{output}"
            assert time.monotonic() < deadline, f"RabbitMQ does not speak after {START_SECONDS} s:\n{output}"
            time.sleep(0.1)

    def stop(self) -> None:
        """A clean stop of the broker; connections are closed."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(STOP_SECONDS)
            finally:
                self._server.kill()
                self._server.wait()
            self._server = None

    def kill(self) -> None:
        """As a power cut: nothing is flushed."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def close(self) -> None:
        """Stop everything and remove the data."""
        try:
            self.stop()
        finally:
            if self._epmd is not None:
                self._epmd.kill()
                self._epmd.wait()
            shutil.rmtree(self._directory, ignore_errors=True)

    def _speaks(self) -> bool:
        """A listener that answers the protocol header with Connection.Start: the node has finished its start."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                connection.settimeout(5)
                return connection.recv(8)[:1] == b"\x01"
        except OSError:
            return False

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        root = os.getuid() == 0
        with (self._directory / "output").open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._directory,
                env=self._environment(),
                user=self._user.pw_uid if root else None,
                group=self._user.pw_gid if root else None,
                extra_groups=[] if root else None,
            )

    def _environment(self) -> dict[str, str]:
        base = self._directory
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(base / "home"),  # the Erlang cookie
            "RUNNING_UNDER_SYSTEMD": "true",  # the script replaces itself by the node, which then gets our signals
            "RABBITMQ_NODENAME": f"tdt{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_SCHEMA_DIR": str(base / "schema"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(base / "generated"),
            "RABBITMQ_PID_FILE": str(base / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(base / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(base / "absent"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _write_files(self) -> None:
        for name in ("home", "mnesia", "log", "schema", "generated"):
            (self._directory / name).mkdir()
        (self._directory / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port))
        (self._directory / "advanced.config").write_text(ADVANCED)
        (self._directory / "enabled_plugins").write_text("[].\n")
        for path in (self._directory, *self._directory.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitNode]:
    assert SERVER.exists(), (
        "RabbitMQ is needed by this test: install the package rabbitmq-server (scripts/test does it)"
    )
    node = RabbitNode(Path(tempfile.mkdtemp(prefix="tdt-rabbit-")))
    try:
        node.start()
        yield node
    finally:
        node.close()
