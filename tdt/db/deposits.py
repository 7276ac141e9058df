"""What a deposit for @CTES leaves in the database: envelope, transaction, files, first step, event, audit, first job.

One statement for all of it: the serial of the envelope stays locked from there to the commit, and keeps the next
deposit of the collectivité waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from operator import attrgetter

from tdt.db.actes import OBJECT
from tdt.db.jobs import CHANNEL
from tdt.db.pool import Connection
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import AccountId, ActeId, AuthorityId, ContentId, EnvelopeId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

SERIAL = "#"
"""Stands for the serial in the names of a new envelope: only the statement that records it knows its number."""


@dataclass(frozen=True, slots=True)
class NewEnvelope:
    """An envelope to record on this Paris day; its archive comes later. Both names hold SERIAL. Without account, it is
    the server's own doing."""

    authority_id: AuthorityId
    account_id: AccountId | None
    route_id: RouteId
    name: str
    archive_name: str
    day: date


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to record. Position 0 is the message."""

    position: int
    name: str
    posted_filename: str
    mimetype: str
    size: int
    code_pj: str
    signature: str
    content_id: ContentId


NUMBERED = """
        insert into acte_envelope_serial (authority_id, day, last) values ({authority}, {day}, 1)
        on conflict (authority_id, day) do update set last = acte_envelope_serial.last + 1
            where acte_envelope_serial.last < 9999
        returning last::text as serial"""
"""Takes the next serial of a collectivité's day; no row when 9999 is used."""

COLUMNS_OF_FILE = attrgetter(
    "position", "name", "posted_filename", "mimetype", "size", "code_pj", "signature", "content_id"
)


@dataclass(frozen=True, slots=True)
class NewActe:
    """A transaction to record with its first status; `tag` is what the audit calls its deposit, `job` what follows."""

    type: int
    status: ActeStatus
    message: str
    tag: str
    job: JobKind | None
    number: str | None = None
    decision_date: date | None = None
    nature_code: int | None = None
    classif: tuple[int, ...] = ()
    classification_date: date | None = None
    subject: str = ""
    document_papier: bool = False
    unique_id: str | None = None
    broadcast_emails: str = ""
    send_sources: bool = False
    related_id: ActeId | None = None
    """The act that is cancelled, the letter that is answered."""
    type_reponse: int | None = None
    letter_date: date | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)
    """Of the certificate that deposited, for the audit (tdt.domain.identity.Identity)."""


RECORDED = f"""
    made as (
        insert into acte_transaction (authority_id, account_id, envelope_id, type, status, number, decision_date,
            nature_code, classif, classification_date, subject, document_papier, unique_id, broadcast_emails,
            send_sources, related_id, type_reponse, letter_date)
        select $1, $2, id, $7, $8, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $31, $32, $33 from opened
        returning id, envelope_id),
    filed as (
        insert into acte_file (authority_id, envelope_id, transaction_id, position, name, posted_filename, mimetype,
            size, code_pj, signature, content_id)
        select $1, made.envelope_id, made.id, file.*
        from made, unnest($22::smallint[], $23::text[], $24::text[], $25::text[], $26::bigint[], $27::text[],
            $28::text[], $29::bigint[]) as file),
    step as (
        insert into acte_workflow (authority_id, transaction_id, status, message) select $1, id, $8, $9 from made),
    told as (
        insert into event (authority_id, object_kind, object_id, to_status) select $1, '{OBJECT}', id, $8 from made),
    audited as (
        insert into audit (authority_id, account_id, tag, object_id, data) select $1, $2, $10, id, $30 from made),
    queued as (
        insert into job (kind, authority_id, object_id)
        select $11::text, $1, id from made where $11::text is not null returning id)
    select made.id, (select pg_notify('{CHANNEL}', id::text) from queued) from made"""
"""A transaction and all that goes with it, in the envelope `opened`."""

INSERT = f"""
    with numbered as ({NUMBERED.format(authority="$1", day="$6")}),
    opened as (
        insert into acte_envelope (authority_id, account_id, route_id, name, archive_name)
        select $1, $2, $3, replace($4, '{SERIAL}', serial), replace($5, '{SERIAL}', serial) from numbered returning id),
    {RECORDED.lstrip()}"""

INSERT_INTO = f"""
    with opened as (
        select id from acte_envelope
        where authority_id = $1 and route_id = $3 and name = $4 and archive_name = $5 and $6::date is not null),
    {RECORDED.lstrip()}"""


async def insert_deposit(
    connection: Connection, envelope: NewEnvelope, new: NewActe, files: Sequence[NewFile]
) -> ActeId | None:
    """Record everything; None when the serials of the day, 1 to 9999, are used up.

    Conflict (acte_transaction_number) when the collectivité's number is taken meanwhile.
    """
    return await _insert(connection, INSERT, envelope, (new, files))


async def insert_transaction(
    connection: Connection, envelope: NewEnvelope, new: NewActe, files: Sequence[NewFile]
) -> ActeId:
    """Record one more transaction in an envelope that is there; its names are whole. Conflict as above."""
    acte = await _insert(connection, INSERT_INTO, envelope, (new, files))
    assert acte is not None, "the envelope was recorded in this transaction"
    return acte


async def _insert(
    connection: Connection, statement: str, envelope: NewEnvelope, what: tuple[NewActe, Sequence[NewFile]]
) -> ActeId | None:
    new, files = what
    columns = zip(*map(COLUMNS_OF_FILE, files), strict=True)
    acte = await connection.fetchval(
        statement,
        envelope.authority_id,
        envelope.account_id,
        envelope.route_id,
        envelope.name,
        envelope.archive_name,
        envelope.day,
        new.type,
        new.status,
        new.message[:WORKFLOW_MESSAGE_LENGTH],
        new.tag,
        new.job,
        new.number,
        new.decision_date,
        new.nature_code,
        new.classif,
        new.classification_date,
        new.subject,
        new.document_papier,
        new.unique_id,
        new.broadcast_emails,
        new.send_sources,
        *columns,
        dict(new.evidence),
        new.related_id,
        new.type_reponse,
        new.letter_date,
    )
    return ActeId(acte) if acte is not None else None


INSERT_ACKNOWLEDGEMENT = f"""
    with numbered as ({NUMBERED.format(authority="$1", day="$6")})
    insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, acknowledges_id)
    select $1, $2, $3, replace($4, '{SERIAL}', serial), replace($5, '{SERIAL}', serial), $7 from numbered
    returning id"""


async def insert_acknowledgement(connection: Connection, envelope: NewEnvelope, letter: ActeId) -> EnvelopeId | None:
    """Open the envelope of the automatic AR of a letter; None when the serials of the day are used up."""
    opened = await connection.fetchval(
        INSERT_ACKNOWLEDGEMENT,
        envelope.authority_id,
        envelope.account_id,
        envelope.route_id,
        envelope.name,
        envelope.archive_name,
        envelope.day,
        letter,
    )
    return EnvelopeId(opened) if opened is not None else None
