"""What the préfecture writes about an act, what it is answered, and the list of what was not read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from tdt.db.acte_notifications import record_notifications
from tdt.db.actes import COLUMNS, OBJECT, WORKFLOW, Acte, as_acte
from tdt.db.audit import insert_event
from tdt.db.pool import Connection, as_record
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import ActeId, AuthorityId, ContentId, EnvelopeId, RouteId


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A letter to record: its type (2 to 5), its first status with its words, what it says beside its documents."""

    type: int
    status: ActeStatus
    message: str
    letter_date: date | None
    letter_text: str
    route_id: RouteId
    envelope_name: str
    archive_name: str
    archive: ContentId


@dataclass(frozen=True, slots=True)
class LetterFile:
    """A file of a letter: at 0 the message, then its documents."""

    position: int
    name: str
    mimetype: str
    size: int
    content_id: ContentId


FILE_COLUMNS = attrgetter("position", "name", "mimetype", "size", "content_id")

INSERT = """
    with opened as (
        insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, content_id, received)
        select t.authority_id, t.account_id, $2, $3, $4, $5, true from acte_transaction t where t.id = $1 returning id),
    made as (
        insert into acte_transaction (authority_id, account_id, envelope_id, related_id, type, status, number,
            decision_date, nature_code, classif, classification_date, subject, unique_id, letter_date, letter_text)
        select t.authority_id, t.account_id, opened.id, t.id, $6, $7, t.number, t.decision_date, t.nature_code,
            t.classif, t.classification_date, t.subject, t.unique_id, $8, $9
        from acte_transaction t, opened where t.id = $1
        returning id, authority_id, envelope_id),
    filed as (
        insert into acte_file (authority_id, envelope_id, transaction_id, position, name, posted_filename, mimetype,
            size, content_id)
        select made.authority_id, made.envelope_id, made.id, file.position, file.name, file.name, file.mimetype,
            file.size, file.content_id
        from made, unnest($10::smallint[], $11::text[], $12::text[], $13::bigint[], $14::bigint[])
            as file(position, name, mimetype, size, content_id))
    select id from made"""


async def insert_letter(connection: Connection, acte: Acte, new: NewLetter, files: Sequence[LetterFile]) -> ActeId:
    """Record a letter about this act, with its first step and its event; gives its number.

    It belongs to whom the act belongs to, and repeats what S2LOW repeats of the act. Conflict when the collectivité
    has an envelope of that name.
    """
    columns = zip(*map(FILE_COLUMNS, files), strict=True)
    letter = await connection.fetchval(
        INSERT,
        acte.id,
        new.route_id,
        new.envelope_name,
        new.archive_name,
        new.archive,
        new.type,
        new.status,
        new.letter_date,
        new.letter_text,
        *columns,
    )
    await connection.execute(WORKFLOW, acte.authority_id, letter, new.status, new.message, None)
    data = {"message": new.message, "about": acte.id}
    await insert_event(connection, acte.authority_id, (OBJECT, letter), (None, new.status), data)
    await record_notifications(connection, ActeId(letter), new.status)
    return ActeId(letter)


NAMES_TAKEN = """
    select name from acte_envelope where authority_id = $1 and name = any($2)
    union select archive_name from acte_envelope where route_id = $3 and archive_name = any($2)"""


async def list_names_taken(
    connection: Connection, authority: AuthorityId, route: RouteId, names: Sequence[str]
) -> set[str]:
    """Those of these names that an envelope of the collectivité, or an archive of the route, bears; scope `system`."""
    return {row["name"] for row in await connection.fetch(NAMES_TAKEN, authority, list(names), route)}


SAME_LETTERS = """
    select t.id, array(
        select encode(b.sha256, 'hex') from acte_file g join content b on b.id = g.content_id
        where g.transaction_id = t.id and g.position > 0) as documents
    from acte_transaction t
    join acte_file f on f.transaction_id = t.id and f.position = 0
    join content c on c.id = f.content_id
    where t.unique_id = $2 and t.authority_id = $1 and t.type = $3 and t.type_reponse is null and c.sha256 = $4
    order by t.id"""


async def list_same_letters(
    connection: Connection, acte: Acte, kind: int, sha256: bytes
) -> list[tuple[ActeId, frozenset[str]]]:
    """The letters about this act whose message has these very bytes, each with the digests (hex) of its documents."""
    rows = await connection.fetch(SAME_LETTERS, acte.authority_id, acte.unique_id, kind, sha256)
    return [(ActeId(row["id"]), frozenset(row["documents"])) for row in rows]


