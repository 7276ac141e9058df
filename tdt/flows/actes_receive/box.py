"""The operator's box: who a mail that nobody could be given is probably for, and what an operator's choice changes."""

from dataclasses import replace

import structlog

from tdt.db import received as db
from tdt.db.authorities import get_authority
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.domain.actes import returns as r
from tdt.domain.actes.clues import Clues
from tdt.domain.actes.naming import read_unique_id

log = structlog.get_logger()


async def aim(connection: Connection, received: Received, answers: tuple[r.Return, ...]) -> tuple[r.Return, ...]:
    """The answers as the operator gave them: to a collectivité, whatever SIREN they bear, or to one of its acts."""
    if not received.assigned or received.authority_id is None:
        return answers
    authority = await get_authority(connection, received.authority_id)
    assert authority is not None
    return tuple(_aimed(answer, authority.siren, received.assigned_act) for answer in answers)


def _aimed(answer: r.Return, siren: str, act: str) -> r.Return:
    match answer:
        case r.ArActe() | r.ArAnnulation() | r.ArReponse():
            return replace(answer, unique_id=act) if act else answer
        case r.Letter():
            return replace(answer, unique_id=act or answer.unique_id, siren=None)
        case r.AnomalieActe():
            parts = read_unique_id(act)
            if parts is None:
                return replace(answer, siren=siren)
            return replace(answer, siren=siren, number=parts.number, acte=replace(answer.acte, decision_date=None))
        case r.RetourClassification() | r.ClassificationSansChangement():
            return replace(answer, siren=siren)
        case _:
            return answer


def keep_owner(received: Received, handling: Handling) -> Handling:
    """What an operator gave, or a first reading attributed, does not become nobody's by another reading."""
    if received.assigned or handling.authority_id is None:
        return replace(handling, authority_id=received.authority_id)
    return handling


def set_apart(doubt: str) -> Handling:
    """What does not prove that it comes from the ministry: nothing of it is applied."""
    return Handling("set_aside", db.FORGED, f"Courriel douteux : {doubt}.")


def tell(received: Received, handling: Handling) -> None:
    """Tell the log of what waits for an operator."""
    if handling.kind == db.FORGED:
        log.warning("received.forged", received=received.id, reason=handling.detail)
    elif handling.state == "set_aside":
        log.warning("received.set_aside", received=received.id, kind=handling.kind, authority=handling.authority_id)


async def propose(connection: Connection, received: Received, handling: Handling, clues: Clues) -> None:
    """Write beside what waits for an operator, and is nobody's, whom it is probably for: by its act, else its SIREN."""
    if handling.state != "set_aside" or handling.authority_id is not None:
        return
    by_act = await db.list_owners_of_acts(connection, clues.acts)
    by_siren = await db.list_owners_of_sirens(connection, clues.sirens)
    # in the order of the clues: the surest first
    for found, order in ((by_act, clues.acts), (by_siren, clues.sirens)):
        owners = {owner for _, owner in found}
        if len(owners) == 1:
            first = next(clue for clue in order if clue in {key for key, _ in found})
            act = first if found is by_act else next(iter(clues.acts), "")
            await db.move_proposal(connection, received.id, owners.pop(), next(iter(clues.sirens), ""), act)
            return
    await db.move_proposal(connection, received.id, None, next(iter(clues.sirens), ""), next(iter(clues.acts), ""))
