"""Take in what the ministry mails: store the raw message first, understand it after."""

import asyncio
from dataclasses import replace

from tdt.db import actes as db
from tdt.db import routes as routes_db
from tdt.db.authorities import find_authority_by_siren
from tdt.db.content import insert_small, move_to_authority
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.actes import returns as r
from tdt.domain.actes import status as texts
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.mail import parse_mail
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.naming import read_envelope_name
from tdt.domain.ids import AuthorityId, ContentId, ReceivedId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route

BEFORE_SENDING = (ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, ActeStatus.EN_ATTENTE_D_ETRE_POSTEE)
"""An answer to an act that was never sent is not ours, or is a forgery: anybody can write to a mailbox."""

SHARED = "Plusieurs collectivités de ce SIREN ont un envoi de ce nom."

DUPLICATE_ACTE = "001"
"""Nature of the anomaly that the ministry gives to an act it already has."""


async def collect(deps: Deps, route: Route, late: set[str]) -> None:
    """Empty the mailbox of a route, then wait for more, until cancelled or cut.

    Each mail is stored with its job, committed, and only then acknowledged at the remote end. One that cannot be
    fetched joins `late`: it is tried after all the others the next time.
    """
    async with deps.remotes.open_mailbox(route) as mailbox:
        while True:
            for key in sorted(await mailbox.list_new(), key=lambda key: key in late):
                late.add(key)
                await _store(deps, route, key, await mailbox.fetch(key))
                await mailbox.acknowledge(key)
                late.discard(key)
            await mailbox.wait(deps.config.actes.poll_seconds)


async def _store(deps: Deps, route: Route, key: str, raw: bytes) -> None:
    async with deps.transaction("system") as connection:
        if await routes_db.find_received(connection, route.id, key) is not None:
            return  # stored before a crash, not yet acknowledged
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        await asyncio.to_thread(writer.write, raw)
        body = await writer.finish()
        async with deps.transaction("system") as connection:
            content = (await deps.keep(connection, None, [body]))[0]
            received = await routes_db.insert_received(connection, route.id, key, key, content)
            await insert_job(connection, JobKind.ACTES_INGEST, None, received)


async def ingest(deps: Deps, received_id: ReceivedId) -> None:
    """Read a stored mail and apply each thing it says, in one transaction; what is for nobody goes to the operator."""
    async with deps.transaction("system") as connection:
        received = await routes_db.get_received(connection, received_id)
    if received is None or received.state != "new":
        return
    raw = b"".join([chunk async for chunk in deps.stream("system", received.content_id)])
    answers = await asyncio.to_thread(lambda: r.read_mail(parse_mail(raw)))
    async with deps.transaction("system") as connection:
        handlings = [_with_report(await _apply(deps, connection, answer), answer) for answer in answers]
        handling = _summary(handlings)
        if await routes_db.move_received(connection, received_id, handling) and handling.authority_id is not None:
            await move_to_authority(connection, received.content_id, handling.authority_id)


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
            return await _acknowledge(deps, connection, answer)
        case r.AnomalieActe():
            return await _refuse_acte(deps, connection, answer)
        case r.AnomalieEnveloppe():
            return await _refuse_envelope(deps, connection, answer)
        case r.RetourClassification():
            return await _renew_classification(deps, connection, answer)
        case r.ClassificationSansChangement():
            return await _confirm_classification(deps, connection, answer)
        case r.MultiCanal():
            return Handling("ignored", "multi-canal", "Rappel de transmission multicanal, sans données.")
        case r.Unreadable(reason=reason):
            return Handling("set_aside", "unreadable", reason)
        case _:
            return Handling("set_aside", type(answer).__name__, "Message sans suite automatique.")