REPLIES = f"""
    select {COLUMNS} from acte_transaction
    where unique_id = $1 and type = $2 and type_reponse is not null order by id"""


async def list_replies(connection: Connection, unique_id: str, kind: int) -> list[Acte]:
    """What was answered to the letters of this type about the act of this identifier, oldest first."""
    return [as_acte(row) for row in await connection.fetch(REPLIES, unique_id, kind)]


IS_BEING_CANCELLED = """
    select exists (
        select from acte_transaction where related_id = $1 and type = 6 and status in (1, 2, 3)) as pending"""


async def is_being_cancelled(connection: Connection, acte: ActeId) -> bool:
    """Whether an annulation of this act waits for its AR."""
    return bool(as_record(await connection.fetchrow(IS_BEING_CANCELLED, acte))["pending"])


CANCELLATIONS = f"select {COLUMNS} from acte_transaction where unique_id = $1 and type = 6 order by id"


async def list_cancellations(connection: Connection, unique_id: str) -> list[Acte]:
    """The annulations asked for the act of this identifier, oldest first."""
    return [as_acte(row) for row in await connection.fetch(CANCELLATIONS, unique_id)]


HAS_FLUX = """
    select exists (
        select from acte_workflow w join content c on c.id = w.flux_content_id
        where w.transaction_id = $1 and c.sha256 = $2) as held"""


async def has_flux(connection: Connection, acte: ActeId, sha256: bytes) -> bool:
    """Whether these bytes of the State have moved this transaction already."""
    return bool(as_record(await connection.fetchrow(HAS_FLUX, acte, sha256))["held"])


@dataclass(frozen=True, slots=True)
class Linked:
    """A letter or an annulation of an act, and the last answer that was made to it, if any."""

    id: ActeId
    type: int
    status: ActeStatus
    reply_id: ActeId | None
    reply_status: ActeStatus | None


LINKED = """
    select t.id, t.type, t.status, r.id as reply_id, r.status as reply_status
    from acte_transaction t left join lateral (
        select id, status from acte_transaction where related_id = t.id and status <> -1 order by id desc limit 1
    ) r on true
    where t.related_id = $1 order by t.id"""


async def list_linked(connection: Connection, acte: ActeId) -> list[Linked]:
    """What hangs on an act, oldest first; a reply hangs on its letter. One in error answers nothing."""
    return [
        Linked(
            ActeId(row["id"]),
            row["type"],
            ActeStatus(row["status"]),
            ActeId(row["reply_id"]) if row["reply_id"] is not None else None,
            ActeStatus(row["reply_status"]) if row["reply_status"] is not None else None,
        )
        for row in await connection.fetch(LINKED, acte)
    ]


UNREAD = """
    select id, type, related_id, number, unique_id, status from acte_transaction
    where authority_id = $1 and type between 2 and 5 and type_reponse is null and read_at is null order by id"""


@dataclass(frozen=True, slots=True)
class Unread:
    """A letter that the collectivité's software has not marked as read."""

    id: ActeId
    type: int
    related_id: ActeId | None
    number: str | None
    unique_id: str | None
    status: ActeStatus


async def list_unread(connection: Connection, authority: AuthorityId) -> list[Unread]:
    """The letters of a collectivité that were not read, oldest first."""
    return [
        Unread(**{**dict(row), "status": ActeStatus(row["status"])})
        for row in await connection.fetch(UNREAD, authority)
    ]


MARK_READ = """
    update acte_transaction set read_at = now()
    where id = $1 and authority_id = $2 and type between 2 and 5 and type_reponse is null and read_at is null"""


async def move_to_read(connection: Connection, letter: ActeId, authority: AuthorityId) -> None:
    """Note that a letter was read; anything else is left as it is."""
    await connection.execute(MARK_READ, letter, authority)


ACKNOWLEDGEMENT = "select id from acte_envelope where acknowledges_id = $1"


async def find_acknowledgement(connection: Connection, letter: ActeId) -> EnvelopeId | None:
    """The envelope of the automatic AR of a letter, once it is made."""
    found = await connection.fetchval(ACKNOWLEDGEMENT, letter)
    return EnvelopeId(found) if found is not None else None


LETTERS = f"""
    select {COLUMNS} from acte_transaction
    where related_id = $1 and type = $2 and type_reponse is null
    order by exists (
        select from acte_transaction r where r.related_id = acte_transaction.id and r.status <> -1), id"""


async def list_letters(connection: Connection, acte: ActeId, kind: int) -> list[Acte]:
    """The letters of this type about an act: those without an answer first, then the oldest."""
    return [as_acte(row) for row in await connection.fetch(LETTERS, acte, kind)]
