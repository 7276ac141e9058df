"""What acquits say of each flow, one row for each acquit that a flow has had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, ContentId, HeliosId


@dataclass(frozen=True, slots=True)
class KeptVerdict:
    """As it was kept; `at`: of the database, when it is read."""

    content_id: ContentId
    filename: str
    outcome: str
    counts: Mapping[str, Any]
    elements: Sequence[Mapping[str, Any]]
    at: datetime | None = None


INSERT = """
    insert into helios_verdict (authority_id, transaction_id, content_id, filename, outcome, counts, elements)
    values ($1, $2, $3, $4, $5, $6, $7)
    on conflict (transaction_id, content_id) do update set filename = excluded.filename, outcome = excluded.outcome,
        counts = excluded.counts, elements = excluded.elements, at = now()"""


async def insert_verdict(connection: Connection, authority: AuthorityId, flow: HeliosId, kept: KeptVerdict) -> None:
    """Keep what an acquit says; the same acquit read again replaces what it said."""
    values = (kept.content_id, kept.filename, kept.outcome, dict(kept.counts), [dict(one) for one in kept.elements])
    await connection.execute(INSERT, authority, flow, *values)


GET = """
    select content_id, filename, outcome, counts, elements, at from helios_verdict
    where transaction_id = $1 and content_id = $2"""


async def get_verdict(connection: Connection, flow: HeliosId, content: ContentId) -> KeptVerdict | None:
    """What one acquit of a flow visible to the scope says, or None: it was never read."""
    row = await connection.fetchrow(GET, flow, content)
    return KeptVerdict(**row) if row is not None else None


EARLIER = """
    select content_id, filename, outcome, counts, '[]'::jsonb as elements, at from helios_verdict
    where transaction_id = $1 and content_id <> $2 order by at desc, id desc"""


async def list_earlier_verdicts(connection: Connection, flow: HeliosId, content: ContentId) -> list[KeptVerdict]:
    """The other acquits that a flow has had, the latest first, without their trees."""
    return [KeptVerdict(**row) for row in await connection.fetch(EARLIER, flow, content)]
