"""A PES_Retour: it answers no flow; it goes to the collectivité that holds its SIRET."""

from tdt.db.helios_receptions import has_retour, list_siret_holders
from tdt.db.helios_retours import NewRetour, insert_retour
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.domain.helios.box import Reason, find_retour_owner
from tdt.domain.helios.model import DgfipReturn
from tdt.flows.helios_receive.verdicts import keep_news


async def give(connection: Connection, received: Received, answer: DgfipReturn) -> Handling:
    """Give a PES_Retour to its collectivité, be it closed or suspended: it still reads; else to the operator."""
    siret = answer.id_coll or ""
    owner = find_retour_owner(siret, await list_siret_holders(connection, siret))
    if received.assigned and received.authority_id is not None:
        owner = received.authority_id
    if isinstance(owner, Reason):
        return Handling("set_aside", answer.kind, owner.detail, code=owner.code)
    if await has_retour(connection, owner, received.name, received.content_id, received.id):
        return Handling("ignored", answer.kind, "PES_Retour déjà reçu.", owner)
    new = NewRetour(owner, received.id, received.content_id, received.name, siret, answer.typ_fic or "")
    await keep_news(connection, answer, await insert_retour(connection, new), owner)
    return Handling("handled", answer.kind, siret, owner)
