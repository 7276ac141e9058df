"""Read a stored mail of the ministry and apply each thing it says, in one transaction."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from tdt.crash import Step, reach
from tdt.db import routes as routes_db
from tdt.db.content import move_to_authority
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes.authenticity import MailRules, find_doubt
from tdt.domain.actes.clues import find_clues
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.headers import read_headers
from tdt.domain.actes.mail import MinistryMail, parse_mail
from tdt.domain.ids import ReceivedId
from tdt.flows.actes_receive.acts import acknowledge, refuse_acte, refuse_envelope
from tdt.flows.actes_receive.answers import acknowledge_cancellation, acknowledge_reply
from tdt.flows.actes_receive.box import aim, keep_owner, propose, set_apart, tell
from tdt.flows.actes_receive.classification import confirm_classification, renew_classification
from tdt.flows.actes_receive.large import alone, load, size_of
from tdt.flows.actes_receive.letters import Packed, pack, receive_letter


async def ingest(deps: Deps, received_id: ReceivedId) -> None:
    """Read a stored mail and apply each thing it says, in one transaction; what is for nobody goes to the operator."""
    async with deps.transaction("system") as connection:
        received = await routes_db.get_received(connection, received_id)
        if received is None or received.state != "new":
            return
        size = await size_of(connection, received)
    with alone(size, deps.now()):
        await _ingest(deps, received, size)


async def _ingest(deps: Deps, received: Received, size: int) -> None:
    rules = MailRules() if received.vouched_by else deps.config.actes.mail_rules
    mail, said, doubt = await asyncio.to_thread(_read, await load(deps, received, size), size, rules)
    answers = () if doubt else said
    packed = {number: await pack(deps, one) for number, one in enumerate(answers) if isinstance(one, r.Letter)}
    unused: Mapping[int, Packed] = packed
    handling = None
    with ExitStack() as stack:
        for writer in (writer for one in packed.values() for writer in one.writers):
            stack.enter_context(writer.discarded_on_failure())
        async with deps.transaction(received.scope) as connection:
            # taken for dead, we may come after another worker, and after what an operator decided of what it made
            if await routes_db.lock_received(connection, received.id) == received:
                handlings, unused = await _apply_all(deps, connection, received, (answers, packed))
                handling = keep_owner(received, set_apart(doubt) if doubt else _summary(handlings))
                await routes_db.move_received(connection, received.id, handling)
                if handling.authority_id is not None:
                    await move_to_authority(connection, received.content_id, handling.authority_id)
                await propose(connection, received, handling, find_clues(mail, said))
                reach(Step.INGEST_MAIL)
    reach(Step.INGEST_MAIL_COMMITTED)
    for writer in (writer for one in unused.values() for writer in one.writers):
        writer.discard()
    if handling is not None:
        tell(received, handling)


async def _apply_all(
    deps: Deps, connection: Connection, received: Received, what: tuple[tuple[r.Return, ...], Mapping[int, Packed]]
) -> tuple[list[Handling], Mapping[int, Packed]]:
    """Apply each thing that a mail says; gives what was made of each, and the packed letters that nothing needs."""
    said, packed = what
    unused, handlings = dict(packed), []
    for number, answer in enumerate(await aim(connection, received, said)):
        if isinstance(answer, r.Letter):
            handling, made = await receive_letter(deps, connection, received, answer, packed[number])
            if made is not None:
                del unused[number]
        else:
            handling = await _apply(deps, connection, answer)
        handlings.append(_with_report(handling, answer))
    return handlings, unused


def _read(raw: bytes, size: int, rules: MailRules) -> tuple[MinistryMail, tuple[r.Return, ...], str]:
    """What a mail holds and says, and why it may not be the ministry's."""
    mail = parse_mail(raw, size)
    return mail, r.read_mail(mail), find_doubt(read_headers(raw), rules)


def _with_report(handling: Handling, answer: r.Return) -> Handling:
    """What comes in is judged by the grammar for information only: the ministry itself does not always respect it."""
    xml = getattr(answer, "xml", b"")
    faults = check_message(xml) if xml else []
    if not faults:
        return handling
    report = " ; ".join([handling.detail, *(f"hors grammaire : {fault}" for fault in faults[:5])])
    return replace(handling, detail=report.removeprefix(" ; "))


def _summary(handlings: list[Handling]) -> Handling:
    """One line for a mail that says several things: what needs an operator comes first."""
    if not handlings:
        return Handling("set_aside", "mail", "Aucun message dans ce courriel.")
    owners = {one.authority_id for one in handlings}
    order = ("set_aside", "handled", "ignored")
    first = min(handlings, key=lambda one: order.index(one.state))
    return Handling(
        first.state,
        ",".join(one.kind for one in handlings)[:200],
        " ; ".join(one.detail for one in handlings if one.detail)[:2000],
        owners.pop() if len(owners) == 1 else None,
    )


async def _apply(deps: Deps, connection: Connection, answer: r.Return) -> Handling:
    match answer:
        case r.ArActe():
            return await acknowledge(deps, connection, answer)
        case r.AnomalieActe():
            return await refuse_acte(deps, connection, answer)
        case r.AnomalieEnveloppe():
            return await refuse_envelope(deps, connection, answer)
        case r.RetourClassification():
            return await renew_classification(deps, connection, answer)
        case r.ClassificationSansChangement():
            return await confirm_classification(deps, connection, answer)
        case r.ArReponse():
            return await acknowledge_reply(deps, connection, answer)
        case r.ArAnnulation():
            return await acknowledge_cancellation(deps, connection, answer)
        case r.MultiCanal():
            return Handling("ignored", "multi-canal", "Rappel de transmission multicanal, sans données.")
        case r.Unreadable(reason=reason):
            return Handling("set_aside", "unreadable", reason)
        case _:
            return Handling("set_aside", type(answer).__name__, "Message sans suite automatique.")
