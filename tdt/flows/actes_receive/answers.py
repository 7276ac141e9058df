"""3-5, 4-5 and 6-2: the préfecture has what it was answered, or has cancelled the act."""

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.db.content import insert_small
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import ContentId
from tdt.flows.actes_receive.correlation import SHARED, settle, waiting
from tdt.flows.actes_receive.letters import digest

SEEN = "AR déjà reçu."


async def acknowledge_reply(deps: Deps, connection: Connection, answer: r.ArReponse) -> Handling:
    """The oldest answer that waits, to a letter of that date: the IDActe and the date are all that the AR tells."""
    replies = await letters_db.list_replies(connection, answer.unique_id, int(answer.code[0]))
    if len({one.authority_id for one in replies}) > 1:
        return Handling("set_aside", answer.code, SHARED)
    owner = replies[0].authority_id if replies else None
    for one in replies:
        if await letters_db.has_flux(connection, one.id, digest(answer.xml)):
            return Handling("ignored", answer.code, SEEN, owner)
    reply = _chosen(answer, await waiting(connection, replies))
    if reply is None:
        known = any(_answers(one, answer) and one.status is ActeStatus.ACQUITTEMENT_RECU for one in replies)
        detail = SEEN if known else f"Aucune réponse de ce jour en attente sur l'acte {answer.unique_id}."
        return Handling("ignored" if known else "set_aside", answer.code, detail, owner)
    reply = await settle(deps, connection, reply, f"AR {answer.code} reçu")
    flux = await insert_small(connection, reply.authority_id, answer.xml)
    text = texts.acknowledged(deps.config.actes.ministry_acronym, answer.date_reception)
    move = db.Move(ActeStatus.TRANSMIS, ActeStatus.ACQUITTEMENT_RECU, text, flux, answer.date_reception)
    await db.move_status(connection, reply, move)
    return Handling("handled", answer.code, f"Réponse {reply.id}", reply.authority_id)


def _chosen(answer: r.ArReponse, sent: list[db.Acte]) -> db.Acte | None:
    """Some write the day of their AR in place of the letter's: with a single answer on its way, it is that one."""
    exact = [one for one in sent if _answers(one, answer)]
    if exact:
        return exact[0]
    return sent[0] if len(sent) == 1 else None


def _answers(reply: db.Acte, answer: r.ArReponse) -> bool:
    return answer.date_courrier in (None, reply.letter_date)


async def acknowledge_cancellation(deps: Deps, connection: Connection, answer: r.ArAnnulation) -> Handling:
    """The annulation goes to 4 and its act to 0."""
    asked = await letters_db.list_cancellations(connection, answer.unique_id)
    if len({one.authority_id for one in asked}) > 1:
        return Handling("set_aside", "6-2", SHARED)
    sent = await waiting(connection, asked)
    if not sent:
        known = any(one.status is ActeStatus.ACQUITTEMENT_RECU for one in asked)
        detail = SEEN if known else f"Aucune demande d'annulation envoyée pour l'acte {answer.unique_id}."
        return Handling("ignored" if known else "set_aside", "6-2", detail, asked[0].authority_id if asked else None)
    request = await settle(deps, connection, sent[0], "AR 6-2 reçu")
    flux = await insert_small(connection, request.authority_id, answer.xml)
    text = texts.cancelled(deps.config.actes.ministry_acronym, answer.date_reception)
    move = db.Move(ActeStatus.TRANSMIS, ActeStatus.ACQUITTEMENT_RECU, text, flux, answer.date_reception)
    await db.move_status(connection, request, move)
    return await _cancel(connection, request, text, flux)


async def _cancel(connection: Connection, request: db.Acte, text: str, flux: ContentId) -> Handling:
    acte = await db.lock_transaction(connection, request.related_id) if request.related_id is not None else None
    if acte is None or not texts.may_move(acte.status, ActeStatus.ANNULE):
        state = "sans acte" if acte is None else f"acte {acte.id} à l'état {int(acte.status)}"
        return Handling("set_aside", "6-2", f"Annulation {request.id}, {state}", request.authority_id)
    await db.move_status(connection, acte, db.Move(acte.status, ActeStatus.ANNULE, text, flux))
    return Handling("handled", "6-2", f"Acte {acte.id} annulé", acte.authority_id)
