"""What each message of a ready-made envelope becomes: a transaction, about an act that is there, with its files."""

from collections.abc import Mapping
from dataclasses import replace

from tdt.db import acte_letters as letters_db
from tdt.db import actes as db
from tdt.db.deposits import NewActe
from tdt.db.pool import Connection
from tdt.domain.actes import naming
from tdt.domain.actes.filetype import XML, sniff
from tdt.domain.actes.model import ActeStatus, Classification, MessageCode
from tdt.domain.actes.status import DEPOT_INITIAL, may_move
from tdt.domain.actes.submitted import NO_REFERENCE, TRANSACTION, SentActe, SentMessage, check_recorded
from tdt.domain.content import Body, hold
from tdt.domain.errors import Refused
from tdt.flows.actes_submit.deposit import File, Sender, repeat

TAG = "api:acte:envelope"
PENDING = f"{TRANSACTION}Une demande d'annulation est déjà en cours pour cette transaction."
NOT_ACKNOWLEDGED = f"{TRANSACTION}Impossible d'annuler une transaction qui n'est pas en état « Acquittement reçu »."
NO_CLASSIFICATION = (
    "La collectivité n'a encore reçu aucune classification : demandez-la (actes_classification_request.php) et "
    "attendez la réponse de la préfecture avant d'envoyer un acte."
)


async def describe(
    connection: Connection, sender: Sender, held: Classification | None, message: SentMessage
) -> NewActe:
    """The transaction that a message makes. Raises Refused."""
    if message.acte is not None:
        return _acte(sender, held, message.acte)
    if message.kind.type is MessageCode.CLASSIFICATION:
        return NewActe(
            type=MessageCode.CLASSIFICATION,
            status=ActeStatus.POSTE,
            message=DEPOT_INITIAL,
            tag=TAG,
            job=None,
            classification_date=message.classification_date,
            evidence=sender.evidence,
        )
    acte = next(iter(await db.list_by_unique_id(connection, message.unique_id)), None)
    if acte is None:
        raise Refused(NO_REFERENCE)
    if message.kind.type is MessageCode.ANNULATION:
        return _about(sender, message, acte, await _cancelled(connection, acte))
    return _about(sender, message, acte, await _answered(connection, acte, message))


def _acte(sender: Sender, held: Classification | None, acte: SentActe) -> NewActe:
    if held is None:
        raise Refused(NO_CLASSIFICATION, code="CLASSIFICATION_ABSENTE")
    nature = check_recorded(acte, held)
    authority, day = sender.authority, acte.decision_date
    assert day is not None, "check_recorded wants it"
    return NewActe(
        type=MessageCode.ACTE,
        status=ActeStatus.POSTE,
        message=DEPOT_INITIAL,
        tag=TAG,
        job=None,
        number=acte.number,
        decision_date=day,
        nature_code=nature.code,
        classif=acte.classif,
        classification_date=acte.classification_date,
        subject=acte.subject,
        document_papier=acte.document_papier,
        unique_id=naming.unique_id(authority.department, authority.siren, day, acte.number, nature.short),
        evidence=sender.evidence,
    )


def _about(sender: Sender, message: SentMessage, acte: db.Acte, related: db.Acte) -> NewActe:
    """An answer or an annulation repeats what its act says; all that the envelope holds has one job."""
    return replace(
        repeat(acte, sender, TAG),
        type=message.kind.type,
        job=None,
        related_id=related.id,
        type_reponse=message.kind.type_reponse,
        letter_date=message.letter_date,
    )


async def _cancelled(connection: Connection, acte: db.Acte) -> db.Acte:
    """The act, if it can be cancelled; held, so that of two annulations at once the second sees the first."""
    locked = await db.lock_transaction(connection, acte.id)
    assert locked is not None
    if await letters_db.is_being_cancelled(connection, locked.id):
        raise Refused(PENDING)
    if not may_move(locked.status, ActeStatus.ANNULE):
        raise Refused(NOT_ACKNOWLEDGED)
    return locked


async def _answered(connection: Connection, acte: db.Acte, message: SentMessage) -> db.Acte:
    """The letter of this date. Some write another date: the only letter of its kind is then the one answered."""
    letters = await letters_db.list_letters(connection, acte.id, message.kind.type)
    exact = [letter for letter in letters if letter.letter_date == message.letter_date]
    if exact:
        return exact[0]
    if len(letters) != 1:
        raise Refused(NO_REFERENCE)
    return letters[0]


def files_of(message: SentMessage, xml: bytes, documents: Mapping[str, Body]) -> list[File]:
    """The message at 0, then its documents in its order."""
    files = [File(message.name, XML, hold(xml))]
    for piece in message.pieces:
        body, name = documents[piece.name], naming.read_document_name(piece.name)
        code_pj = name.code_pj if name is not None else ""
        files.append(File(piece.name, sniff(body.head), body, piece.name, code_pj, piece.signature))
    return files