async def _acknowledge(deps: Deps, connection: Connection, answer: r.ArActe) -> Handling:
    actes = await db.list_by_unique_id(connection, answer.unique_id)
    if len({acte.authority_id for acte in actes}) > 1:
        return Handling("set_aside", "1-2", SHARED)
    waiting = await _waiting(connection, actes)
    if not waiting:
        return _late_ar(answer, actes)
    acte = await _settle(deps, connection, waiting[0], "AR reçu")
    flux = await insert_small(connection, acte.authority_id, answer.xml)
    text = texts.acknowledged(deps.config.actes.ministry_acronym, answer.date_reception)
    await db.move_status(connection, acte, db.Move(ActeStatus.TRANSMIS, ActeStatus.ACQUITTEMENT_RECU, text, flux))
    return Handling("handled", "1-2", answer.unique_id, acte.authority_id)


def _late_ar(answer: r.ArActe, actes: list[db.Acte]) -> Handling:
    """An AR that no act waits for: repeated, it changes nothing; otherwise somebody must know of it."""
    if not actes:
        return Handling("set_aside", "1-2", f"Aucun acte {answer.unique_id}.")
    acte = actes[0]
    if acte.status is ActeStatus.ERREUR or acte.status in BEFORE_SENDING:
        detail = f"AR pour l'acte {acte.id}, qui est à l'état {int(acte.status)}."
        return Handling("set_aside", "1-2", detail, acte.authority_id)
    return Handling("ignored", "1-2", "AR déjà reçu.", acte.authority_id)


async def _waiting(connection: Connection, actes: list[db.Acte]) -> list[db.Acte]:
    """Those that an answer may be for: sent, or with a sending on record. A mail alone never proves a sending."""
    return [
        acte
        for acte in actes
        if acte.status is ActeStatus.TRANSMIS
        or (
            acte.status is ActeStatus.EN_ATTENTE_DE_TRANSMISSION
            and await routes_db.list_attempts(connection, "acte_envelope", acte.envelope_id)
        )
    ]


async def _settle(deps: Deps, connection: Connection, acte: db.Acte, proof: str) -> db.Acte:
    """An answer proves the sending: settle uncertain attempts, and record the sending if the answer outran it."""
    await routes_db.move_attempts_to_settled(connection, "acte_envelope", acte.envelope_id, proof)
    if acte.status is not ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
        return acte
    text = texts.transmitted(deps.config.actes.ministry_acronym)
    await db.move_status(connection, acte, db.Move(acte.status, ActeStatus.TRANSMIS, text))
    return await _again(connection, acte)


async def _again(connection: Connection, acte: db.Acte) -> db.Acte:
    fresh = await db.get_transaction(connection, acte.id)
    assert fresh is not None
    return fresh


async def _refuse_acte(deps: Deps, connection: Connection, answer: r.AnomalieActe) -> Handling:
    actes = await _find_refused(connection, answer)
    if len({acte.authority_id for acte in actes}) > 1:
        return Handling("set_aside", "1-3", SHARED)
    waiting = await _waiting(connection, actes)
    if not waiting:
        return await _late_anomaly(connection, answer, actes)
    acte = waiting[0]
    if await _is_of_resend(connection, answer, acte):
        # the identical resend of an uncertain sending: the ministry has the act since the first one, its AR will say so
        await _settle(deps, connection, acte, "Anomalie 001 : déjà transmis")
        return Handling(
            "handled", "1-3", "Doublon d'un renvoi identique : l'envoi précédent était arrivé.", acte.authority_id
        )
    acte = await _settle(deps, connection, acte, "Anomalie reçue")
    flux = await insert_small(connection, acte.authority_id, answer.xml)
    text = texts.acte_anomaly(deps.config.actes.ministry_acronym, answer.nature, answer.detail)
    await db.move_status(connection, acte, db.Move(ActeStatus.TRANSMIS, ActeStatus.ERREUR, text, flux))
    return Handling("handled", "1-3", f"{answer.nature} {answer.detail}", acte.authority_id)


async def _is_of_resend(connection: Connection, answer: r.AnomalieActe, acte: db.Acte) -> bool:
    """Whether this is what the ministry says to an identical resend: an act that it has, and a try in doubt before
    the last one. A try that surely failed proves nothing: the number is then really taken."""
    attempts = await routes_db.list_attempts(connection, "acte_envelope", acte.envelope_id)
    return answer.nature == DUPLICATE_ACTE and any(one.was_uncertain for one in attempts[:-1])


