"""What an operator decides about an envelope that stands still: its work, and what may have arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import ActeId, EnvelopeId

WORK = """
    select coalesce(bool_or(state = 'running'), false) as running, coalesce(bool_or(state = 'ready'), false) as ready,
        coalesce(bool_or(state = 'dead'), false) as dead
    from job where (kind in ('actes.package', 'actes.transmit') and object_id = $1)
        or (kind = 'actes.analyse' and object_id = any($2))"""


@dataclass(frozen=True, slots=True)
class Work:
    """The jobs of an envelope: whether a worker has one in hand, one waits for its time, one was set aside."""

    running: bool
    ready: bool
    dead: bool


async def get_work(connection: Connection, envelope: EnvelopeId, actes: Sequence[ActeId]) -> Work:
    """What is under way for an envelope and its transactions."""
    row = await connection.fetchrow(WORK, envelope, list(actes))
    return Work(**row) if row is not None else Work(False, False, False)


DELETE = """
    delete from job where state <> 'running' and ((kind in ('actes.package', 'actes.transmit') and object_id = $1)
        or (kind = 'actes.analyse' and object_id = any($2)))"""


async def delete_waiting_work(connection: Connection, envelope: EnvelopeId, actes: Sequence[ActeId]) -> int:
    """Nothing is to be done for it any more, but what a worker has in hand; gives how many jobs went."""
    return affected(await connection.execute(DELETE, envelope, list(actes)))


async def move_release(connection: Connection, envelope: EnvelopeId) -> None:
    """An operator has decided: what may have arrived by the tries made so far is sent again.

    By the clock of the database, which is that of the tries.
    """
    await connection.execute("update acte_envelope set released_at = now() where id = $1", envelope)


async def find_release(connection: Connection, envelope: EnvelopeId) -> datetime | None:
    """When an operator decided so, if ever."""
    found: datetime | None = await connection.fetchval("select released_at from acte_envelope where id = $1", envelope)
    return found
