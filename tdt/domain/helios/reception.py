"""Which files of a reception directory may be taken now: those that nobody writes any more."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Listing = Mapping[str, int]
"""Sizes by name; a negative one is not told by the server."""

DOUBT = timedelta(hours=1)
"""An empty file, or one named as if it were being written, is taken once it has not changed for so long."""
AGAIN = timedelta(hours=1)
"""One that we took and that stays there, of the same size, is fetched again that rarely: it may have been replaced."""

_UNFINISHED = re.compile(r"\.(part|partial|filepart|tmp|temp|lock)\Z", re.IGNORECASE)


@dataclass(slots=True)
class Memory:
    """What a listener remembers from one look to the next; losing it costs time only."""

    late: set[str] = field(default_factory=set)
    """What could not be fetched: it comes after all the others."""
    doubtful: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """The size of what is not taken yet, and since when it is so."""
    taken: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    """What was stored and could not be removed there, or is not ours to remove."""
    told: set[str] = field(default_factory=set)
    """The doubtful ones that the log knows."""

    def forget_gone(self, names: Listing) -> None:
        """What is not there any more, and comes back, is another file."""
        for kept in (self.doubtful, self.taken):
            for name in kept.keys() - names.keys():
                del kept[name]
        self.late &= names.keys()


def is_unfinished(name: str) -> bool:
    """Whether a name is one that senders give a file until it is whole."""
    return name.startswith(".") or _UNFINISHED.search(name) is not None


def has_grown(before: Listing, after: Listing) -> bool:
    """Whether files have come between two lists: the sender is still at work."""
    return bool(after.keys() - before.keys())


def choose(before: Listing, after: Listing, memory: Memory, now: datetime) -> list[str]:
    """What to fetch: of the same size in both lists, not known, not in doubt; what failed before comes last."""
    memory.forget_gone(after)
    stable = [name for name, size in after.items() if before.get(name) == size]
    ready = [name for name in stable if _is_new(name, after[name], memory, now) and _is_sure(name, after, memory, now)]
    return sorted(ready, key=lambda name: (name in memory.late, name))


def _is_new(name: str, size: int, memory: Memory, now: datetime) -> bool:
    if name not in memory.taken:
        return True
    known, at = memory.taken[name]
    return known != size or now - at >= AGAIN


def _is_sure(name: str, listing: Listing, memory: Memory, now: datetime) -> bool:
    size = listing[name]
    if size != 0 and not is_unfinished(name):
        memory.doubtful.pop(name, None)
        return True
    known, since = memory.doubtful.get(name, (None, now))
    if known != size:
        memory.doubtful[name] = (size, now)
        return False
    return now - since >= DOUBT
