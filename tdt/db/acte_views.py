"""The whole life of a transaction, as shown: who did each step, files, tries, what hangs on it, what is to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.pool import Connection
from tdt.db.shown_work import BY_WHOM
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import AccountId, ActeFileId, ActeId, ContentId, EnvelopeId, RouteId


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the workflow. `account` is who caused it, None when nobody of the collectivité did.

    `flux_size` is of the bytes of the State that caused it.
    """

    status: ActeStatus
    at: datetime
    message: str
    account_id: AccountId | None
    account: str | None
    flux_size: int | None


STEPS = f"""
    select w.status, w.at, w.message, a.account_id, trim(u.givenname || ' ' || u.name) as account, c.size as flux_size
    from acte_workflow w
    {BY_WHOM}
    left join content c on c.id = w.flux_content_id
    where w.transaction_id = $1 order by w.id"""


async def list_steps(connection: Connection, acte: ActeId) -> list[Step]:
    """The life of a transaction, oldest first."""
    rows = await connection.fetch(STEPS, acte)
    return [Step(**{**dict(row), "status": ActeStatus(row["status"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file and the digest of its bytes."""

    id: ActeFileId
    position: int
    name: str
    posted_filename: str
    mimetype: str
    size: int
    code_pj: str
    signed: bool
    sha256: bytes


FILES = """
    select f.id, f.position, f.name, f.posted_filename, f.mimetype, f.size, f.code_pj, f.signature <> '' as signed,
        c.sha256
    from acte_file f join content c on c.id = f.content_id where f.transaction_id = $1 order by f.position"""


async def list_shown_files(connection: Connection, acte: ActeId) -> list[ShownFile]:
    """Message, act, annexes."""
    return [ShownFile(**row) for row in await connection.fetch(FILES, acte)]


@dataclass(frozen=True, slots=True)
class ShownEnvelope:
    """An envelope, its archive once it is built, and the way that it takes."""

    id: EnvelopeId
    name: str
    archive_name: str
    submitted_at: datetime
    received: bool
    content_id: ContentId | None
    size: int | None
    sha256: bytes | None
    route_id: RouteId
    route: str
    transport: str
    test: bool


ENVELOPE = """
    select e.id, e.name, e.archive_name, e.submitted_at, e.received, e.content_id, c.size, c.sha256, e.route_id,
        r.name as route, r.transport, r.test
    from acte_envelope e join route r on r.id = e.route_id left join content c on c.id = e.content_id where e.id = $1"""


async def find_shown_envelope(connection: Connection, envelope: EnvelopeId) -> ShownEnvelope | None:
    """An envelope visible to the scope."""
    row = await connection.fetchrow(ENVELOPE, envelope)
    return ShownEnvelope(**row) if row is not None else None


@dataclass(frozen=True, slots=True)
class Relative:
    """A transaction that hangs on the one shown, or on which it hangs: letter, answer, annulation, act, resend."""

    id: ActeId
    related_id: ActeId | None
    type: int
    type_reponse: int | None
    status: ActeStatus
    submitted_at: datetime
    received_on: date | None
    letter_date: date | None
    letter_text: str
    read_at: datetime | None


RELATIVES = """
    with near as (
        select id from acte_transaction where related_id = $1
        union select c.id from acte_transaction p join acte_transaction c on c.related_id = p.id
            where p.related_id = $1
        union select unnest(array[related_id, resend_of]) from acte_transaction where id = $1
        union select id from acte_transaction where resend_of = $1)
    select t.id, t.related_id, t.type, t.type_reponse, t.status, t.submitted_at, t.received_on, t.letter_date,
        t.letter_text, t.read_at
    from near join acte_transaction t on t.id = near.id order by t.id"""


async def list_relatives(connection: Connection, acte: ActeId) -> list[Relative]:
    """What the transaction hangs on, what hangs on it, and what hangs on that."""
    rows = await connection.fetch(RELATIVES, acte)
    return [Relative(**{**dict(row), "status": ActeStatus(row["status"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Depositor:
    """Who deposited, for which collectivité; the day of the AR; where the collectivité's archive keeps it."""

    authority: str
    siren: str
    account: str | None
    received_on: date | None
    origin: str
    archive_url: str


DEPOSITOR = """
    select a.name as authority, a.siren, trim(u.givenname || ' ' || u.name) as account, t.received_on, t.origin,
        t.archive_url
    from acte_transaction t join authority a on a.id = t.authority_id left join account u on u.id = t.account_id
    where t.id = $1"""


async def find_depositor(connection: Connection, acte: ActeId) -> Depositor | None:
    """Whose a transaction is."""
    row = await connection.fetchrow(DEPOSITOR, acte)
    return Depositor(**row) if row is not None else None


NAMED = """
    select t.id from acte_transaction t where t.unique_id = $1 and t.type = 1
    union
    select t.id from acte_envelope e join acte_transaction t on t.envelope_id = e.id or t.id = e.acknowledges_id
    where (e.name = $1 and e.authority_id in (select id from authority where siren = any($2)))
        or (e.archive_name = $1 and e.route_id in (select id from route where kind = 'actes'))
    order by id"""


async def list_ids_named(connection: Connection, name: str, sirens: Sequence[str]) -> list[ActeId]:
    """The transactions of this IDActe, of the envelope (of one of these SIREN) or of the archive of this name.

    In scope `system`.
    """
    return [ActeId(row["id"]) for row in await connection.fetch(NAMED, name, list(sirens))]
