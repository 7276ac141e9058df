"""The process that forks the children of `tdt.documents.child`: one thread, no connection, nothing secret in it.

Run as `python -m tdt.documents.child_host FD`. It ends when the other end of FD is closed, and its children with it.
"""

import ctypes
import errno
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import traceback
import typing
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from tdt.documents.child import OUT_OF_MEMORY, OUT_OF_SPACE, TOO_BIG, Answer, Ended, Limits, Order
from tdt.domain.errors import Refused

MESSAGE_BYTES, MOST_FILES = 65_536, 16
OPEN_FILES = 256
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
BROKEN = 73
"""Exit code of a child that could not even begin."""
PR_SET_PDEATHSIG = 1
LIBRARY = ctypes.CDLL(None)


def main(line: socket.socket) -> None:
    """Fork what is asked, tell what ended, until nobody asks any more."""
    bell, ringing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(ringing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # whoever stops the service stops our parent; it may need its children to end its answers
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    running: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([line.fileno(), bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
            _reap(line, running)
        if line.fileno() in ready and not _obey(line, running):
            break
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _reap(line: socket.socket, running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        number = running.pop(pid)
        with suppress(OSError):
            line.send(msgspec.json.encode(Ended(number, os.waitstatus_to_exitcode(status))))


def _obey(line: socket.socket, running: dict[int, int]) -> bool:
    """False when the line is closed."""
    try:
        message, files, _, _ = socket.recv_fds(line, MESSAGE_BYTES, MOST_FILES)
    except ConnectionResetError:
        return False  # its other end was killed, with something of ours unread
    if not message:
        return False
    order = msgspec.json.decode(message, type=Order)
    if order.kill:
        for pid, number in running.items():
            if number == order.number:
                os.kill(pid, signal.SIGKILL)
        return True
    with suppress(Exception):
        # loaded once for all children; a child that needs what cannot be loaded says so itself
        importlib.import_module(order.module)
    gc.freeze()
    host = os.getpid()
    pid = os.fork()
    if pid == 0:
        _follow(host)
        line.close()
        _be_child(order, files)
    running[pid] = order.number
    for file in files:
        os.close(file)
    return True


def _follow(host: int) -> None:
    """Whatever kills the host, its children do not stay."""
    if hasattr(LIBRARY, "prctl"):
        LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != host:
        os._exit(BROKEN)


def _be_child(order: Order, files: Sequence[int]) -> typing.NoReturn:
    """Never returns, whatever happens: what is above is the host's."""
    code = BROKEN
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert order.limits is not None
        _limit(order.limits)
        argument, result, *others = files
        code = _work(order, argument, result, others)
    finally:
        os._exit(code)


def _limit(limits: Limits) -> None:
    """Private memory, not address space: a large file that is mapped to be read costs none."""
    for kind, value in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, int(limits.seconds) + 1),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - a file of the kernel
        # should the machine lack memory, a document goes before a server
        file.write("1000")


def _work(order: Order, argument: int, result: int, files: Sequence[int]) -> int:
    try:
        answer = _answer(order, argument, files)
        os.write(result, msgspec.json.encode(answer))
    except MemoryError:
        return OUT_OF_MEMORY
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return OUT_OF_SPACE
        return TOO_BIG
    return 0


def _answer(order: Order, argument: int, files: Sequence[int]) -> Answer:
    try:
        function = getattr(importlib.import_module(order.module), order.function)
        value = msgspec.json.decode(_read(argument), type=_argument_type(function))
        return Answer(result=msgspec.Raw(msgspec.json.encode(function(value, files))))
    except Refused as error:
        return Answer(code=error.code, message=error.message)
    except Exception as error:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in DISK):
            raise
        return Answer(traceback=traceback.format_exc())


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _argument_type(function: Any) -> Any:
    hints = typing.get_type_hints(function)
    return next(hint for name, hint in hints.items() if name != "return")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
