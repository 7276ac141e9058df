"""Accept what is posted for @CTES: judge it, keep the bodies, name everything, add the first job; one transaction."""

from dataclasses import dataclass

from tdt.db import actes as db
from tdt.db.audit import insert_audit
from tdt.db.classifications import read_held
from tdt.db.content import insert_content, insert_small
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import find_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_acte, build_classification_request
from tdt.domain.actes.filetype import XML, extension
from tdt.domain.actes.model import ActeData, ActeStatus, MessageCode, Piece, Submission
from tdt.domain.actes.rules import CheckedActe, Facts, check_submission, number_taken
from tdt.domain.actes.status import DEPOT_EN_ATTENTE, DEPOT_INITIAL
from tdt.domain.authorities import Authority, Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.content import Body
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import AccountId, ActeId, AuthorityId, EnvelopeId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind


@dataclass(frozen=True, slots=True)
class SubmittedBodies:
    """The bodies of the files of a Submission, in the same order."""

    acte: Body
    attachments: tuple[Body, ...] = ()


@dataclass(frozen=True, slots=True)
class _Accepted:
    checked: CheckedActe
    submission: Submission
    bodies: SubmittedBodies
    authority: Authority
    account: AccountId
    unique_id: str


async def submit(deps: Deps, who: Principal, submission: Submission, bodies: SubmittedBodies | None) -> ActeId:
    """Record a new acte and its first job; gives its number.

    Raises Refused with S2LOW's words. `bodies` is None when the form carries no act (it is then refused).
    """
    authority = _authority(who)
    try:
        async with deps.transaction(authority.id) as connection:
            checked = await _check(deps, connection, authority, submission)
            assert bodies is not None, "check_submission refuses a form without act"
            unique_id = naming.unique_id(
                authority.department, authority.siren, checked.decision_date, checked.number, checked.nature.short
            )
            accepted = _Accepted(checked, submission, bodies, authority, who.user.id, unique_id)
            waiting = submission.en_attente or not may(who.user, authority, Right.TT, Module.ACTES)
            return await _record(deps, connection, accepted, waiting)
    except Conflict as conflict:
        # two posts of the same number at the same instant: the index let one through
        if conflict.details.get("constraint") == "acte_transaction_number":
            raise number_taken() from conflict
        raise


async def request_classification(deps: Deps, who: Principal) -> ActeId:
    """Ask the préfecture for its classification (message 7-1); gives the number of the transaction."""
    authority = _authority(who)
    async with deps.transaction(authority.id) as connection:
        envelope = await _open_envelope(deps, connection, authority, who.user.id)
        held = await db.last_classification(connection, authority.id)
        acte = await db.insert_transaction(
            connection,
            db.NewActe(
                authority_id=authority.id,
                account_id=who.user.id,
                envelope_id=envelope,
                type=MessageCode.CLASSIFICATION,
                status=ActeStatus.POSTE,
                message=DEPOT_INITIAL,
                classification_date=held.date if held is not None else None,
            ),
        )
        name = naming.classification_request_name(authority.department, authority.siren)
        message = build_classification_request(held.date if held is not None else None)
        file = await _keep_message(connection, authority.id, name, message)
        await db.insert_files(connection, (authority.id, envelope, acte), [file])
        await insert_audit(connection, (authority.id, who.user.id), "api:classification:request", acte)
        await insert_job(connection, JobKind.ACTES_ANALYSE, authority.id, acte)
        return acte


def _authority(who: Principal) -> Authority:
    if who.authority is None:
        raise Forbidden("Accès refusé")
    return who.authority


async def _check(deps: Deps, connection: Connection, authority: Authority, submission: Submission) -> CheckedActe:
    known = await db.get_submit_facts(connection, authority.id, submission.number)
    facts = Facts(
        classification=await read_held(connection, known),
        number_taken=known.number_taken,
        today=paris_date(deps.now()),
        archive_limit=deps.config.limits.acte_archive_bytes,
    )
    return check_submission(submission, facts)


