"""ACTES transactions, their envelopes, files and life, and the classification of each collectivité."""

from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.acte_notifications import record_notifications
from tdt.db.audit import insert_event
from tdt.db.pool import Connection, Record, affected, as_record
from tdt.db.routes import IS_ROUTE_OF
from tdt.domain.actes.model import ActeStatus
from tdt.domain.errors import Conflict
from tdt.domain.ids import AccountId, ActeFileId, ActeId, AuthorityId, ContentId, EnvelopeId, RouteId
from tdt.domain.routes import RouteKind
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

OBJECT = "acte_transaction"
"""What events and the audit call a transaction."""

ENVELOPE = "acte_envelope"
"""What attempts call an envelope: it is what leaves."""


@dataclass(frozen=True, slots=True)
class Acte:
    """A transaction of the module ACTES, of any type: acte, classification request, …"""

    id: ActeId
    authority_id: AuthorityId
    account_id: AccountId | None
    envelope_id: EnvelopeId
    related_id: ActeId | None
    type: int
    type_reponse: int | None
    number: str | None
    decision_date: date | None
    nature_code: int | None
    classif: tuple[int, ...]
    classification_date: date | None
    subject: str
    document_papier: bool
    unique_id: str | None
    status: ActeStatus
    submitted_at: datetime
    letter_date: date | None
    received_on: date | None


COLUMNS = """id, authority_id, account_id, envelope_id, related_id, type, type_reponse, number, decision_date,
    nature_code, classif, classification_date, subject, document_papier, unique_id, status, submitted_at,
    letter_date, received_on"""


def as_acte(row: Record) -> Acte:
    """A transaction from a row that has COLUMNS."""
    values = dict(row)
    values["classif"] = tuple(values["classif"])
    values["status"] = ActeStatus(values["status"])
    return Acte(**values)


async def get_transaction(connection: Connection, acte: ActeId) -> Acte | None:
    """A transaction visible to the scope, or None."""
    row = await connection.fetchrow(f"select {COLUMNS} from acte_transaction where id = $1", acte)
    return as_acte(row) if row is not None else None


async def lock_transaction(connection: Connection, acte: ActeId) -> Acte | None:
    """The same, held until the end of the transaction: one at a time decides what hangs on it."""
    row = await connection.fetchrow(f"select {COLUMNS} from acte_transaction where id = $1 for no key update", acte)
    return as_acte(row) if row is not None else None


BY_UNIQUE_ID = f"""
    select {COLUMNS} from acte_transaction
    where unique_id = $1 and type = 1 and superseded_at is null order by submitted_at desc, id desc"""


async def list_by_unique_id(connection: Connection, unique_id: str) -> list[Acte]:
    """The acts (type 1) of this identifier, newest first, without those that were sent again as others."""
    return [as_acte(row) for row in await connection.fetch(BY_UNIQUE_ID, unique_id)]


SENT_MESSAGE = f"""
    select {COLUMNS} from acte_transaction
    where unique_id = $1 and type = $2 and superseded_at is null
        and (type_reponse = $3 or (type_reponse is null and type in (1, 6) and $3 = 1))
    order by submitted_at desc, id desc limit 1"""


async def find_sent_message(connection: Connection, unique_id: str, type: int, answer: int) -> Acte | None:
    """The newest transaction whose message we sent under this identifier and code (`6-1`, `3-4`)."""
    row = await connection.fetchrow(SENT_MESSAGE, unique_id, type, answer)
    return as_acte(row) if row is not None else None


BY_NUMBER = f"""
    select {COLUMNS} from acte_transaction
    where type = 1 and number = $2 and superseded_at is null
        and authority_id in (select id from authority where siren = $1)
    order by submitted_at desc, id desc"""


async def list_by_number(connection: Connection, siren: str, number: str) -> list[Acte]:
    """The acts of this number of the collectivité of this SIREN, newest first, in scope `system`; without those that
    were sent again as others."""
    return [as_acte(row) for row in await connection.fetch(BY_NUMBER, siren, number)]


OF_ENVELOPE = f"select {COLUMNS} from acte_transaction where envelope_id = $1 order by id"


async def list_of_envelope(connection: Connection, envelope: EnvelopeId) -> list[Acte]:
    """The transactions that travel in this envelope."""
    return [as_acte(row) for row in await connection.fetch(OF_ENVELOPE, envelope)]


async def lock_of_envelope(connection: Connection, envelope: EnvelopeId) -> list[Acte]:
    """The same, held until the end of the transaction."""
    return [as_acte(row) for row in await connection.fetch(f"{OF_ENVELOPE} for no key update", envelope)]


