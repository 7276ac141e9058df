"""Confirm an acte that waits for an agent who télétransmet (17 → 1): its proof, its first job, once."""

from collections.abc import Sequence

from tdt.db import actes as db
from tdt.db.accounts import get_owner
from tdt.db.audit import insert_audit
from tdt.db.closing import get_closing
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import posted_by_agent
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind

NO_NUMBER = "Pas d'identifiant de transaction spécifié"
UNKNOWN = "Erreur d'initialisation de la transaction."
NOT_WAITING = "La transaction n'est pas dans le statut « En attente d'être posté»"
"""S2LOW's, its missing space included."""


async def confirm(deps: Deps, who: Principal, acte_id: ActeId) -> str:
    """Post an acte that waits; gives the words of its workflow.

    Raises Refused or Forbidden in S2LOW's words. Of two confirmations at once one comes through: the other finds the
    acte posted, so there is one job.
    """
    async with deps.acting(Actor(Source.API, who)) as connection:
        acte = await _take(deps, connection, who, acte_id)
        message = posted_by_agent(who.user.pretty_name)
        try:
            move = db.Move(ActeStatus.EN_ATTENTE_D_ETRE_POSTEE, ActeStatus.POSTE, message)
            await db.move_status(connection, acte, move)
        except Conflict as conflict:
            raise Refused(NOT_WAITING) from conflict
        await insert_job(connection, JobKind.ACTES_ANALYSE, acte.authority_id, acte.id)
        by = (acte.authority_id, who.user.id)
        await insert_audit(connection, by, "api:acte:confirm", acte.id, who.identity.evidence)
        return message


async def confirm_all(deps: Deps, who: Principal, actes: Sequence[ActeId]) -> int:
    """Post those that can be, each by itself: a lot must not wait for the one that is not ready. Gives how many."""
    posted = 0
    for acte in dict.fromkeys(actes):
        try:
            await confirm(deps, who, acte)
            posted += 1
        except (Refused, Forbidden):
            continue
    return posted


async def _take(deps: Deps, connection: Connection, who: Principal, acte_id: ActeId) -> db.Acte:
    acte = await db.get_transaction(connection, acte_id)
    if acte is None:
        raise Refused(UNKNOWN)
    owner = await get_owner(connection, who.user.id, acte.account_id, acte.authority_id)
    if not may(who, Right.VIEW, Module.ACTES, owner):
        raise Forbidden("Accès refusé")
    closing = await get_closing(connection, acte.authority_id)
    check_open(closing is not None and closing.is_closed(paris_date(deps.now())))
    if acte.status is not ActeStatus.EN_ATTENTE_D_ETRE_POSTEE:
        raise Refused(NOT_WAITING)
    return acte
