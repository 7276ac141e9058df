"""Attempts to send something to the State: written before the first byte leaves, ended when its fate is known."""

from dataclasses import dataclass

from tdt.db.lineage import check_lineage
from tdt.db.pool import Connection, affected
from tdt.domain.ids import AttemptId, AuthorityId, RouteId
from tdt.domain.routes import Attempt, Outcome


@dataclass(frozen=True, slots=True)
class Sending:
    """What an attempt is about: the object, the route, the exact bytes under their exact name, and the clause of the
    convention that lets them leave; `address`: main or rescue."""

    authority_id: AuthorityId
    route_id: RouteId
    object_kind: str
    object_id: int
    name: str
    sha256: bytes
    size: int
    clause: str
    address: str = "main"


INSERT_ATTEMPT = """
    insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, clause, address)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id"""


async def insert_attempt(connection: Connection, sending: Sending) -> AttemptId:
    """Say that we are about to send: committed before the first byte leaves. Held from a base that was restored."""
    await check_lineage(connection)
    return AttemptId(
        await connection.fetchval(
            INSERT_ATTEMPT,
            sending.authority_id,
            sending.route_id,
            sending.object_kind,
            sending.object_id,
            sending.name,
            sending.sha256,
            sending.size,
            sending.clause,
            sending.address,
        )
    )


END_ATTEMPT = """
    update attempt set outcome = $2, detail = $3, ended_at = now(), reached = $4
    where id = $1 and (outcome is null or outcome = 'uncertain')"""


async def move_attempt(
    connection: Connection, attempt: AttemptId, outcome: Outcome, detail: str = "", reached: bool = True
) -> bool:
    """Say what became of an attempt; a known outcome is never changed. Not `reached`: surely no byte of it left."""
    return affected(await connection.execute(END_ATTEMPT, attempt, outcome, detail, reached)) == 1


ATTEMPTS = """
    select id, authority_id, started_at, outcome, reached from attempt
    where object_kind = $1 and object_id = $2 order by started_at, id"""


OTHER_BYTES = """
    select exists (select from attempt where object_kind = $1 and object_id = $2 and (name, sha256) <> ($3, $4))"""


async def was_other(connection: Connection, sending: Sending) -> bool:
    """Whether a try for the same object was about other bytes, or another name."""
    about = (sending.object_kind, sending.object_id, sending.name, sending.sha256)
    return bool(await connection.fetchval(OTHER_BYTES, *about))


async def list_attempts(connection: Connection, object_kind: str, object_id: int) -> list[Attempt]:
    """Every try for this object, oldest first."""
    rows = await connection.fetch(ATTEMPTS, object_kind, object_id)
    return [
        Attempt(
            AttemptId(row["id"]),
            row["authority_id"],
            row["started_at"],
            Outcome(row["outcome"]) if row["outcome"] is not None else None,
            row["reached"],
        )
        for row in rows
    ]


SETTLE = """
    update attempt set outcome = 'settled', detail = $3, ended_at = now()
    where object_kind = $1 and object_id = $2 and (outcome is null or outcome = 'uncertain')"""

SETTLE_FAILED = """
    update attempt set outcome = 'settled', detail = $3 || ', malgré : ' || detail, ended_at = now()
    where (id, started_at) = (
            select id, started_at from attempt where object_kind = $1 and object_id = $2 and reached
            order by started_at desc, id desc limit 1)
        and not exists (
            select from attempt where object_kind = $1 and object_id = $2 and outcome in ('accepted', 'settled'))"""


async def move_attempts_to_settled(connection: Connection, object_kind: str, object_id: int, proof: str) -> int:
    """An answer of the State proves that an uncertain attempt had arrived; gives how many were settled.

    Where none is in doubt and none was accepted, the last one that came to the State had arrived after all.
    """
    settled = affected(await connection.execute(SETTLE, object_kind, object_id, proof))
    return settled or affected(await connection.execute(SETTLE_FAILED, object_kind, object_id, proof))
