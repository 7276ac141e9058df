"""Envelopes that the collectivité's software makes by itself: the number that each needs."""

from tdt.db import acte_envelopes as db
from tdt.deps import Deps
from tdt.domain.authorities import Principal
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Forbidden


async def take_serial(deps: Deps, who: Principal) -> int | None:
    """Take the next number of an envelope of today; None when the day has no more. Nothing gives it back."""
    if who.authority is None:
        raise Forbidden("Accès refusé")
    async with deps.transaction(who.authority.id) as connection:
        return await db.take_serial(connection, who.authority.id, paris_date(deps.now()))
