"""Lots of files to send as actes one by one, and the sweep of those that nobody sent."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AccountId, ActeId, AuthorityId, BatchFileId, BatchId, ContentId


@dataclass(frozen=True, slots=True)
class Batch:
    """A lot. `next_suffix` follows `num_prefix` in the number of its next acte."""

    id: BatchId
    authority_id: AuthorityId
    account_id: AccountId
    description: str
    num_prefix: str
    next_suffix: int


INSERT = """
    insert into acte_batch (authority_id, account_id, description, num_prefix) values ($1, $2, $3, $4) returning id"""


async def insert_batch(
    connection: Connection, authority: AuthorityId, account: AccountId, description: str, num_prefix: str
) -> BatchId:
    """Open a lot; gives its number."""
    return BatchId(await connection.fetchval(INSERT, authority, account, description, num_prefix))


BATCH = "select id, authority_id, account_id, description, num_prefix, next_suffix from acte_batch where id = $1"


async def get_batch(connection: Connection, batch: BatchId) -> Batch | None:
    """A lot visible to the scope, or None."""
    row = await connection.fetchrow(BATCH, batch)
    return Batch(**row) if row is not None else None


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A file of a lot; with `transaction_id` it was sent."""

    id: BatchFileId
    authority_id: AuthorityId
    batch_id: BatchId
    posted_filename: str
    size: int
    content_id: ContentId
    transaction_id: ActeId | None


INSERT_FILE = """
    insert into acte_batch_file (authority_id, batch_id, posted_filename, size, content_id)
    values ($1, $2, $3, $4, $5) returning id"""


async def insert_file(connection: Connection, batch: Batch, name: str, size: int, content: ContentId) -> BatchFileId:
    """Put a file in a lot; gives its number."""
    return BatchFileId(await connection.fetchval(INSERT_FILE, batch.authority_id, batch.id, name, size, content))


FILE = """
    select id, authority_id, batch_id, posted_filename, size, content_id, transaction_id
    from acte_batch_file where id = $1"""


async def get_file(connection: Connection, file: BatchFileId) -> BatchFile | None:
    """A file of a lot visible to the scope, or None."""
    row = await connection.fetchrow(FILE, file)
    return BatchFile(**row) if row is not None else None


USE = "update acte_batch_file set transaction_id = $2 where id = $1 and transaction_id is null returning batch_id"
NEXT_SUFFIX = "update acte_batch set next_suffix = next_suffix + 1 where id = $1"


async def move_to_used(connection: Connection, file: BatchFileId, acte: ActeId) -> bool:
    """Note that a file became an acte; False when it had become one, or was swept."""
    batch = await connection.fetchval(USE, file, acte)
    if batch is None:
        return False
    return affected(await connection.execute(NEXT_SUFFIX, batch)) == 1


NEXT = """
    select id from acte_batch_file where batch_id = $1 and transaction_id is null
    order by id <= $2, id limit 1"""


async def find_next(connection: Connection, file: BatchFile) -> BatchFileId | None:
    """The next file of the same lot that was not sent, the first again after the last."""
    found = await connection.fetchval(NEXT, file.batch_id, file.id)
    return BatchFileId(found) if found is not None else None


SWEEP = """
    delete from acte_batch_file where id in (
        select id from acte_batch_file where transaction_id is null and added_at < $1
        order by added_at limit $2 for update skip locked)
    returning content_id"""
CHUNKS = "delete from content_chunk where content_id = any($1)"
BODIES = "delete from content where id = any($1) returning spool_name"
EMPTY = """
    delete from acte_batch b where b.created_at < $1
        and not exists (select from acte_batch_file f where f.batch_id = b.id)"""


async def delete_unused(connection: Connection, before: datetime, limit: int) -> tuple[int, list[str]]:
    """Destroy some files put in before this instant and never sent, with their bodies, in scope `system`.

    Gives how many, and the names of those in the spool.
    """
    contents = [row["content_id"] for row in await connection.fetch(SWEEP, before, limit)]
    names: list[str] = []
    if contents:
        await connection.execute(CHUNKS, contents)
        names = [row["spool_name"] for row in await connection.fetch(BODIES, contents) if row["spool_name"] is not None]
    await connection.execute(EMPTY, before)
    return len(contents), names
