"""Bring an acte to the ministry: analyse it, build its archive once, hand it over with the crash rule."""

from collections.abc import AsyncIterator
from datetime import timedelta

from tdt.db import actes as db
from tdt.db import routes as routes_db
from tdt.db.accounts import Contact, get_contact
from tdt.db.authorities import get_authority
from tdt.db.content import get_content, get_small
from tdt.db.conventions import get_dossier
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.documents.archive import ArchiveEntry, write_archive
from tdt.domain import retry
from tdt.domain.actes import envelope
from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.model import ActeStatus, Emitter, MessageCode
from tdt.domain.actes.package import check_entries
from tdt.domain.actes.rules import AnalysedFile, check_analysis, check_archive_size
from tdt.domain.actes.status import VALIDATION_OK, invalid_envelope, transmitted
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.content import Body
from tdt.domain.conventions import Verdict, hold, judge
from tdt.domain.errors import Permanent, Refused, Temporary, Uncertain
from tdt.domain.ids import ActeId, AttemptId, ContentId, EnvelopeId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Outcome, Route

OBJECT = "acte_envelope"


async def analyse(deps: Deps, acte_id: ActeId) -> None:
    """Check a posted transaction against what its collectivité may send; then have its archive built."""
    async with deps.transaction("system") as connection:
        acte = await db.get_transaction(connection, acte_id)
        if acte is None or acte.status is not ActeStatus.POSTE:
            return
        try:
            await _check_files(connection, acte)
        except Refused as refusal:
            await _refuse(connection, [acte], refusal.message)
            return
        await insert_job(connection, JobKind.ACTES_PACKAGE, acte.authority_id, acte.envelope_id)


async def _check_files(connection: Connection, acte: db.Acte) -> None:
    if acte.type != MessageCode.ACTE:
        return
    held = await db.last_classification(connection, acte.authority_id)
    files = await _documents(connection, acte)
    if held is None or acte.nature_code is None:
        raise Permanent("L'acte a été accepté sans classification ni nature.", details={"acte_id": acte.id})
    analysed = [AnalysedFile(file.name, file.code_pj, file.mimetype) for file in files]
    check_analysis(acte.nature_code, analysed, parse_classification(held.xml))


async def _documents(connection: Connection, acte: db.Acte) -> list[db.ActeFile]:
    return [file for file in await db.list_files(connection, acte.id) if file.position > 0]


async def _refuse(connection: Connection, actes: list[db.Acte], message: str) -> None:
    for acte in actes:
        await db.move_status(connection, acte, db.Move(acte.status, ActeStatus.ERREUR, message))


async def package(deps: Deps, envelope_id: EnvelopeId) -> None:
    """Build the message, the envelope and the archive, check them, and put them in line for transmission."""
    async with deps.transaction("system") as connection:
        sent = await db.get_envelope(connection, envelope_id)
        actes = await db.list_of_envelope(connection, envelope_id)
        if sent is None or sent.content_id is not None or any(one.status is not ActeStatus.POSTE for one in actes):
            return
        forms = {}
        documents: list[db.ActeFile] = []
        for acte in actes:
            message, *others = await db.list_files(connection, acte.id)
            forms[message.name] = await get_small(connection, message.content_id)
            documents += others
        emitter = await _emitter(deps, connection, sent)
    envelope_xml = envelope.build_envelope(emitter, list(forms))
    faults = _faults(envelope_xml, forms, documents)
    if faults:
        async with deps.transaction("system") as connection:
            await _refuse(connection, actes, invalid_envelope(" ; ".join(faults)))
        return
    entries = [_in_memory(sent.name, envelope_xml), *(_in_memory(name, data) for name, data in forms.items())]
    entries += [_stored(deps, file) for file in documents]
    writer = deps.spool.writer()
    body = await write_archive(entries, writer)
    with writer.discarded_on_failure():
        await _record_archive(deps, sent, actes, body)


async def _record_archive(deps: Deps, sent: db.Envelope, actes: list[db.Acte], body: Body) -> None:
    async with deps.transaction("system") as connection:
        content = (await deps.keep(connection, sent.authority_id, [body]))[0]
        await db.move_archive(connection, sent.id, content)
        try:
            check_archive_size(body.size, deps.config.limits.acte_archive_bytes)
        except Refused as refusal:
            await _refuse(connection, actes, refusal.message)
            return
        for acte in actes:
            move = db.Move(ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, VALIDATION_OK)
            await db.move_status(connection, acte, move)
        await insert_job(connection, JobKind.ACTES_TRANSMIT, sent.authority_id, sent.id)


async def _emitter(deps: Deps, connection: Connection, sent: db.Envelope) -> Emitter:
    authority = await get_authority(connection, sent.authority_id)
    if authority is None:
        raise Permanent("L'enveloppe n'a plus de collectivité.", details={"envelope_id": sent.id})
    contact = await get_contact(connection, sent.account_id) if sent.account_id is not None else None
    contact = contact or Contact(authority.name, authority.email, authority.telephone)
    addresses = [*deps.config.actes.return_addresses, contact.email, authority.email]
    return Emitter(
        siren=authority.siren,
        department=authority.department,
        district=authority.district,
        nature=authority.nature,
        referent_name=contact.name or authority.name,
        referent_telephone=contact.telephone or authority.telephone,
        referent_email=contact.email or authority.email,
        # one bad address would make the whole envelope invalid: drop it
        return_addresses=tuple(dict.fromkeys(one for one in addresses if envelope.valid_return_address(one))),
    )


