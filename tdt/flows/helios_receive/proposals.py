"""For whom a file of the DGFiP probably is that could be given to nobody: shown to the operator, who decides."""

from collections.abc import Mapping, Sequence

from tdt.db import helios_receptions as db
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.domain.helios.survey import Clues, find_clues
from tdt.domain.ids import AuthorityId


async def propose(connection: Connection, received: Received, handling: Handling, said: Mapping[str, object]) -> None:
    """Write beside what waits for an operator, and is nobody's, whose it probably is and which flow it answers."""
    if handling.state != "set_aside" or handling.authority_id is not None:
        return
    clues = find_clues(said, received.name)
    siren = clues.sirets[0][:9] if clues.sirets else ""
    flows = await db.list_sent_flows(connection, clues.nomfic) if clues.nomfic else []
    owner = _only({owner for _, owner in flows})
    if owner is not None:
        await db.move_proposal(connection, received.id, db.Proposal(owner, siren, flows[0][0]))
        return
    await db.move_proposal(connection, received.id, db.Proposal(await _by_number(connection, clues), siren))


async def _by_number(connection: Connection, clues: Clues) -> AuthorityId | None:
    """By who holds a SIRET, else by the SIREN of one, else by the flows of the same IdPost and CodCol; one, or none."""
    for siret in clues.sirets:
        if (owner := _only({holder for holder, _ in await db.list_siret_holders(connection, siret)})) is not None:
            return owner
    sirens = [siret[:9] for siret in clues.sirets]
    if (owner := _only(await db.list_owners_of_sirens(connection, sirens))) is not None:
        return owner
    for id_post, cod_col in clues.couples:
        if (owner := _only(await db.list_owners_of_column(connection, id_post, cod_col))) is not None:
            return owner
    return None


def _only(owners: set[AuthorityId] | Sequence[AuthorityId]) -> AuthorityId | None:
    found = set(owners)
    return found.pop() if len(found) == 1 else None
