"""Receptions by the batch, as a mailbox gives them: what is stored already, and many stored in three statements."""

from collections.abc import Mapping, Sequence

from tdt.db.pool import Connection
from tdt.domain.ids import ContentId, ReceivedId, RouteId
from tdt.domain.jobs import JobKind

DIGESTS = """
    select r.remote_key, c.sha256 from received r join content c on c.id = r.content_id
    where r.route_id = $1 and r.remote_key = any($2)"""


async def list_digests(connection: Connection, route: RouteId, keys: Sequence[str]) -> Mapping[str, bytes]:
    """Those of these remote keys that are stored, with the SHA-256 of their bytes."""
    return {row["remote_key"]: row["sha256"] for row in await connection.fetch(DIGESTS, route, list(keys))}


INSERT = """
    insert into received (route_id, remote_key, name, content_id)
    select $1, key, key, content from unnest($2::text[], $3::bigint[]) as one(key, content)
    returning id"""


async def insert_receptions(
    connection: Connection, route: RouteId, keys: Sequence[str], contents: Sequence[ContentId]
) -> list[ReceivedId]:
    """Store receptions, each once: a key that is there already raises Conflict (received_route_id_remote_key_key)."""
    rows = await connection.fetch(INSERT, route, list(keys), list(contents))
    return sorted(ReceivedId(row["id"]) for row in rows)


INSERT_JOBS = """
    with made as (
        insert into job (kind, object_id) select $1, id from unnest($2::bigint[]) as one(id) returning id)
    select pg_notify('tdt_job', id::text) from made"""


async def insert_jobs(connection: Connection, kind: JobKind, objects: Sequence[int]) -> None:
    """A job for each of these objects that are nobody's yet, in the caller's transaction."""
    await connection.execute(INSERT_JOBS, kind, list(objects))
