"""The SIRET that an accepted flow bears: learnt by the collectivité, or proposed to the operator."""

import structlog

from tdt.db import helios as db
from tdt.db import sirets
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.domain.helios.sirets import SiretDecision, decide
from tdt.domain.jobs import JobKind

log = structlog.get_logger()


async def take_siret(connection: Connection, flow: db.HeliosTransaction, id_coll: str | None) -> None:
    """In the transaction that accepts the flow, in scope `system`. The flow is carried whatever is decided."""
    if id_coll is None:
        return
    decision = decide(id_coll, flow.siren, await sirets.find_standing(connection, flow.authority_id, id_coll))
    if decision is SiretDecision.LEARN:
        if await db.insert_siret(connection, flow.authority_id, id_coll):
            # a return may wait for it in the operator's box
            await insert_job(connection, JobKind.HELIOS_REREAD, flow.authority_id, flow.authority_id)
    elif decision is SiretDecision.PROPOSE and await sirets.insert_proposal(
        connection, flow.authority_id, id_coll, flow.id
    ):
        log.warning("helios.siret_proposed", authority=flow.authority_id, siret=id_coll, flow=flow.id)
