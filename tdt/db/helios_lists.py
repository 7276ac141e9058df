"""Lists and counts of the flows of collectivités."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.acte_lists import Total, took
from tdt.db.authorities import MEMBERSHIP_TODAY
from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, GroupId, HeliosId


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for. `since` and `until`: when the flow took this status."""

    authority: AuthorityId
    status: int
    since: datetime | None = None
    until: datetime | None = None


LIST = """
    select id from helios_transaction t
    where authority_id = $1 and status = $2{more} order by id desc offset $3 limit $4"""


async def list_ids(connection: Connection, wanted: Wanted, offset: int, limit: int) -> Sequence[HeliosId]:
    """The newest first, by their number: read backwards from the index of the status, as far as the limit."""
    values: list[object] = [wanted.authority, wanted.status, offset, limit]
    more = took("helios_workflow", (wanted.since, wanted.until), values)
    return [HeliosId(row["id"]) for row in await connection.fetch(LIST.format(more=more), *values)]


TOTALS = f"""
    select a.id as authority_id, a.name, coalesce(n.count, 0) as count
    from authority_membership m join authority a on a.id = m.authority_id
    cross join lateral (
        select count(*) as count from helios_transaction t
        where t.authority_id = a.id and t.submitted_at >= $2 and t.submitted_at < $3) n
    where m.group_id = $1 and {MEMBERSHIP_TODAY} order by a.name, a.id"""


async def list_totals(connection: Connection, group: GroupId, since: datetime, before: datetime) -> Sequence[Total]:
    """How many flows each collectivité that is in a group today has deposited in a period, by name."""
    return [Total(**row) for row in await connection.fetch(TOTALS, group, since, before)]