async def _record(deps: Deps, connection: Connection, accepted: _Accepted, waiting: bool) -> ActeId:
    checked, submission, authority = accepted.checked, accepted.submission, accepted.authority
    files = await _keep_files(connection, accepted)
    # the serial stays locked from here to the commit: what takes time comes before
    envelope = await _open_envelope(deps, connection, authority, accepted.account)
    acte = await db.insert_transaction(
        connection,
        db.NewActe(
            authority_id=authority.id,
            account_id=accepted.account,
            envelope_id=envelope,
            type=MessageCode.ACTE,
            status=ActeStatus.EN_ATTENTE_D_ETRE_POSTEE if waiting else ActeStatus.POSTE,
            message=DEPOT_EN_ATTENTE if waiting else DEPOT_INITIAL,
            number=checked.number,
            decision_date=checked.decision_date,
            nature_code=checked.nature.code,
            classif=checked.classif,
            classification_date=checked.classification_date,
            subject=checked.subject,
            document_papier=submission.document_papier,
            unique_id=accepted.unique_id,
            broadcast_emails=",".join(submission.broadcast_emails)[:1023],
            send_sources=submission.send_sources,
        ),
    )
    await db.insert_files(connection, (authority.id, envelope, acte), files)
    await insert_audit(connection, (authority.id, accepted.account), "api:acte:submit", acte)
    if not waiting:
        await insert_job(connection, JobKind.ACTES_ANALYSE, authority.id, acte)
    return acte


async def _open_envelope(deps: Deps, connection: Connection, authority: Authority, account: AccountId) -> EnvelopeId:
    day = paris_date(deps.now())
    route = await find_route(connection, authority.id, RouteKind.ACTES, day)
    if route is None:
        raise Refused("La collectivité n'est pas raccordée à @CTES.", code="ROUTE_ABSENTE")
    serial = await db.next_envelope_serial(connection, authority.id, day)
    name = naming.envelope_name(deps.config.actes.quadrigramme, authority.siren, day, serial)
    archive = naming.archive_name(deps.config.actes.trigramme, name)
    return await db.insert_envelope(connection, db.NewEnvelope(authority.id, account, route.id, name, archive))


async def _keep_files(connection: Connection, accepted: _Accepted) -> list[db.NewFile]:
    """The message, then the act, then its annexes: clients rely on this order."""
    documents = []
    for position, file in enumerate(_files(accepted), start=1):
        name = naming.document_name(file.code_pj, accepted.unique_id, "1-1", position, extension(file.mime))
        content = await insert_content(connection, accepted.authority.id, file.body)
        documents.append(
            db.NewFile(
                position, name, file.posted_filename, file.mime, file.body.size, file.code_pj, file.signature, content
            )
        )
    message = _message(accepted, [Piece(document.name, document.signature) for document in documents])
    name = naming.message_name(accepted.unique_id, "1-1")
    return [await _keep_message(connection, accepted.authority.id, name, message), *documents]


def _message(accepted: _Accepted, pieces: list[Piece]) -> bytes:
    checked = accepted.checked
    return build_acte(
        ActeData(
            number=checked.number,
            decision_date=checked.decision_date,
            nature_code=checked.nature.code,
            classif=checked.classif,
            classification_date=checked.classification_date,
            subject=checked.subject,
            document=pieces[0],
            annexes=tuple(pieces[1:]),
            document_papier=checked.document_papier,
        )
    )


async def _keep_message(connection: Connection, authority: AuthorityId, name: str, message: bytes) -> db.NewFile:
    content = await insert_small(connection, authority, message)
    return db.NewFile(0, name, "", XML, len(message), "", "", content)


@dataclass(frozen=True, slots=True)
class _File:
    code_pj: str
    mime: str
    posted_filename: str
    signature: str
    body: Body


def _files(accepted: _Accepted) -> list[_File]:
    """The act, then its annexes in the order sent."""
    checked, submission, bodies = accepted.checked, accepted.submission, accepted.bodies
    assert submission.acte is not None
    act = _File(
        checked.type_acte, checked.acte_mime, submission.acte.posted_filename, checked.acte_signature, bodies.acte
    )
    annexes = [
        _File(file.code_pj, file.mime, posted.posted_filename, file.signature, body)
        for file, posted, body in zip(checked.attachments, submission.attachments, bodies.attachments, strict=True)
    ]
    return [act, *annexes]
