"""Receptions by the batch, as a mailbox gives them: what is stored already, many stored in few statements."""

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
    returning id, remote_key"""


async def insert_receptions(
    connection: Connection, route: RouteId, keys: Sequence[str], contents: Sequence[ContentId]
) -> list[ReceivedId]:
    """Store receptions, each once: a key that is there already raises Conflict (received_route_id_remote_key_key).

    Gives their numbers, in the order of the keys.
    """
    rows = await connection.fetch(INSERT, route, list(keys), list(contents))
    numbers = {row["remote_key"]: ReceivedId(row["id"]) for row in rows}
    return [numbers[key] for key in keys]


INSERT_JOBS = """
    with made as (
        insert into job (kind, object_id, turn_of)
        select $1, id, turn_of from unnest($2::bigint[], $3::bigint[]) as one(id, turn_of) returning id)
    select pg_notify('tdt_job', id::text) from made"""


async def insert_jobs(
    connection: Connection, kind: JobKind, objects: Sequence[int], turns_of: Sequence[int | None]
) -> None:
    """A job for each of these objects that are nobody's yet, in the caller's transaction; `turns_of`: when it is done.

    Without authority_id: no collectivité sees it, is held or released with it, nor purged before it is read.
    """
    await connection.execute(INSERT_JOBS, kind, list(objects), list(turns_of))
