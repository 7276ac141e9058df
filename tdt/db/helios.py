"""HELIOS transactions and their life."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.audit import insert_event
from tdt.db.pool import Connection, Record, affected
from tdt.domain.errors import Conflict
from tdt.domain.helios.model import HeliosStatus, PesHeader
from tdt.domain.helios.rules import Holder
from tdt.domain.helios.status import may_move
from tdt.domain.ids import AccountId, AuthorityId, ContentId, HeliosId, RouteId
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

OBJECT = "helios_transaction"
REFUSED_TAG = "system:helios:refused"
"""In the audit: what the operator alone is told of a refusal. Rows of no collectivité, at its instant."""


HAS_LEFT = """(t.transmitted_name is not null and (t.status not in (-1, 1, 2) or exists (
    select from attempt a where a.object_kind = 'helios_transaction' and a.object_id = t.id
        and coalesce(a.outcome, 'uncertain') in ('accepted', 'uncertain', 'settled'))))"""
"""Of a transaction `t`: it left, or may have. Its name is fixed before its first try, which may surely have failed."""


@dataclass(frozen=True, slots=True)
class HeliosTransaction:
    """A PES flow of a collectivité. The xml_* fields are known once it has been analysed."""

    id: HeliosId
    authority_id: AuthorityId
    account_id: AccountId | None
    route_id: RouteId
    siren: str
    filename: str
    content_id: ContentId
    sha1: bytes
    size: int
    status: HeliosStatus
    root: str | None
    xml_nomfic: str | None
    xml_cod_col: str | None
    xml_cod_bud: str | None
    xml_id_post: str | None
    xml_id_coll: str | None
    transmitted_name: str | None
    acquit_content_id: ContentId | None
    acquit_filename: str | None
    submitted_at: datetime
    domains: tuple[str, ...]


COLUMNS = """id, authority_id, account_id, route_id, siren, filename, content_id, sha1, size, status, root,
    xml_nomfic, xml_cod_col, xml_cod_bud, xml_id_post, xml_id_coll, transmitted_name, acquit_content_id,
    acquit_filename, submitted_at, domains"""


def _transaction(row: Record) -> HeliosTransaction:
    values = dict(row)
    values["status"] = HeliosStatus(values["status"])
    values["domains"] = tuple(values["domains"])
    return HeliosTransaction(**values)


async def get_transaction(connection: Connection, transaction: HeliosId) -> HeliosTransaction | None:
    """A transaction visible to the scope, or None."""
    row = await connection.fetchrow(f"select {COLUMNS} from helios_transaction where id = $1", transaction)
    return _transaction(row) if row is not None else None


LOCK = f"select {COLUMNS} from helios_transaction where id = $1 for no key update"


async def lock_transaction(connection: Connection, transaction: HeliosId) -> HeliosTransaction | None:
    """The same, held until the end of the transaction: one sending at a time is decided upon."""
    row = await connection.fetchrow(LOCK, transaction)
    return _transaction(row) if row is not None else None


@dataclass(frozen=True, slots=True)
class NewHelios:
    """What is known of a PES flow when it is accepted."""

    authority_id: AuthorityId
    account_id: AccountId
    route_id: RouteId
    siren: str
    filename: str
    content_id: ContentId
    sha1: bytes
    size: int
    status: HeliosStatus
    message: str


INSERT = """
    insert into helios_transaction
        (authority_id, account_id, route_id, siren, filename, content_id, sha1, size, status)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id"""


async def insert_transaction(connection: Connection, new: NewHelios) -> HeliosId:
    """Record an accepted flow with its first status. Conflict (helios_transaction_sha1) when the bytes are known."""
    transaction = HeliosId(
        await connection.fetchval(
            INSERT,
            new.authority_id,
            new.account_id,
            new.route_id,
            new.siren,
            new.filename,
            new.content_id,
            new.sha1,
            new.size,
            new.status,
        )
    )
    await _insert_workflow(connection, new.authority_id, transaction, new.status, new.message)
    await insert_event(connection, new.authority_id, (OBJECT, transaction), (None, new.status))
    return transaction


WORKFLOW = "insert into helios_workflow (authority_id, transaction_id, status, message) values ($1, $2, $3, $4)"


async def _insert_workflow(
    connection: Connection, authority: AuthorityId, transaction: HeliosId, status: HeliosStatus, message: str
) -> None:
    await connection.execute(WORKFLOW, authority, transaction, status, message[:WORKFLOW_MESSAGE_LENGTH])


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status with the text that the client will read."""

    source: HeliosStatus
    target: HeliosStatus
    message: str


async def move_status(connection: Connection, transaction: HeliosTransaction, move: Move) -> None:
    """Change the status and tell it in the workflow and the events. Conflict when it is not in `source` any more.

    Raises ValueError for a move that the life of a flow does not know (domain/helios/status).
    """
    if not may_move(move.source, move.target):
        raise ValueError(f"a flow does not go from {move.source!r} to {move.target!r}")
    status = await connection.execute(
        "update helios_transaction set status = $3 where id = $1 and status = $2",
        transaction.id,
        move.source,
        move.target,
    )
    if affected(status) != 1:
        raise Conflict("La transaction a changé d'état.", details={"helios_id": transaction.id})
    await _insert_workflow(connection, transaction.authority_id, transaction.id, move.target, move.message)
    await insert_event(
        connection,
        transaction.authority_id,
        (OBJECT, transaction.id),
        (move.source, move.target),
        {"message": move.message},
    )


