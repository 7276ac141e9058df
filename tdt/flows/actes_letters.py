"""What a collectivité does with the letters of the préfecture once they are here."""

from tdt.db import acte_letters as letters_db
from tdt.deps import Deps
from tdt.domain.authorities import Principal
from tdt.domain.ids import ActeId


async def mark_as_read(deps: Deps, who: Principal, letter: ActeId) -> None:
    """Take a letter off the list of its collectivité; any other number changes nothing, and tells nothing."""
    if who.authority is None:
        return
    async with deps.transaction(who.authority.id) as connection:
        await letters_db.move_to_read(connection, letter, who.authority.id)
