"""The classification that a collectivité holds, read once for many submissions."""

from collections import OrderedDict

from tdt.db.actes import SubmitFacts
from tdt.db.content import get_small
from tdt.db.pool import Connection
from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.model import Classification

REMEMBERED = 64
"""One that is full takes a millisecond to read and some 200 kB to keep."""

_read: OrderedDict[bytes, Classification] = OrderedDict()
"""By the SHA-256 of the bytes: what was read stays true for whoever holds the same ones."""


async def read_held(connection: Connection, facts: SubmitFacts) -> Classification | None:
    """The classification held, or None before the first one."""
    if facts.classification is None or facts.classification_sha256 is None:
        return None
    known = _read.get(facts.classification_sha256)
    if known is None:
        known = parse_classification(await get_small(connection, facts.classification))
        _read[facts.classification_sha256] = known
        if len(_read) > REMEMBERED:
            _read.popitem(last=False)
    else:
        _read.move_to_end(facts.classification_sha256)
    return known
