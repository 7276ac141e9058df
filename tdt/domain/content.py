"""A body that came in or is about to leave: its size and digests, and where its bytes are until they are archived."""

import hashlib
from dataclasses import dataclass

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes received once and never changed. Either `data` (small) or `spool_name` (durable file) holds them."""

    size: int
    sha256: bytes
    sha1: bytes
    head: bytes
    data: bytes | None = None
    spool_name: str | None = None


def hold(data: bytes) -> Body:
    """A small body that we hold already."""
    sha1 = hashlib.sha1(data, usedforsecurity=False).digest()
    return Body(len(data), hashlib.sha256(data).digest(), sha1, data[:HEAD_BYTES], data)
