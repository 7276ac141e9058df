"""What targets share: how an input is cut, what an error may say."""

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECRET = "mot-de-passe-du-fuzz"
"""Given to whoever logs in: no message may hold it."""
DIRECTORY = Path(tempfile.gettempdir()) / "tdt-fuzz"
"""Given to whoever writes to disk: no message may hold it."""
_SIZES = (1, 2, 3, 7, 16, 61, 512, 4096)


@dataclass(frozen=True, slots=True)
class Target:
    """`one` reads an input: a domain error is an answer, any other exception a defect. `seeds`: by name."""

    name: str
    one: Callable[[bytes], None]
    seeds: Callable[[], dict[str, bytes]]


def cut(data: bytes) -> Iterator[bytes]:
    """The input in pieces whose lengths follow from it: the same input is always cut alike."""
    state, place = zlib.crc32(data), 0
    while place < len(data):
        state = (state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        # small inputs by few bytes, or the reading of large ones would be all there is
        size = _SIZES[(state >> 16) % len(_SIZES)] * max(1, len(data) >> 11)
        yield data[place : place + size]
        place += size


def check_told(message: str) -> None:
    """What is told of a refusal holds nothing of ours."""
    assert SECRET not in message, "a secret is told"
    assert str(DIRECTORY) not in message, "a path of ours is told"
    assert "Traceback" not in message


def numbered(seeds: Iterable[bytes], name: str = "seed") -> dict[str, bytes]:
    """Seeds without names of their own."""
    return {f"{name}-{number}": data for number, data in enumerate(seeds)}
