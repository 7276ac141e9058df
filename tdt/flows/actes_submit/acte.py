"""Accept an acte: judge it, keep its bodies, name everything, add the first job; one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from tdt.crash import Step, reach
from tdt.db import actes as db
from tdt.db.batches import BatchFile, move_to_used
from tdt.db.classifications import read_held
from tdt.db.deposits import NewActe
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.actes import naming
from tdt.domain.actes.envelope import build_acte
from tdt.domain.actes.filetype import XML, extension
from tdt.domain.actes.model import ActeData, ActeStatus, MessageCode, Piece, Submission
from tdt.domain.actes.rules import CheckedActe, CheckedFile, Facts, check_submission, number_taken
from tdt.domain.actes.status import DEPOT_A_SIGNER, DEPOT_EN_ATTENTE, DEPOT_INITIAL
from tdt.domain.authorities import Module, Principal, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.closing import check_open
from tdt.domain.content import Body, hold
from tdt.domain.errors import Conflict, Refused
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_submit.deposit import File, Sender, authority_of, deposit, keep

NO_BATCH = "Échec de la transaction en mode lot."


@dataclass(frozen=True, slots=True)
class SubmittedBodies:
    """The bodies of the files of a Submission, in the same order."""

    acte: Body
    attachments: tuple[Body, ...] = ()
    lot: BatchFile | None = None
    """The file of a lot that the act is: its body is kept already."""


@dataclass(frozen=True, slots=True)
class _Accepted:
    checked: CheckedActe
    submission: Submission
    bodies: SubmittedBodies
    unique_id: str


async def submit(deps: Deps, who: Principal, submission: Submission, bodies: SubmittedBodies | None) -> ActeId:
    """Record a new acte and its first job; gives its number.

    Raises Refused with S2LOW's words. `bodies` is None when the form carries no act (it is then refused).
    """
    authority = authority_of(who)
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
            sender = Sender(authority, who.user.id, known.route, day, who.identity.evidence)
            accepted = _Accepted(checked, submission, bodies, unique_id)
            acte = await _record(deps, connection, sender, accepted, _first_status(who, submission))
            reach(Step.DEPOSIT_ACTE)
    except Conflict as conflict:
        # two posts of the same number at the same instant: the index let one through
        if conflict.details.get("constraint") == "acte_transaction_number":
            raise number_taken() from conflict
        raise
    reach(Step.DEPOSIT_ACTE_COMMITTED)
    return acte


def _first_status(who: Principal, submission: Submission) -> ActeStatus:
    """Who asks for a signature waits for it, whatever else it asks for or may do."""
    if submission.must_signed:
        return ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE
    if submission.en_attente or not may(who, Right.TT, Module.ACTES):
        return ActeStatus.EN_ATTENTE_D_ETRE_POSTEE
    return ActeStatus.POSTE


FIRST_WORDS = {
    ActeStatus.EN_ATTENTE_D_ETRE_SIGNEE: DEPOT_A_SIGNER,
    ActeStatus.EN_ATTENTE_D_ETRE_POSTEE: DEPOT_EN_ATTENTE,
    ActeStatus.POSTE: DEPOT_INITIAL,
}


async def _record(
    deps: Deps, connection: Connection, sender: Sender, accepted: _Accepted, status: ActeStatus
) -> ActeId:
    checked, submission = accepted.checked, accepted.submission
    files = await keep(deps, connection, sender.authority.id, _files(accepted))
    new = NewActe(
        type=MessageCode.ACTE,
        status=status,
        message=FIRST_WORDS[status],
        tag="api:acte:submit",
        job=JobKind.ACTES_ANALYSE if status is ActeStatus.POSTE else None,
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
    acte = await deposit(deps, connection, sender, (new, files))
    lot = accepted.bodies.lot
    if lot is not None and not await move_to_used(connection, lot.id, acte):
        raise Refused(NO_BATCH)
    return acte


def _files(accepted: _Accepted) -> list[File]:
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
        kept = bodies.lot.content_id if bodies.lot is not None and position == 1 else None
        documents.append(File(name, file.mime, body, sent.posted_filename, file.code_pj, file.signature, kept))
    message = _message(checked, [Piece(document.name, document.signature) for document in documents])
    return [File(naming.message_name(accepted.unique_id, "1-1"), XML, hold(message)), *documents]


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
