"""PES flows of any size: a mandat of the sandbox's samples with as many attachments as asked, written as a stream."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from tdt.sandbox.provision import COLLECTIVITIES
from tdt.sandbox.samples import Payer, pes_aller

PAYER = Payer(COLLECTIVITIES[0].new.name, COLLECTIVITIES[0].sirets[0])
DAY = date(2026, 1, 15)
LINE = base64.b64encode(os.urandom(3 << 18))
"""1 MiB of base64, as the content of an attachment reads: gzip does not shrink it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A flow of at most `size` bytes with `attachments` PJ of one size."""

    name: str
    size: int
    attachments: int


def write_pes(wish: Wish) -> Iterator[bytes]:
    """The bytes, in pieces of at most 1 MiB."""
    head, pj, tail = _template(wish.name)
    before, after = pj.split(b"|")
    room = (wish.size - len(head) - len(tail)) // wish.attachments - len(before) - len(after) - 8
    length = room - room % 4
    yield head
    for number in range(wish.attachments):
        yield before.replace(b"@", b"%08d" % number)
        left = length
        while left > 0:
            piece = LINE[: min(left, len(LINE))]
            left -= len(piece)
            yield piece
        yield after.replace(b"@", b"%08d" % number)
    yield tail


def _template(name: str) -> tuple[bytes, bytes, bytes]:
    """Start, one attachment (`|` for its content, `@` for its number), end."""
    text = pes_aller(PAYER, name, DAY)
    start, end = text.index(b"<PJ>"), text.index(b"</PJ>") + len(b"</PJ>")
    pj = text[start:end]
    content = pj.index(b">", pj.index(b"<Fichier")) + 1
    pj = pj[:content] + b"|" + pj[pj.index(b"</Fichier>") :]
    unique = pj.index(b'"', pj.index(b"<IdUnique")) + 1
    pj = pj[:unique] + b"LT@" + pj[pj.index(b'"', unique) :]
    return text[:start], pj, text[end:]
