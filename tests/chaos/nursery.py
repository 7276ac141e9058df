"""Run by `python -m tests.chaos.nursery`: has the program in memory, and forks one of its commands on demand.

A process that is killed every few seconds would spend its life importing: forked, it starts in a fraction of a second,
and runs the same code from the same first line. Orders come on stdin, one JSON object a line (`arguments`,
`environment`, `log`); each is answered by `["born", PID]` and, later, by `["died", PID, CODE]`.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
MODULES = ("tdt.cli", "tdt.web.processes", "tdt.work", "tdt.queue.rabbit", "uvloop")
"""What the commands import; none of them opens anything or starts a thread at import."""


def main() -> None:
    """Until stdin ends."""
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    buffered = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _bury()
        if 0 in ready:
            more = os.read(0, 65_536)
            if not more:
                return
            *lines, buffered = (buffered + more).split(b"\n")
            for line in lines:
                _bear(json.loads(line))


def _bear(order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        _live(order)
    _say("born", pid)


def _live(order: dict[str, Any]) -> None:
    """In the child: become the command, and never come back."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in ((0, nothing), (1, log), (2, log)):
            os.dup2(descriptor, number)
        os.closerange(3, 64)
        os.environ.update(order["environment"])
        from tdt.cli import main as command

        command(order["arguments"], standalone_mode=False)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - the top of a process: what ends it is in its log
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _bury() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say("died", pid, os.waitstatus_to_exitcode(status))


def _say(*words: object) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    main()
