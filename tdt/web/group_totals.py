"""Statistics of a group: how many transactions each of its collectivités has in a month."""

from calendar import monthrange
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

from aiohttp import web

from tdt.db.acte_lists import Total
from tdt.db.pool import Connection
from tdt.domain.authorities import Role
from tdt.domain.calendar import paris_date
from tdt.domain.ids import GroupId
from tdt.web.call import Call, php_int
from tdt.web.s2low import json_answer

Count = Callable[[Connection, GroupId, date, date], Awaitable[Sequence[Total]]]
"""The totals of a group from one day to another, both counted."""


async def month_totals(call: Call, count: Count, no_group: str) -> web.StreamResponse:
    """Those of `month` and `year`, of the last month by default."""
    group = _group(call)
    if not group:
        return json_answer({"result": "ko", "message": no_group})
    before = paris_date(call.deps.now()).replace(day=1) - timedelta(days=1)
    month = php_int(call.query.text("month")) or before.month
    year = php_int(call.query.text("year")) or before.year
    last = date(1970, 1, 31)  # what PHP makes of a month that does not exist
    first = date(year, month, 1) if 1 <= month <= 12 and 1 <= year <= 9998 else None
    if first is not None:
        last = first.replace(day=monthrange(year, month)[1])
    async with call.transaction() as connection:
        # of no day, so of each collectivité none
        found = await count(connection, GroupId(group), first or last + timedelta(days=1), last)
    return json_answer(
        {
            "result": "ok",
            "message": "",
            "authority_group_id": group,
            "min_date": f"{year}-{month}-01",
            "max_date": last.isoformat(),
            "nbTransactionPerAuthorities": [
                {"authority_id": one.authority_id, "name": one.name, "nb_transactions": one.count} for one in found
            ],
        }
    )


def _group(call: Call) -> int:
    """The group that is counted: its own for a GADM; what a SADM asks for, or that of its collectivité."""
    user = call.who.user
    if user.role is Role.GADM:
        return user.group_id or 0
    if asked := php_int(call.query.text("authority_group_id")):
        return asked
    return (call.who.authority.group_id or 0) if call.who.authority is not None else 0
