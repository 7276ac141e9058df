"""Bodies in the database: in their row when small, in chunks of 1 MiB once archived; readers do not care which."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.jobs import insert_job
from tdt.db.pool import Connection, Pool, Scope, transaction
from tdt.documents.spool import READ_BYTES, Spool
from tdt.domain.content import Body, hold
from tdt.domain.errors import Conflict, NotFound, Permanent, TdtError
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.jobs import JobKind


@dataclass(frozen=True, slots=True)
class Content:
    """Where a body is. `data` only for `row`, `spool_name` only for `spool`, `archived_at` only for `archive`."""

    id: ContentId
    authority_id: AuthorityId | None
    sha256: bytes
    size: int
    place: str
    data: bytes | None
    spool_name: str | None
    archived_at: datetime | None


INSERT = """
    insert into content (authority_id, sha256, size, place, data, spool_name)
    select $1, sha256, size, case when spool_name is null then 'row' else 'spool' end, data, spool_name
    from unnest($2::bytea[], $3::bigint[], $4::bytea[], $5::text[]) as body(sha256, size, data, spool_name)
    returning id"""


async def insert_contents(
    connection: Connection, authority: AuthorityId | None, bodies: Sequence[Body]
) -> list[ContentId]:
    """Keep bodies: small ones here and now, spooled ones by the archiving jobs added in the same transaction."""
    columns = zip(*((body.sha256, body.size, body.data, body.spool_name) for body in bodies), strict=True)
    # the ids rise in the order of the bodies; that of the rows returned is not promised
    contents = sorted(ContentId(row["id"]) for row in await connection.fetch(INSERT, authority, *columns))
    for content, body in zip(contents, bodies, strict=True):
        if body.spool_name is not None:
            await insert_job(connection, JobKind.CONTENT_ARCHIVE, authority, content)
    return contents


async def insert_content(connection: Connection, authority: AuthorityId | None, body: Body) -> ContentId:
    """Keep one body."""
    return (await insert_contents(connection, authority, [body]))[0]


async def insert_small(connection: Connection, authority: AuthorityId | None, data: bytes) -> ContentId:
    """Keep a small message that we built or received."""
    return await insert_content(connection, authority, hold(data))


GET = """
    select id, authority_id, sha256, size, place, data, spool_name, archived_at from content where id = $1"""


async def get_content(connection: Connection, content: ContentId) -> Content | None:
    """The row of a body, visible to the scope of the transaction."""
    row = await connection.fetchrow(GET, content)
    return Content(**row) if row is not None else None


async def get_small(connection: Connection, content: ContentId) -> bytes:
    """The bytes of a body that is always kept in its row (messages, answers). Raises NotFound."""
    data: bytes | None = await connection.fetchval("select data from content where id = $1", content)
    if data is None:
        raise NotFound("Ce contenu n'existe pas.")
    return data


async def list_digests(connection: Connection, contents: Sequence[ContentId]) -> Mapping[ContentId, bytes]:
    """The SHA-256 that each of these bodies had when it was kept."""
    rows = await connection.fetch("select id, sha256 from content where id = any($1)", contents)
    return {ContentId(row["id"]): row["sha256"] for row in rows}


async def stream_content(pool: Pool, spool: Spool, scope: Scope, content: ContentId) -> AsyncIterator[bytes]:
    """The bytes of a body, wherever they lie; no database connection is held while the reader is slow."""
    for _ in range(2):
        async with transaction(pool, scope) as connection:
            found = await get_content(connection, content)
        if found is None:
            raise NotFound("Ce contenu n'existe pas.")
        if found.data is not None:
            yield found.data
            return
        if found.archived_at is not None:
            async for chunk in _stream_archive(pool, scope, found):
                yield chunk
            return
        chunks = spool.read(found.spool_name or "")
        try:
            first = await anext(chunks, b"")
        except FileNotFoundError:
            continue  # archived between our two looks: the row says so now
        yield first
        async for chunk in chunks:
            yield chunk
        return
    raise Permanent("Un contenu manque dans le dépôt local.", details={"content_id": content})


async def unaltered(chunks: AsyncIterator[bytes], size: int, sha256: bytes, refusal: TdtError) -> AsyncGenerator[bytes]:
    """The same bytes, but the refusal in place of the last of them when they are not those of this size and digest.

    Who must not hand on a single one that is wrong reads them to their end beforehand.
    """
    digest, read, kept = hashlib.sha256(), 0, b""
    async for chunk in chunks:
        if kept:
            yield kept
        read += len(chunk)
        if read > size:
            raise refusal
        await asyncio.to_thread(digest.update, chunk)
        kept = chunk
    if digest.digest() != sha256:
        raise refusal
    yield kept


async def _stream_archive(pool: Pool, scope: Scope, content: Content) -> AsyncIterator[bytes]:
    for seq in range((content.size + READ_BYTES - 1) // READ_BYTES):
        async with transaction(pool, scope) as connection:
            data = await connection.fetchval(GET_CHUNK, content.id, seq, content.archived_at)
        if data is None:
            raise Permanent("Un morceau d'archive manque.", details={"content_id": content.id, "seq": seq})
        yield data


GET_CHUNK = "select data from content_chunk where content_id = $1 and seq = $2 and archived_at = $3"

INSERT_CHUNK = """
    insert into content_chunk (content_id, seq, authority_id, archived_at, data) values ($1, $2, $3, $4, $5)"""

MOVE_TO_ARCHIVE = """
    update content set place = 'archive', archived_at = $2 where id = $1 and place = 'spool'
    returning authority_id"""

OWN_CHUNKS = "update content_chunk set authority_id = $3 where content_id = $1 and archived_at = $2"


async def move_to_archive(connection: Connection, spool: Spool, content: Content, at: datetime) -> None:
    """Copy a spooled body into chunks, check its digest, switch its row.

    Raises Permanent when the bytes differ, Conflict when somebody else has archived it meanwhile.
    """
    digest, seq = hashlib.sha256(), 0
    async for chunk in spool.read(content.spool_name or ""):
        digest.update(chunk)
        await connection.execute(INSERT_CHUNK, content.id, seq, content.authority_id, at, chunk)
        seq += 1
    if digest.digest() != content.sha256:
        raise Permanent("Le fichier a changé dans le dépôt local.", details={"content_id": content.id})
    row = await connection.fetchrow(MOVE_TO_ARCHIVE, content.id, at)
    if row is None:
        raise Conflict("Ce contenu est déjà archivé.", details={"content_id": content.id})
    if row["authority_id"] != content.authority_id:
        # attributed while it was copied (move_to_authority): the chunks above were not there yet to be given away
        await connection.execute(OWN_CHUNKS, content.id, at, row["authority_id"])


async def move_spool_name(connection: Connection, content: ContentId) -> None:
    """The file of an archived body is gone."""
    await connection.execute("update content set spool_name = null where id = $1 and place = 'archive'", content)


async def move_to_authority(connection: Connection, content: ContentId, authority: AuthorityId) -> None:
    """Give an unattributed body, and its chunks, to the authority that it was found to be for."""
    await connection.execute("update content set authority_id = $2 where id = $1", content, authority)
    await connection.execute("update content_chunk set authority_id = $2 where content_id = $1", content, authority)


SPOOL_NAMES = "select spool_name from content where place = 'spool' and spool_name = any($1)"


async def list_known_spool_names(connection: Connection, names: list[str]) -> set[str]:
    """Those of these names that a row still needs; the others are orphans. In scope `system` only."""
    return {row["spool_name"] for row in await connection.fetch(SPOOL_NAMES, names)}
