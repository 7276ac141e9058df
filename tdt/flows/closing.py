"""Close a collectivité, reopen it, plan its purge; refuse what waited to be confirmed when it closed."""

from contextlib import suppress
from datetime import date

from tdt.db import actes as actes_db
from tdt.db import closing as db
from tdt.db import helios as helios_db
from tdt.db.audit import insert_change
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor
from tdt.domain.authority_sheet import NOT_FOUND
from tdt.domain.calendar import paris_date
from tdt.domain.closing import Closing, check_close, check_purge_date, check_reopen, never_confirmed
from tdt.domain.errors import Conflict, Refused
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import AuthorityId

DRAFTS_AT_ONCE = 500
ACTE_DRAFTS = (ActeStatus.EN_ATTENTE_D_ETRE_POSTEE, ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE)
HELIOS_DRAFTS = (HeliosStatus.EN_ATTENTE_D_ETRE_SIGNE, HeliosStatus.EN_ATTENTE_D_ETRE_TELETRANSMIS)


async def close(deps: Deps, by: Actor, authority: AuthorityId, on: date, purges_on: date | None = None) -> None:
    """From this civil day on nothing can be deposited; purge it from that day on, once exported. Raises Refused."""
    async with deps.acting(by) as connection:
        current = await _take(connection, authority)
        check_close(current, on, purges_on, paris_date(deps.now()))
        await db.move_closing(connection, authority, (on, purges_on))
        await _tell(connection, by, "authority:close", current)


async def reopen(deps: Deps, by: Actor, authority: AuthorityId) -> None:
    """Undo the closing, before or after its day, as long as no purge has begun. Raises Refused."""
    async with deps.acting(by) as connection:
        current = await _take(connection, authority)
        check_reopen(current)
        await db.move_to_open(connection, authority)
        await _tell(connection, by, "authority:reopen", current)


async def schedule_purge(
    deps: Deps, by: Actor, authority: AuthorityId, on: date | None, unanswered: bool = False
) -> None:
    """Purge from this civil day on, or not at all (None). Raises Refused.

    `unanswered`: what the State never answered does not hold the purge up.
    """
    async with deps.acting(by) as connection:
        current = await _take(connection, authority)
        check_purge_date(current, on, paris_date(deps.now()))
        await db.move_purge(connection, current, on, unanswered and on is not None)
        await _tell(connection, by, "authority:schedule_purge", current)


async def refuse_drafts(deps: Deps) -> int:
    """Put in error what waits to be confirmed in a closed collectivité: nobody can any more. Gives how many were."""
    refused = 0
    while True:
        async with deps.transaction("system") as connection:
            drafts = await db.list_drafts(connection, paris_date(deps.now()), DRAFTS_AT_ONCE)
        if not drafts:
            return refused
        for draft in drafts:
            # confirmed, or refused by another worker, since we looked
            with suppress(Conflict):
                await _refuse(deps, draft)
                refused += 1


async def _refuse(deps: Deps, draft: db.Draft) -> None:
    message = never_confirmed(draft.closes_on)
    async with deps.transaction("system") as connection:
        if draft.acte is not None:
            acte = await actes_db.get_transaction(connection, draft.acte)
            if acte is not None and acte.status in ACTE_DRAFTS:
                move = actes_db.Move(acte.status, ActeStatus.ERREUR, message)
                await actes_db.move_status(connection, acte, move)
        if draft.flow is not None:
            flow = await helios_db.get_transaction(connection, draft.flow)
            if flow is not None and flow.status in HELIOS_DRAFTS:
                await helios_db.move_status(connection, flow, helios_db.Move(flow.status, HeliosStatus.ERREUR, message))


async def _take(connection: Connection, authority: AuthorityId) -> Closing:
    current = await db.lock_closing(connection, authority)
    if current is None:
        raise Refused(NOT_FOUND)
    return current


async def _tell(connection: Connection, by: Actor, tag: str, before: Closing) -> None:
    after = await _take(connection, before.id)
    await insert_change(connection, by, (tag, before.id, before.id), before.audited(), after.audited())
