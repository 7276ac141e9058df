"""A private clamd for the test session, with two signatures of our own: no download, no root, nothing of the system's.

What it "finds": the EICAR test file (byte for byte), and any file that holds MARK.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tdt.sandbox.settings import choose_port

SERVER = "/usr/sbin/clamd"
START_SECONDS = 30.0
STREAM_BYTES = 8 << 20
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
MARK = b"TDT-ESSAI-D-ANTIVIRUS"
FOUND_EICAR, FOUND_MARK = "Essai.Eicar.UNOFFICIAL", "Essai.Marque.UNOFFICIAL"

CONFIGURATION = """\
LocalSocket {directory}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
DatabaseDirectory {directory}/signatures
Foreground yes
StreamMaxLength {stream}
AlertExceedsMax yes
MaxFileSize {file}
"""


class Clamd:
    """One clamd; stop() and start() keep its addresses."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.socket, self.port = directory / "clamd.sock", choose_port(set())
        signatures = directory / "signatures"
        signatures.mkdir()
        (signatures / "essai.hdb").write_text(f"{hashlib.md5(EICAR).hexdigest()}:{len(EICAR)}:Essai.Eicar\n")
        (signatures / "essai.ndb").write_text(f"Essai.Marque:0:*:{MARK.hex()}\n")
        self._configuration = directory / "clamd.conf"
        self._configuration.write_text(
            CONFIGURATION.format(directory=directory, port=self.port, stream=STREAM_BYTES, file=STREAM_BYTES // 2)
        )

    @property
    def address(self) -> str:
        """Its socket, as the configuration names it."""
        return f"unix:{self.socket}"

    def start(self) -> None:
        """Come back once it answers."""
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [SERVER, "--config-file", str(self._configuration)], stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            text = (self._directory / "output").read_text(errors="replace")
            assert self._process.poll() is None, f"clamd does not start:\n{text}"
            assert time.monotonic() < deadline, f"clamd does not answer after {START_SECONDS} s:\n{text}"
            time.sleep(0.02)

    def stop(self) -> None:
        """At once: its socket stays behind, and nobody answers on it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It takes connections (the kernel does), and says nothing any more, until resume()."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as connection:
                connection.sendall(b"zPING\0")
                return connection.recv(16) == b"PONG\0"
        except OSError:
            return False


@pytest.fixture(scope="session")
def clamd_of_the_session() -> Iterator[Clamd]:
    assert Path(SERVER).exists(), (
        "clamd is needed by this test: install the package clamav-daemon (scripts/test does it)"
    )
    directory = Path(tempfile.mkdtemp(prefix="tdt-clamd-"))
    clamd = Clamd(directory)
    try:
        yield clamd
    finally:
        clamd.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def clamd(clamd_of_the_session: Clamd) -> Clamd:
    """Running, whatever an earlier test did to it."""
    clamd_of_the_session.stop()
    clamd_of_the_session.start()
    return clamd_of_the_session
