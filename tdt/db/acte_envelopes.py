"""Envelopes that the collectivité's software makes by itself: their numbers."""

from datetime import date

from tdt.db.deposits import NUMBERED
from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId

TAKE_SERIAL = NUMBERED.format(authority="$1", day="$2")


async def take_serial(connection: Connection, authority: AuthorityId, day: date) -> int | None:
    """The next number of the collectivité's envelopes of this day, taken for good; None when all are."""
    serial = await connection.fetchval(TAKE_SERIAL, authority, day)
    return int(serial) if serial is not None else None