PENDING_CLASSIFICATION = f"""
    select {COLUMNS} from acte_transaction
    where authority_id = $1 and type = 7 and status in (2, 3) order by id desc"""


async def list_pending_classification_requests(connection: Connection, authority: AuthorityId) -> list[Acte]:
    """The requests 7-1 of this authority that wait for their answer, newest first."""
    return [as_acte(row) for row in await connection.fetch(PENDING_CLASSIFICATION, authority)]


@dataclass(frozen=True, slots=True)
class SubmitFacts:
    """What the judgement of a submission needs: whether the collectivité is closed, its number used already (by an act
    in error too, as S2LOW), the route of the day, and the classification held, as where its bytes are and their
    SHA-256."""

    closed: bool
    number_taken: bool
    route: RouteId | None
    classification: ContentId | None
    classification_sha256: bytes | None


IN_FORCE = """
    select date, content_id from acte_classification where authority_id = {authority} and unusable is null
    order by date desc, id desc limit 1"""
"""The classification in force is the newest by its date; of one date, the last received."""

SUBMIT_FACTS = f"""
    select coalesce((select closes_on <= $3 from authority where id = $1), false) as closed,
        exists (
            select from acte_transaction
            where authority_id = $1 and number = $2 and type = 1 and superseded_at is null)
            or exists (
                select from acte_purged p join authority a on a.siren = p.siren where a.id = $1 and p.number = $2)
            as number_taken,
        (select id from route where {IS_ROUTE_OF.format(authority="$1", kind="$4", day="$3")}) as route,
        c.content_id as classification, b.sha256 as classification_sha256
    from (values (1)) as one left join lateral ({IN_FORCE.format(authority="$1")}) c on true
    left join content b on b.id = c.content_id"""


async def get_submit_facts(connection: Connection, authority: AuthorityId, number: str, day: date) -> SubmitFacts:
    """The facts about a submission of this number by this collectivité on this civil day."""
    return SubmitFacts(**as_record(await connection.fetchrow(SUBMIT_FACTS, authority, number, day, RouteKind.ACTES)))


WORKFLOW = """
    insert into acte_workflow (authority_id, transaction_id, status, message, flux_content_id)
    values ($1, $2, $3, $4, $5)"""


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status, the text that goes with it, and the bytes received that caused it (`flux_retour`).

    `received_on`: the DateReception of the State, when it is an AR that moves the transaction.
    """

    source: ActeStatus
    target: ActeStatus
    message: str
    flux: ContentId | None = None
    received_on: date | None = None


MOVE_STATUS = """
    update acte_transaction set status = $3, received_on = coalesce($4, received_on) where id = $1 and status = $2"""


async def move_status(connection: Connection, acte: Acte, move: Move) -> None:
    """Change the status and tell it in the workflow and the events. Conflict when it is not in `source` any more."""
    status = await connection.execute(MOVE_STATUS, acte.id, move.source, move.target, move.received_on)
    if affected(status) != 1:
        raise Conflict("La transaction a changé d'état.", details={"acte_id": acte.id})
    await connection.execute(
        WORKFLOW, acte.authority_id, acte.id, move.target, move.message[:WORKFLOW_MESSAGE_LENGTH], move.flux
    )
    await insert_event(
        connection, acte.authority_id, (OBJECT, acte.id), (move.source, move.target), {"message": move.message}
    )
    await record_notifications(connection, acte.id, move.target)


NOTE = """
    insert into acte_workflow (authority_id, transaction_id, status, message)
    select now.authority_id, now.id, now.status, $3
    from (select authority_id, id, status from acte_transaction where id = $1 and status = $2 for no key update) now
    where $3 is distinct from (select message from acte_workflow where transaction_id = $1 order by id desc limit 1)
    returning id"""


async def insert_note(connection: Connection, acte: Acte, message: str) -> None:
    """Tell something in the workflow and the events without changing the status, unless the last line says it.

    Nothing when the status is another by now: an AR that came meanwhile is the last word, and no act goes back.
    """
    if await connection.fetchval(NOTE, acte.id, acte.status, message[:WORKFLOW_MESSAGE_LENGTH]) is None:
        return
    change = (acte.status, acte.status)
    await insert_event(connection, acte.authority_id, (OBJECT, acte.id), change, {"message": message})


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """One step of the life of a transaction."""

    status: ActeStatus
    at: datetime
    message: str
    flux_content_id: ContentId | None


async def list_workflow(connection: Connection, acte: ActeId) -> list[WorkflowRow]:
    """The life of a transaction, oldest first."""
    rows = await connection.fetch(
        "select status, at, message, flux_content_id from acte_workflow where transaction_id = $1 order by id", acte
    )
    return [WorkflowRow(ActeStatus(row["status"]), row["at"], row["message"], row["flux_content_id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope: its XML name, the name of its archive, and the archive once built."""

    id: EnvelopeId
    authority_id: AuthorityId
    account_id: AccountId | None
    route_id: RouteId
    name: str
    archive_name: str
    content_id: ContentId | None
    submitted_at: datetime
    received: bool
    """It came from the préfecture; its archive was made here."""
    acknowledges_id: ActeId | None
    """The letter that it acknowledges by itself (3-2, 4-2): it then holds no transaction."""
    xml_content_id: ContentId | None
    """Its XML, when the collectivité's software made it."""


