"""What a collectivité does with its PES_Retour once they are here."""

from collections.abc import Sequence

from tdt.db import helios_retours as db
from tdt.db.audit import insert_change
from tdt.deps import Deps
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Principal
from tdt.domain.errors import Refused
from tdt.domain.ids import HeliosRetourId

UNKNOWN = "Accès refusé"
"""S2LOW's words for a number that is none, or none of the collectivité."""


async def mark(deps: Deps, who: Principal, retours: Sequence[HeliosRetourId], read: bool) -> None:
    """Say that these are read, or are not; Raises Refused for an unknown one: none is then."""
    by = Actor(Source.API, who)
    async with deps.acting(by) as connection:
        # in one order whoever asks, so that two requests never wait for each other
        for number in sorted(set(retours)):
            retour = await db.get_retour(connection, number)
            if retour is None or retour.authority_id != who.user.authority_id:
                raise Refused(UNKNOWN)
            if await db.move_read(connection, number, read):
                what = ("helios:retour", number, retour.authority_id)
                await insert_change(connection, by, what, {"read": not read}, {"read": read})
