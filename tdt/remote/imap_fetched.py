"""The answers to FETCH as the IMAP library gives them: lines of text, and literals between them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# a number of IMAP has 32 or 64 bits: a longer one is no number, and Python refuses to read thousands of digits
_BEGIN = re.compile(rb"(?:\* )?\d+ FETCH \(", re.IGNORECASE)
_UID = re.compile(rb"\bUID (\d{1,20})(?!\d)", re.IGNORECASE)
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,20})(?!\d)", re.IGNORECASE)
_QUOTED = re.compile(rb'BODY\[\](?:<\d+>)? "((?:[^"\\]|\\.)*)"', re.IGNORECASE | re.DOTALL)
_EMPTY = re.compile(rb"BODY\[\](?:<\d+>)? NIL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was said of one message; None: nothing."""

    uid: int
    size: int | None
    body: bytes | None


def read_fetched(lines: Sequence[bytes | bytearray]) -> Iterator[Fetched]:
    """One item for each message told with its UID; flags that the server announces by the way have none."""
    text: list[bytes] = []
    body: bytes | None = None
    for line in lines:
        if isinstance(line, bytearray):
            body = bytes(line)
        elif _BEGIN.match(line):
            yield from _item(text, body)
            text, body = [line], None
        else:
            text.append(line)
    yield from _item(text, body)


def _item(text: Sequence[bytes], body: bytes | None) -> Iterator[Fetched]:
    joined = b"\n".join(text)
    if not _BEGIN.match(joined):
        return
    quoted = _QUOTED.search(joined)
    if body is None and quoted is not None:
        body = re.sub(rb"\\(.)", rb"\1", quoted[1])
        joined = joined[: quoted.start()] + joined[quoted.end() :]
    elif body is None and _EMPTY.search(joined):
        body = b""
    uid, size = _UID.search(joined), _SIZE.search(joined)
    if uid is not None:
        yield Fetched(int(uid[1]), int(size[1]) if size else None, body)
