"""Accept what is posted for @CTES: judge it, keep the bodies, name everything, add the first job; one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tdt.db import actes as db
from tdt.db.classifications import read_held
from tdt.db.deposits import SERIAL, NewActe, NewEnvelope, NewFile, insert_deposit
from tdt.db.pool import Connection
from tdt.db.routes import find_deposit_route
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_acte, build_classification_request
from tdt.domain.actes.filetype import XML, extension
from tdt.domain.actes.model import ActeData, ActeStatus, MessageCode, Piece, Submission
from tdt.domain.actes.rules import CheckedActe, CheckedFile, Facts, check_submission, number_taken
from tdt.domain.actes.status import DEPOT_EN_ATTENTE, DEPOT_INITIAL
from tdt.domain.authorities import Authority, Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body, hold
from tdt.domain.errors import Conflict, Forbidden, Refused
from tdt.domain.ids import AccountId, ActeId, AuthorityId, RouteId
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
    unique_id: str


@dataclass(frozen=True, slots=True)
class _Sender:
    """Whose transaction it is, and the way it goes today."""

    authority: Authority
    account: AccountId
    route: RouteId | None
    day: date
    evidence: Mapping[str, object]


async def submit(deps: Deps, who: Principal, submission: Submission, bodies: SubmittedBodies | None) -> ActeId:
    """Record a new acte and its first job; gives its number.

    Raises Refused with S2LOW's words. `bodies` is None when the form carries no act (it is then refused).
    """
    authority = _authority(who)
    day = paris_date(deps.now())
    try:
        async with deps.transaction(authority.id) as connection:
            known = await db.get_submit_facts(connection, authority.id, submission.number, day)
            check_open(known.closed)
            held = await read_held(connection, known)
            limit = deps.config.limits.acte_archive_bytes
            checked = check_submission(submission, Facts(held, known.number_taken, day, limit))
            assert bodies is not None, "check_submission refuses a form without act"
            unique_id = naming.unique_id(
                authority.department, authority.siren, checked.decision_date, checked.number, checked.nature.short
            )
            waiting = submission.en_attente or not may(who, Right.TT, Module.ACTES)
            sender = _Sender(authority, who.user.id, known.route, day, who.identity.evidence)
            return await _record(deps, connection, sender, _Accepted(checked, submission, bodies, unique_id), waiting)
    except Conflict as conflict:
        # two posts of the same number at the same instant: the index let one through
        if conflict.details.get("constraint") == "acte_transaction_number":
            raise number_taken() from conflict
        raise


async def request_classification(deps: Deps, who: Principal) -> ActeId:
    """Ask the préfecture for its classification (message 7-1); gives the number of the transaction."""
    authority = _authority(who)
    day = paris_date(deps.now())
    async with deps.transaction(authority.id) as connection:
        closed, route = await find_deposit_route(connection, authority.id, RouteKind.ACTES, day)
        check_open(closed)
        way = route.id if route is not None else None
        sender = _Sender(authority, who.user.id, way, day, who.identity.evidence)
        held = await db.last_classification(connection, authority.id)
        held_date = held.date if held is not None else None
        name = naming.classification_request_name(authority.department, authority.siren)
        message = hold(build_classification_request(held_date))
        files = await _keep(deps, connection, authority.id, [_File(name, XML, message)])
        new = NewActe(
            type=MessageCode.CLASSIFICATION,
            status=ActeStatus.POSTE,
            message=DEPOT_INITIAL,
            tag="api:classification:request",
            job=JobKind.ACTES_ANALYSE,
            classification_date=held_date,
            evidence=sender.evidence,
        )
        return await _deposit(deps, connection, sender, (new, files))


def _authority(who: Principal) -> Authority:
    if who.authority is None:
        raise Forbidden("Accès refusé")
    return who.authority


async def _record(deps: Deps, connection: Connection, sender: _Sender, accepted: _Accepted, waiting: bool) -> ActeId:
    checked, submission = accepted.checked, accepted.submission
    files = await _keep(deps, connection, sender.authority.id, _files(accepted))
    new = NewActe(
        type=MessageCode.ACTE,
        status=ActeStatus.EN_ATTENTE_D_ETRE_POSTEE if waiting else ActeStatus.POSTE,
        message=DEPOT_EN_ATTENTE if waiting else DEPOT_INITIAL,
        tag="api:acte:submit",
        job=None if waiting else JobKind.ACTES_ANALYSE,
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
        evidence=sender.evidence,
    )
    return await _deposit(deps, connection, sender, (new, files))


async def _deposit(
    deps: Deps, connection: Connection, sender: _Sender, what: tuple[NewActe, Sequence[NewFile]]
) -> ActeId:
    if sender.route is None:
        raise Refused("La collectivité n'est pas raccordée à @CTES.", code="ROUTE_ABSENTE")
    authority = sender.authority
    name = naming.envelope_name(deps.config.actes.quadrigramme, authority.siren, sender.day, SERIAL)
    archive = naming.archive_name(deps.config.actes.trigramme, name)
    envelope = NewEnvelope(authority.id, sender.account, sender.route, name, archive, sender.day)
    acte = await insert_deposit(connection, envelope, *what)
    if acte is None:
        raise Refused("Erreur récupération numéro de série", code="SERIE_EPUISEE")
    return acte


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    mime: str
    body: Body
    posted_filename: str = ""
    code_pj: str = ""
    signature: str = ""


async def _keep(deps: Deps, connection: Connection, authority: AuthorityId, files: Sequence[_File]) -> list[NewFile]:
    """Keep the bodies, and describe the files by their position: the message is at 0."""
    contents = await deps.keep(connection, authority, [file.body for file in files])
    return [
        NewFile(
            position, file.name, file.posted_filename, file.mime, file.body.size, file.code_pj, file.signature, content
        )
        for position, (file, content) in enumerate(zip(files, contents, strict=True))
    ]


def _files(accepted: _Accepted) -> list[_File]:
    """The message, then the act, then its annexes in the order sent: clients rely on this order."""
    checked, submission, bodies = accepted.checked, accepted.submission, accepted.bodies
    assert submission.acte is not None
    judged = [CheckedFile(checked.type_acte, checked.acte_mime, checked.acte_signature), *checked.attachments]
    posted = [submission.acte, *submission.attachments]
    documents = []
    for position, (file, sent, body) in enumerate(
        zip(judged, posted, (bodies.acte, *bodies.attachments), strict=True), start=1
    ):
        name = naming.document_name(file.code_pj, accepted.unique_id, "1-1", position, extension(file.mime))
        documents.append(_File(name, file.mime, body, sent.posted_filename, file.code_pj, file.signature))
    message = _message(checked, [Piece(document.name, document.signature) for document in documents])
    return [_File(naming.message_name(accepted.unique_id, "1-1"), XML, hold(message)), *documents]


def _message(checked: CheckedActe, pieces: Sequence[Piece]) -> bytes:
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
