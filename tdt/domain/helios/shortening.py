"""Shorten the texts in base64 of a flow as it is read: its checks then take constant memory, whatever its PJ weigh."""

import string
from bisect import bisect_left

KEPT = 1 << 16
"""Characters of a run of base64 that are left."""
GROUP = 4
BLANKS = b" \t\r\n"
ALPHABET = (string.ascii_letters + string.digits + "+/").encode() + BLANKS


class Shortener:
    """Drops what is beyond KEPT in a run of base64, by whole groups of four: the text stays as valid as it was.

    Nothing but characters of the alphabet goes, so neither markup, nor padding, nor a character that is out of place.
    """

    def __init__(self) -> None:
        self._run = 0
        self._dropped = 0
        """Characters of base64 that were dropped of this run."""
        self._line = 1
        """Line, in what is left, of the end of what was fed."""
        self._cuts: list[int] = []
        self._lost: list[int] = []
        self._total = 0

    def feed(self, chunk: bytes) -> bytes:
        """What is left of this chunk. A run that begins and ends in it is left alone: it is short enough."""
        rest = chunk.lstrip(ALPHABET)
        left = self._continue(chunk[: len(chunk) - len(rest)])
        if not rest:
            return left
        left += b"A" * (self._dropped % GROUP)
        self._run = self._dropped = 0
        middle = rest.rstrip(ALPHABET)
        self._line += middle.count(b"\n")
        return left + middle + self._continue(rest[len(middle) :])

    def _continue(self, run: bytes) -> bytes:
        room = max(0, KEPT - self._run)
        self._run += len(run)
        shown, hidden = run[:room], run[room:]
        self._line += shown.count(b"\n")
        if hidden:
            self._dropped += len(hidden.translate(None, BLANKS))
            if lost := hidden.count(b"\n"):
                self._total += lost
                self._cuts.append(self._line)
                self._lost.append(self._total)
        return shown

    def line_of(self, line: int) -> int:
        """Line of the file that has become this line of what is left."""
        before = bisect_left(self._cuts, line)
        return line + (self._lost[before - 1] if before else 0)
