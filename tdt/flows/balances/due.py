"""Which day is to be balanced now, and why another one that is asked for has no balance."""

from datetime import date, timedelta

from tdt.db import balances as db
from tdt.db.status import MOVES, get_day
from tdt.deps import Deps
from tdt.domain.balance_text import NOTHING_YET, write_not_due, write_so_far, write_too_early
from tdt.domain.calendar import paris_date, paris_hour, paris_midnight
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId


def is_due(deps: Deps) -> date:
    """The last day that is to be balanced now: yesterday, once the hour has come; else the day before."""
    now = deps.now()
    today = paris_date(now)
    days = 1 if now >= paris_hour(today, deps.config.balances.from_hour) else 2
    return today - timedelta(days=days)


async def check_day(deps: Deps, day: date, only: AuthorityId | None) -> None:
    """Raise Refused, with what is known so far, for a day that is not over or before the first deposit.

    The first balance of a collectivité would begin there, and each day since then be made.
    """
    last, today = is_due(deps), paris_date(deps.now())
    if day > last:
        why = write_not_due(day, today, deps.config.balances.from_hour, last)
        if day == today:
            async with deps.transaction("system") as connection:
                days = [await get_day(connection, module, paris_midnight(day), only) for module in MOVES]
            why = f"{why}\n{write_so_far(days, only)}"
        raise Refused(why)
    async with deps.transaction("system") as connection:
        first = await db.get_first_event(connection, only)
        if first is not None and day >= paris_date(first):
            return
        if await db.list_balances(connection, db.Wanted(day, day, only, limit=1)):
            return  # what happened then has been destroyed since, its balance is kept
    raise Refused(write_too_early(day, paris_date(first)) if first is not None else NOTHING_YET)
