"""Post a flow that waits for somebody who télétransmet (14 → 1): its first job, once."""

from tdt.db import helios as db
from tdt.db.audit import insert_audit
from tdt.db.closing import get_closing
from tdt.db.jobs import insert_job
from tdt.deps import Deps
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Principal
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.errors import Conflict, Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import POSTED_TEXT
from tdt.domain.ids import HeliosId
from tdt.domain.jobs import JobKind

NOT_WAITING = "La transaction n'est pas dans le bon état"
"""S2LOW's words, for a number that is none as well."""
POSTED = "Préparation de la télétransmission réusssie."
"""S2LOW's, its third s included."""


async def confirm(deps: Deps, who: Principal, flow_id: HeliosId) -> str:
    """Post a flow that waits; gives the words of the answer. Raises Refused.

    Of two confirmations at once one comes through: the other finds the flow posted, so there is one job.
    """
    async with deps.acting(Actor(Source.API, who)) as connection:
        flow = await db.get_transaction(connection, flow_id)
        if flow is None:
            raise Refused(NOT_WAITING)
        closing = await get_closing(connection, flow.authority_id)
        check_open(closing is not None and closing.is_closed(paris_date(deps.now())))
        if flow.status is not HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS:
            raise Refused(NOT_WAITING)
        try:
            await db.move_status(connection, flow, db.Move(flow.status, HeliosStatus.POSTE, POSTED_TEXT))
        except Conflict as conflict:
            raise Refused(NOT_WAITING) from conflict
        await insert_job(connection, JobKind.HELIOS_ANALYSE, flow.authority_id, flow.id)
        by = (flow.authority_id, who.user.id)
        await insert_audit(connection, by, "api:helios:confirm", flow.id, who.identity.evidence)
    return POSTED
