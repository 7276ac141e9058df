"""One input through one target, within the limits that count as failures: time, memory, errors nobody expects."""

import resource
import time
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS = 1.0
"""Of processor time, whatever else the machine does."""
MEMORY = 256 << 20
"""Above what the process held before the input."""

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Exceeded(AssertionError):
    """The input took too long, or too much memory."""


def run_limited(one: Callable[[bytes], None], data: bytes) -> None:
    """Let the target read the input. Raises what the target raises, or Exceeded."""
    before, started = _reset_peak(), time.process_time()
    one(data)
    seconds, memory = time.process_time() - started, _peak() - before
    if seconds > SECONDS:
        raise Exceeded(f"{seconds:.2f} s of processor time")
    if memory > MEMORY:
        raise Exceeded(f"{memory >> 20} MiB of memory")


def _reset_peak() -> int:
    """Begin a new peak where the kernel lets us; gives the memory held now."""
    try:
        _RESET.write_text("5")
    except OSError:
        return _peak()
    return _field("VmRSS:")


def _peak() -> int:
    try:
        return _field("VmHWM:")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _field(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise OSError(name)


def signature_of(error: BaseException) -> str:
    """By which failures are told apart: the kind of error, and the innermost place of the program."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/tdt/" in frame.filename] or frames
    return f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].name}" if ours else type(error).__name__
