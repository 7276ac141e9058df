"""What children are asked in tests: succeed, refuse, fail, take too much of everything."""

import os
import signal
import time
from collections.abc import Sequence

from tdt.documents.child import Task
from tdt.domain.errors import Refused

KEPT: list[str] = []


def copy(prefix: str, files: Sequence[int]) -> int:
    """From the first file to the second, whatever its size."""
    source, target = files
    os.write(target, prefix.encode())
    size = 0
    while chunk := os.read(source, 1 << 20):
        size += os.write(target, chunk)
    return size


def refuse(message: str, _files: Sequence[int]) -> str:
    raise Refused(message, code="PDF_ILLISIBLE")


def mistake(message: str, _files: Sequence[int]) -> str:
    raise KeyError(message)


def eat(count: int, _files: Sequence[int]) -> int:
    """Take memory."""
    return len(bytearray(count))


def see(_nothing: str, files: Sequence[int]) -> dict[str, str]:
    """What a child sees of its parent, and of those before it."""
    KEPT.append("x")
    seen = {name: str(value) for name, value in os.environ.items()}
    return {**seen, "kept": str(len(KEPT)), "parent": str(os.getppid()), "files": str(len(files))}


def spin(_nothing: str, _files: Sequence[int]) -> str:
    while True:
        pass


def sleep(seconds: float, files: Sequence[int]) -> float:
    """Tell by its pid that it began."""
    for file in files:
        os.write(file, f"{os.getpid()}\n".encode())
    time.sleep(seconds)
    return seconds


def die(number: int, _files: Sequence[int]) -> int:
    os.kill(os.getpid(), number)
    return number


def fill(count: int, files: Sequence[int]) -> int:
    return sum(os.write(files[0], bytes(1 << 20)) for _ in range(count))


def babble(_nothing: str, _files: Sequence[int]) -> int:
    """Answer what the parent does not expect."""
    return "not a number"  # type: ignore[return-value]


def kill_host(_nothing: str, files: Sequence[int]) -> str:
    os.write(files[0], f"{os.getpid()}\n".encode())
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return ""


M = "tests.child_tasks"
COPY = Task(M, "copy", str, int)
REFUSE = Task(M, "refuse", str, str)
MISTAKE = Task(M, "mistake", str, str)
EAT = Task(M, "eat", int, int)
SEE = Task(M, "see", str, dict[str, str])
SPIN = Task(M, "spin", str, str)
SLEEP = Task(M, "sleep", float, float)
DIE = Task(M, "die", int, int)
FILL = Task(M, "fill", int, int)
BABBLE = Task(M, "babble", str, int)
KILL_HOST = Task(M, "kill_host", str, str)
UNKNOWN = Task("tests.no_such_module", "nothing", str, str)
