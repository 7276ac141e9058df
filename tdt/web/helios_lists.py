"""Lists and counts of flows."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from aiohttp import web

from tdt.db import helios_lists as db
from tdt.db.acte_lists import Total
from tdt.db.pool import Connection
from tdt.domain.calendar import paris_midnight
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId, GroupId, HeliosId
from tdt.domain.when import read_when
from tdt.web.acte_lists import LARGEST, LIMIT, small
from tdt.web.call import Call, php_int
from tdt.web.group_totals import month_totals
from tdt.web.s2low import symfony_json

NOT_ARCHIVIST = "L'utilisateur n'est pas archiviste"
NO_GROUP = "Your authority is not in a group or no group_id provided"


async def list_pes_aller(call: Call) -> web.StreamResponse:
    """The numbers of the flows of the archivist's collectivité that have a status, newest first."""
    query, authority = call.query, call.who.user.authority_id
    bounds: list[datetime | None] = []
    for name in ("min_date", "max_date"):
        bounds.append(read_when(query.text(name), call.deps.now()) if query.is_true(name) else None)
        if query.is_true(name) and bounds[-1] is None:
            raise Refused(f"{name} n'est pas une date")
    status, offset = small(php_int(query.text("status_id"))), max(php_int(query.text("offset")), 0)
    limit = min(php_int(query.text("limit")), LARGEST)
    limit = limit if limit > 0 else LIMIT
    found: Sequence[HeliosId] = []
    if authority is not None:
        async with call.transaction() as connection:
            found = await db.list_ids(connection, db.Wanted(authority, status, *bounds), offset, limit)
    return symfony_json(
        {
            "status_id": status,
            "authority_id": authority or AuthorityId(0),
            "offset": offset,
            "limit": limit,
            "transactions": [{"id": one} for one in found],
        }
    )


async def totals(call: Call) -> web.StreamResponse:
    """How many flows each collectivité of a group has deposited in a month."""
    return await month_totals(call, _count, NO_GROUP)


async def _count(connection: Connection, group: GroupId, first: date, last: date) -> Sequence[Total]:
    before = paris_midnight(last + timedelta(days=1))
    return await db.list_totals(connection, group, paris_midnight(first), before)