async def _late_anomaly(connection: Connection, answer: r.AnomalieActe, actes: list[db.Acte]) -> Handling:
    """S2LOW's error box, but for what follows from the crash rule, or repeats what is known."""
    detail = f"{answer.nature} {answer.detail}"
    if not actes:
        return Handling("set_aside", "1-3", detail)
    expected = actes[0].status is ActeStatus.ERREUR or await _is_of_resend(connection, answer, actes[0])
    return Handling("ignored" if expected else "set_aside", "1-3", detail, actes[0].authority_id)


async def _find_refused(connection: Connection, answer: r.AnomalieActe) -> list[db.Acte]:
    """An anomaly carries no IDActe: the collectivité, the number and the date of the act that it echoes tell it."""
    if answer.siren is None:
        return []
    actes = await db.list_by_number(connection, answer.siren, answer.number)
    return [acte for acte in actes if answer.acte.decision_date in (None, acte.decision_date)]


async def _refuse_envelope(deps: Deps, connection: Connection, answer: r.AnomalieEnveloppe) -> Handling:
    name = read_envelope_name(answer.envelope_name)
    found = await db.list_envelopes_by_name(connection, answer.envelope_name, name.siren) if name is not None else []
    if not found:
        return Handling("set_aside", "ANO", f"Aucune enveloppe {answer.envelope_name}.")
    if len({one.authority_id for one in found}) > 1:
        return Handling("set_aside", "ANO", SHARED)
    sent, refused = found[0], 0
    for acte in await _waiting(connection, await db.list_of_envelope(connection, found[0].id)):
        settled = await _settle(deps, connection, acte, "Anomalie d'enveloppe reçue")
        flux = await insert_small(connection, acte.authority_id, answer.xml)
        text = texts.envelope_anomaly(deps.config.actes.ministry_acronym, answer.nature, answer.detail)
        await db.move_status(connection, settled, db.Move(ActeStatus.TRANSMIS, ActeStatus.ERREUR, text, flux))
        refused += 1
    # S2LOW's error box: an envelope whose answer has come already, or that was never sent
    return Handling("handled" if refused else "set_aside", "ANO", f"{answer.nature} {answer.detail}", sent.authority_id)


async def _renew_classification(deps: Deps, connection: Connection, answer: r.RetourClassification) -> Handling:
    authority = await find_authority_by_siren(connection, answer.siren)
    if authority is None:
        return Handling("set_aside", "7-2", f"SIREN {answer.siren} inconnu ou partagé.")
    content = await insert_small(connection, authority, answer.xml)
    await db.insert_classification(connection, authority, answer.date, content)
    await _answer_request(deps, connection, authority, (texts.classification_updated(answer.date), content))
    return Handling("handled", "7-2", str(answer.date), authority)


async def _confirm_classification(
    deps: Deps, connection: Connection, answer: r.ClassificationSansChangement
) -> Handling:
    authority = await find_authority_by_siren(connection, answer.siren)
    if authority is None:
        return Handling("set_aside", "7-3", f"SIREN {answer.siren} inconnu ou partagé.")
    content = await insert_small(connection, authority, answer.xml)
    await _answer_request(deps, connection, authority, (texts.classification_unchanged(answer.date), content))
    return Handling("handled", "7-3", str(answer.date), authority)


async def _answer_request(
    deps: Deps, connection: Connection, authority: AuthorityId, answer: tuple[str, ContentId]
) -> None:
    """The last request that waits gets the answer; one that nobody asked for renews the classification all the same."""
    pending = await _waiting(connection, await db.list_pending_classification_requests(connection, authority))
    if not pending:
        return
    request = await _settle(deps, connection, pending[0], "Classification reçue")
    await db.move_status(connection, request, db.Move(request.status, ActeStatus.ACQUITTEMENT_RECU, *answer))
