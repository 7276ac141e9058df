"""What is done by hand, by an operator or a super-administrator: give a transaction up, put it in line again.

Nothing is ever put in line again that may be with the ministry already.
"""

from collections.abc import Sequence

from tdt.db import acte_closing as closing_db
from tdt.db import actes as db
from tdt.db import attempts as attempts_db
from tdt.db.acte_resends import get_mark, is_superseded
from tdt.db.audit import insert_change
from tdt.db.content import get_small
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes import closing as rules
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.resend import proves_absence, read_refusal
from tdt.domain.actes.status import ERREUR_MANUELLE, STATUS_LABELS
from tdt.domain.audit import Actor
from tdt.domain.errors import Refused
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Attempt

NO_SUCH = "Cette transaction n'existe pas"
NOT_GIVEN_UP = "Impossible de passer la transaction {} en erreur : elle est à l'état {} (« {} »)."
RESENT = "elle a été renvoyée sous le même numéro par une autre transaction"
NOT_AGAIN = "Impossible de passer la transaction {} dans l'état {} : {}."


async def give_up(deps: Deps, by: Actor, acte_id: ActeId) -> str:
    """Turn a transaction to -1, with all that travels in its envelope; gives the words of the answer.

    An answer of the State that comes later still counts.
    """
    async with deps.acting(by) as connection:
        actes = await _take(connection, acte_id)
        (asked,) = (one for one in actes if one.id == acte_id)
        if asked.status not in rules.GIVE_UP:
            label = STATUS_LABELS[asked.status]
            raise Refused(NOT_GIVEN_UP.format(acte_id, int(asked.status), label))
        # one that is refused holds back the whole envelope before it is sent; afterwards each has its own life
        together = asked.status in rules.BEFORE_SENDING
        for acte in actes:
            if acte is asked or (together and acte.status in rules.BEFORE_SENDING):
                await _move(connection, by, acte, ActeStatus.ERREUR, ERREUR_MANUELLE)
    return f"La transaction {acte_id} a été passée en erreur."


async def put_again(deps: Deps, by: Actor, acte_id: ActeId, target: ActeStatus) -> str:
    """Put a transaction in error in line again, with all that travels in its envelope; gives the words of the answer.

    Raises Refused for what may be with the ministry already.
    """
    async with deps.acting(by) as connection:
        actes = await _take(connection, acte_id)
        if await is_superseded(connection, actes[0].envelope_id):
            raise Refused(NOT_AGAIN.format(acte_id, int(target), RESENT), code="RENVOI_FAIT")
        for acte in actes:
            past = await _past(connection, acte)
            if obstacle := rules.again_obstacle(acte.status, target, past):
                raise Refused(NOT_AGAIN.format(acte.id, int(target), obstacle), code="ACTE_PEUT_ETRE_ENVOYE")
        for acte in actes:
            await _move(connection, by, acte, target, rules.put_again(acte.id, target))
        if target is ActeStatus.POSTE:
            for acte in actes:
                await insert_job(connection, JobKind.ACTES_ANALYSE, acte.authority_id, acte.id)
        else:
            await insert_job(connection, JobKind.ACTES_TRANSMIT, actes[0].authority_id, actes[0].envelope_id)
    return rules.put_again(acte_id, target)


async def _take(connection: Connection, acte_id: ActeId) -> Sequence[db.Acte]:
    """The transaction and those of its envelope, held; the envelope first, as a sending does."""
    acte = await db.get_transaction(connection, acte_id)
    if acte is None:
        raise Refused(NO_SUCH)
    await db.lock_envelope(connection, acte.envelope_id)
    found = [one.id for one in await db.list_of_envelope(connection, acte.envelope_id)]
    return list((await closing_db.lock_actes(connection, found)).values())


async def _past(connection: Connection, acte: db.Acte) -> rules.Past:
    envelope = await db.get_envelope(connection, acte.envelope_id)
    attempts = await attempts_db.list_attempts(connection, db.ENVELOPE, acte.envelope_id)
    return rules.Past(
        archived=envelope is not None and envelope.content_id is not None,
        accepted=await closing_db.had_status(connection, acte.id, ActeStatus.EN_ATTENTE_DE_TRANSMISSION),
        attempts=attempts,
        refused_by_ministry=await _refused_by_ministry(connection, acte, attempts),
    )


async def _refused_by_ministry(connection: Connection, acte: db.Acte, attempts: Sequence[Attempt]) -> bool:
    """Whether it refused the transaction, and surely does not have it: an AR may have come all the same."""
    mark = await get_mark(connection, acte.id)
    if mark.flux is None or mark.late_ar:
        return False
    return proves_absence(read_refusal(await get_small(connection, mark.flux)), attempts)


async def _move(connection: Connection, by: Actor, acte: db.Acte, target: ActeStatus, message: str) -> None:
    await db.move_status(connection, acte, db.Move(acte.status, target, message))
    what = ("acte:give_up" if target is ActeStatus.ERREUR else "acte:put_again", acte.id, acte.authority_id)
    await insert_change(connection, by, what, {"status": int(acte.status)}, {"status": int(target)})