ENVELOPE_COLUMNS = """id, authority_id, account_id, route_id, name, archive_name, content_id, submitted_at, received,
    acknowledges_id, xml_content_id"""


async def get_envelope(connection: Connection, envelope: EnvelopeId) -> Envelope | None:
    """An envelope visible to the scope, or None."""
    row = await connection.fetchrow(f"select {ENVELOPE_COLUMNS} from acte_envelope where id = $1", envelope)
    return Envelope(**row) if row is not None else None


LOCK_ENVELOPE = f"select {ENVELOPE_COLUMNS} from acte_envelope where id = $1 for no key update"


async def lock_envelope(connection: Connection, envelope: EnvelopeId) -> Envelope | None:
    """The same, held until the end of the transaction: one sending at a time is decided upon."""
    row = await connection.fetchrow(LOCK_ENVELOPE, envelope)
    return Envelope(**row) if row is not None else None


BY_NAME = f"""
    select {ENVELOPE_COLUMNS} from acte_envelope
    where name = $1 and authority_id in (select id from authority where siren = $2) order by id desc"""
"""The SIREN is in the name: saying it lets the index on (authority_id, name) be used."""


async def list_envelopes_by_name(connection: Connection, name: str, siren: str) -> list[Envelope]:
    """The envelopes of this name, newest first (an anomaly of envelope echoes it), in scope `system`."""
    return [Envelope(**row) for row in await connection.fetch(BY_NAME, name, siren)]


async def move_archive(connection: Connection, envelope: EnvelopeId, content: ContentId) -> None:
    """Attach the archive, once: it is never rebuilt, so that every resend has the same bytes. Conflict otherwise."""
    status = await connection.execute(
        "update acte_envelope set content_id = $2 where id = $1 and content_id is null", envelope, content
    )
    if affected(status) != 1:
        raise Conflict("L'archive de cette enveloppe existe déjà.", details={"envelope_id": envelope})


@dataclass(frozen=True, slots=True)
class ActeFile:
    """A file of a transaction. Position 0 is the XML message, 1 the act, 2… the annexes."""

    id: ActeFileId
    authority_id: AuthorityId
    envelope_id: EnvelopeId
    transaction_id: ActeId
    position: int
    name: str
    posted_filename: str
    mimetype: str
    size: int
    code_pj: str
    signature: str
    content_id: ContentId


FILE_COLUMNS = """id, authority_id, envelope_id, transaction_id, position, name, posted_filename, mimetype, size,
    code_pj, signature, content_id"""


async def list_files(connection: Connection, acte: ActeId) -> list[ActeFile]:
    """The files in the order that clients rely on: message, act, annexes."""
    rows = await connection.fetch(
        f"select {FILE_COLUMNS} from acte_file where transaction_id = $1 order by position", acte
    )
    return [ActeFile(**row) for row in rows]


async def get_file(connection: Connection, file: ActeFileId) -> ActeFile | None:
    """A file visible to the scope, or None."""
    row = await connection.fetchrow(f"select {FILE_COLUMNS} from acte_file where id = $1", file)
    return ActeFile(**row) if row is not None else None


@dataclass(frozen=True, slots=True)
class HeldClassification:
    """The RetourClassification in force for an authority: its date and where its exact bytes are."""

    date: date
    content_id: ContentId
    xml: bytes


LAST_CLASSIFICATION = f"""
    select c.date, c.content_id, b.data as xml
    from ({IN_FORCE.format(authority="$1")}) c join content b on b.id = c.content_id"""


async def last_classification(connection: Connection, authority: AuthorityId) -> HeldClassification | None:
    """The classification that the authority holds, byte for byte, or None before the first one."""
    row = await connection.fetchrow(LAST_CLASSIFICATION, authority)
    return HeldClassification(**row) if row is not None else None
