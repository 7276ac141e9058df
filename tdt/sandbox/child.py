"""Run by its path with `python -I -S`: ties a command to the life of its parent, then becomes that command.

usage: child.py PARENT_PID SIGNAL COMMAND...

The kernel forgets the wish at each change of user or of capabilities: the last program that changes them must come
before this one on the command line.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, signal_number, command = int(arguments[0]), int(arguments[1]), arguments[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)  # it died before the kernel knew that we wanted to follow it
    os.execvp(command[0], command)  # noqa: S606 - it takes our place, on purpose


if __name__ == "__main__":
    main(sys.argv[1:])