def _faults(envelope_xml: bytes, forms: dict[str, bytes], documents: list[db.ActeFile]) -> list[str]:
    faults = check_message(envelope_xml)
    for data in forms.values():
        faults += check_message(data)
    return faults or check_entries(envelope_xml, forms, [file.name for file in documents])


def _in_memory(name: str, data: bytes) -> ArchiveEntry:
    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return ArchiveEntry(name, len(data), chunks)


def _stored(deps: Deps, file: db.ActeFile) -> ArchiveEntry:
    return ArchiveEntry(file.name, file.size, lambda: deps.stream(file.authority_id, file.content_id))


async def transmit(deps: Deps, envelope_id: EnvelopeId) -> None:
    """Hand the archive to the ministry: intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    started = await _start(deps, envelope_id)
    if started is None:
        return
    if isinstance(started, Verdict):
        raise hold(started, deps.now())
    attempt, sent, route, content = started
    try:
        async with deps.transaction("system") as connection:
            stored = await get_content(connection, content)
        if stored is None:
            raise Permanent("L'archive a disparu.", details={"envelope_id": envelope_id})
        detail = await deps.remotes.send_archive(
            route, sent.archive_name, stored.size, lambda: deps.stream(sent.authority_id, content)
        )
    except (Temporary, Permanent) as error:
        await _end(deps, attempt, Outcome.FAILED, error.message)
        raise
    except Uncertain as error:
        await _end(deps, attempt, Outcome.UNCERTAIN, error.message)
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.actes.uncertain_seconds)
        raise
    await _record_sent(deps, envelope_id, attempt, detail)


Started = tuple[AttemptId, db.Envelope, Route, ContentId]


async def _start(deps: Deps, envelope_id: EnvelopeId) -> Started | Verdict | None:
    """Transaction 1: apply the crash rule and the convention, then say that we are about to send.

    None when there is nothing to send, a verdict when the convention holds it.
    """
    async with deps.transaction("system") as connection:
        # a worker that was taken for dead may wake up at this very point: one of the two decides, the other sees it
        sent = await db.lock_envelope(connection, envelope_id)
        actes = await db.list_of_envelope(connection, envelope_id)
        if sent is None or sent.content_id is None:
            return None
        if any(one.status is not ActeStatus.EN_ATTENTE_DE_TRANSMISSION for one in actes):
            return None  # an answer already came, or it was refused: the evidence settles it
        attempts = await routes_db.list_attempts(connection, OBJECT, envelope_id)
        window = timedelta(seconds=deps.config.actes.uncertain_seconds)
        match retry.decide(attempts, deps.now(), window, deps.config.actes.on_uncertain):
            case retry.WaitUntil(at):
                raise Uncertain("Une tentative est incertaine.", details={"retry_at": at})
            case retry.Hold():
                raise Permanent("Une tentative est incertaine : un exploitant doit décider.", code="ENVOI_INCERTAIN")
            case retry.Send():
                pass
        route = await routes_db.get_route(connection, sent.route_id)
        stored = await get_content(connection, sent.content_id)
        if route is None or stored is None:
            raise Permanent("La route ou l'archive a disparu.", details={"envelope_id": envelope_id})
        verdict = await _judge(deps, connection, sent, actes)
        if verdict.held:
            for acte in actes:
                await db.insert_note(connection, acte, verdict.clause)
            return verdict
        attempt = await routes_db.insert_attempt(
            connection,
            routes_db.Sending(
                sent.authority_id,
                route.id,
                OBJECT,
                envelope_id,
                sent.archive_name,
                stored.sha256,
                stored.size,
                verdict.clause,
            ),
        )
        return attempt, sent, route, sent.content_id


async def _judge(deps: Deps, connection: Connection, sent: db.Envelope, actes: list[db.Acte]) -> Verdict:
    """May what the envelope holds leave today?"""
    dossier = await get_dossier(connection, sent.authority_id, Module.ACTES)
    natures = {str(acte.nature_code) for acte in actes if acte.nature_code is not None}
    return judge(dossier, natures, paris_date(deps.now()), deps.config.conventions.policy)


async def _end(deps: Deps, attempt: AttemptId, outcome: Outcome, detail: str) -> None:
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, attempt, outcome, detail)


async def _record_sent(deps: Deps, envelope_id: EnvelopeId, attempt: AttemptId, detail: str) -> None:
    """Transaction 2. The answer may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, attempt, Outcome.ACCEPTED, detail)
        for acte in await db.list_of_envelope(connection, envelope_id):
            if acte.status is ActeStatus.EN_ATTENTE_DE_TRANSMISSION:
                text = transmitted(deps.config.actes.ministry_acronym)
                move = db.Move(ActeStatus.EN_ATTENTE_DE_TRANSMISSION, ActeStatus.TRANSMIS, text)
                await db.move_status(connection, acte, move)
