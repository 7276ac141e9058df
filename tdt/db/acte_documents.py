"""What the stamp of an act and its bordereau say of it."""

from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.pool import Connection
from tdt.domain.ids import ActeId, ContentId


@dataclass(frozen=True, slots=True)
class StampFacts:
    """When a transaction left, when its AR says that it came; `came_in`: the préfecture wrote it."""

    unique_id: str | None
    came_in: bool
    transmitted_at: datetime | None
    received_on: date | None
    ar_content_id: ContentId | None


STAMP_FACTS = """
    select t.unique_id, e.received as came_in, t.received_on,
        (select max(at) from acte_workflow where transaction_id = t.id and status = 3) as transmitted_at,
        (select flux_content_id from acte_workflow
            where transaction_id = t.id and status = 4 and flux_content_id is not null
            order by id desc limit 1) as ar_content_id
    from acte_transaction t join acte_envelope e on e.id = t.envelope_id where t.id = $1"""


async def get_stamp_facts(connection: Connection, acte: ActeId) -> StampFacts | None:
    """Of a transaction visible to the scope."""
    row = await connection.fetchrow(STAMP_FACTS, acte)
    return StampFacts(**row) if row is not None else None
