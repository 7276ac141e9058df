"""Which files of a reception directory may be taken now: those that nobody writes any more."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Sizes = Mapping[str, int]
"""By name; a negative one is not told by the server."""

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

    def forget_gone(self, names: Set[str]) -> None:
        """What is not there any more, and comes back, is another file."""
        for kept in (self.doubtful, self.taken):
            for name in kept.keys() - names:
                del kept[name]
        self.late &= names


def is_unfinished(name: str) -> bool:
    """Whether a name is one that senders give a file until it is whole."""
    return name.startswith(".") or _UNFINISHED.search(name) is not None


def in_turn(names: Iterable[str], memory: Memory) -> list[str]:
    """The order in which they are looked at: what failed before comes after the rest, what is known already last."""
    return sorted(names, key=lambda name: (name in memory.taken, name in memory.late, name))


def choose(before: Sizes, after: Sizes, memory: Memory, now: datetime) -> list[str]:
    """What to fetch, in turn: of the same size at both looks, not known, not in doubt."""
    stable = [name for name, size in after.items() if before.get(name) == size]
    ready = [name for name in stable if _is_new(name, after[name], memory, now) and _is_sure(name, after, memory, now)]
    return in_turn(ready, memory)


def _is_new(name: str, size: int, memory: Memory, now: datetime) -> bool:
    if name not in memory.taken:
        return True
    known, at = memory.taken[name]
    return known != size or now - at >= AGAIN


def _is_sure(name: str, sizes: Sizes, memory: Memory, now: datetime) -> bool:
    size = sizes[name]
    if size != 0 and not is_unfinished(name):
        memory.doubtful.pop(name, None)
        return True
    known, since = memory.doubtful.get(name, (None, now))
    if known != size:
        memory.doubtful[name] = (size, now)
        return False
    return now - since >= DOUBT