NOTE = """
    insert into helios_workflow (authority_id, transaction_id, status, message)
    select now.authority_id, now.id, now.status, $3
    from (select authority_id, id, status from helios_transaction where id = $1 and status = $2 for no key update) now
    where $3 is distinct from (select message from helios_workflow where transaction_id = $1 order by id desc limit 1)
    returning id"""


async def insert_note(connection: Connection, transaction: HeliosTransaction, message: str) -> None:
    """Tell something in the workflow and the events without changing the status, unless the last line says it.

    Nothing when the status is another by now: the acquit that came meanwhile is the last word.
    """
    text = message[:WORKFLOW_MESSAGE_LENGTH]
    if await connection.fetchval(NOTE, transaction.id, transaction.status, text) is None:
        return
    change = (transaction.status, transaction.status)
    await insert_event(connection, transaction.authority_id, (OBJECT, transaction.id), change, {"message": message})


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """One step of the life of a transaction."""

    status: HeliosStatus
    at: datetime
    message: str


async def last_workflow(connection: Connection, transaction: HeliosId) -> WorkflowRow | None:
    """The last step, or None for an unknown transaction."""
    row = await connection.fetchrow(
        "select status, at, message from helios_workflow where transaction_id = $1 order by id desc limit 1",
        transaction,
    )
    return WorkflowRow(HeliosStatus(row["status"]), row["at"], row["message"]) if row is not None else None


SET_HEADER = """
    update helios_transaction set root = $2, xml_nomfic = $3, xml_cod_col = $4, xml_cod_bud = $5, xml_id_post = $6,
        xml_id_coll = $7, domains = $8 where id = $1"""


async def move_header(connection: Connection, transaction: HeliosId, header: PesHeader) -> None:
    """Keep what was read in the flow."""
    await connection.execute(
        SET_HEADER,
        transaction,
        header.root,
        header.nomfic,
        header.cod_col,
        header.cod_bud,
        header.id_post,
        header.id_coll,
        sorted(set(header.domains)),
    )


CLAIM_NOMFIC = """
    insert into helios_nomfic (nomfic, cod_col, authority_id, transaction_id) values ($1, $2, $3, $4)
    on conflict (nomfic, cod_col) do update set nomfic = excluded.nomfic returning transaction_id, authority_id"""


async def claim_nomfic(connection: Connection, transaction: HeliosTransaction, header: PesHeader) -> Holder:
    """Take the couple (NomFic, CodCol) for this transaction; gives its owner, which is another one when it is taken.

    In scope `system`: the rule holds for the whole platform.
    """
    [row] = await connection.fetch(
        CLAIM_NOMFIC, header.nomfic, header.cod_col or "", transaction.authority_id, transaction.id
    )
    return _holder(row)


def _holder(row: Record) -> Holder:
    return Holder(HeliosId(row["transaction_id"]), AuthorityId(row["authority_id"]))


FIRST_COPY = """
    select id as transaction_id, authority_id from helios_transaction where sha1 = $1 or unsigned_sha1 = $1
    union all select transaction_id, authority_id from helios_purged where sha1 = $1 limit 1"""


async def find_known(connection: Connection, sha1: bytes) -> Holder | None:
    """Who deposited these bytes first, purged since or not; in scope `system`."""
    row = await connection.fetchrow(FIRST_COPY, sha1)
    return _holder(row) if row is not None else None


NEXT_NUMBER = """
    insert into helios_daily_number (day, last) values ($1, 1)
    on conflict (day) do update set last = helios_daily_number.last + 1 returning last"""


async def next_daily_number(connection: Connection, day: date) -> int:
    """A number of the platform for this Paris day, never given twice."""
    number: int = await connection.fetchval(NEXT_NUMBER, day)
    return number


async def move_transmitted_name(connection: Connection, transaction: HeliosId, name: str) -> None:
    """Fix the name under which the flow leaves: every resend uses it."""
    await connection.execute(
        "update helios_transaction set transmitted_name = $2 where id = $1 and transmitted_name is null",
        transaction,
        name,
    )


async def move_acquit(connection: Connection, transaction: HeliosId, content: ContentId, filename: str) -> None:
    """Attach the acquittement."""
    await connection.execute(
        "update helios_transaction set acquit_content_id = $2, acquit_filename = $3 where id = $1",
        transaction,
        content,
        filename,
    )


SENT = f"""
    select {COLUMNS} from helios_transaction
    where xml_nomfic = $1 and ($2::text is null or xml_cod_col = $2) and transmitted_name is not null
    order by id for no key update"""


async def lock_sent(connection: Connection, nomfic: str, cod_col: str | None) -> Sequence[HeliosTransaction]:
    """The flows that an acquittement may be for: those that left under this NomFic. Two answers take their turns."""
    return [_transaction(row) for row in await connection.fetch(SENT, nomfic, cod_col)]


INSERT_SIRET = """
    insert into authority_siret (authority_id, siret)
    select $1, $2 where not exists (select from authority_siret where siret = $2)
    on conflict (authority_id, siret) do nothing"""


async def insert_siret(connection: Connection, authority: AuthorityId, siret: str) -> bool:
    """Learn a SIRET that nobody holds, in scope `system`; False when somebody does."""
    return affected(await connection.execute(INSERT_SIRET, authority, siret)) == 1


NOMFIC_HOLDER = "select transaction_id, authority_id from helios_nomfic where nomfic = $1 and cod_col = $2"


async def find_nomfic_holder(connection: Connection, nomfic: str, cod_col: str | None) -> Holder | None:
    """Who has this couple (NomFic, CodCol), in scope `system`."""
    row = await connection.fetchrow(NOMFIC_HOLDER, nomfic, cod_col or "")
    return _holder(row) if row is not None else None
