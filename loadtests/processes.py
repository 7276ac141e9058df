"""The servers under load: started for the run, ended with it, their CPU time and resident memory read from outside."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tdt.sandbox.supervisor import tied

READY_SECONDS = 60.0
STOP_SECONDS = 30.0


class NotReady(Exception):
    """A server did not start; the message ends with its log."""


class Program:
    """A running server and all that it started."""

    def __init__(self, process: subprocess.Popen[bytes]):
        self._process = psutil.Process(process.pid)
        self._popen = process

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        return self._popen.pid

    def processes(self) -> list[psutil.Process]:
        """The first process and its descendants."""
        return [self._process, *self._process.children(recursive=True)]

    def cpu(self) -> float:
        """CPU seconds so far of the whole tree, those of children that ended included."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    environment: Mapping[str, str] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    is_tied: bool = False,
) -> Iterator[Program]:
    """A server from its readiness on, stopped in the end. It dies with us (`is_tied`: by its own command)."""
    arguments = list(command) if is_tied else tied(command)
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd="/"
        )
    try:
        _wait_ready(process, is_ready, log)
        yield Program(process)
    finally:
        process.send_signal(stop_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotReady(f"{process.args!r}\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def accepts(path: Path) -> bool:
    """Whether something accepts connections on this unix socket."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as trial:
        trial.connect(str(path))
        return True
    return False


def spent(servers: Mapping[str, Program]) -> dict[str, float]:
    """CPU seconds of each server so far."""
    return {name: server.cpu() for name, server in servers.items()}


def milliseconds_since(before: Mapping[str, float], servers: Mapping[str, Program], units: float) -> dict[str, float]:
    """CPU milliseconds for one unit of work since `before`."""
    return {name: 1000 * (seconds - before[name]) / units for name, seconds in spent(servers).items()}


def resident(pid: int) -> int:
    """Resident bytes now."""
    return _status(pid, "VmRSS")


def peak_resident(pid: int) -> int:
    """The most resident bytes since `forget_peak`, as the kernel kept it."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Start the peak anew; where the kernel cannot, the peak since the start of the process stays an upper bound."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    raise KeyError(key)


def drop_files(directory: Path) -> None:
    """Remove what the last round left, not the folders."""
    for path in directory.rglob("*"):
        if path.is_file():
            path.unlink()
