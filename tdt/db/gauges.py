"""What is counted for the metrics every minute, from what is unfinished alone; in scope `system`."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.lateness import since
from tdt.db.pool import Connection


@dataclass(frozen=True, slots=True)
class State:
    """Transactions of ACTES in a status by a route: how many, since when the oldest is in it."""

    status: int
    route: str
    count: int
    oldest: datetime


ACTES = f"""
    with unfinished as (
        select t.* from acte_transaction t where t.status in (1, 2, 7, 12, 14, 17, 18, 19, 20)
        union all
        select t.* from acte_transaction t where t.status = 3 and t.type <> 2)
    select t.status, r.name as route, count(*) as count,
        min(coalesce({since("acte")}, t.submitted_at)) as oldest
    from unfinished t join acte_envelope e on e.id = t.envelope_id join route r on r.id = e.route_id
    group by t.status, r.name"""


async def list_acte_states(connection: Connection) -> list[State]:
    """What waits for somebody at ACTES."""
    return [State(**row) for row in await connection.fetch(ACTES)]


ATTEMPTS = """
    select r.name as route, o.outcome, count(a.id) as count
    from route r cross join unnest(array['accepted', 'settled', 'refused', 'failed', 'uncertain', 'open']) o(outcome)
    left join attempt a on a.route_id = r.id and a.started_at >= $1 and coalesce(a.outcome, 'open') = o.outcome
    where r.active group by r.name, o.outcome"""


async def count_attempts(connection: Connection, since: datetime) -> dict[tuple[str, str], int]:
    """Sendings begun since an instant, by route and outcome, zeros too."""
    return {(row["route"], row["outcome"]): row["count"] for row in await connection.fetch(ATTEMPTS, since)}


async def count_alerts(connection: Connection) -> dict[str, int]:
    """What is wrong now, by kind."""
    rows = await connection.fetch("select kind, count(*) as count from alert where ended_at is null group by kind")
    return {row["kind"]: row["count"] for row in rows}
