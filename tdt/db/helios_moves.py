"""What moves made by hand read and write of a flow besides its status: its work, its couple, what was decided."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.helios import HeliosTransaction
from tdt.db.helios_alerts import SINCE
from tdt.db.pool import Connection, affected
from tdt.domain.ids import AuthorityId, HeliosId
from tdt.domain.jobs import JobKind

KINDS = (JobKind.HELIOS_ANALYSE, JobKind.HELIOS_TRANSMIT)
"""The work on a flow."""


@dataclass(frozen=True, slots=True)
class Work:
    """The jobs of a flow: whether a worker has one in hand, one waits for its time, one was set aside."""

    running: bool
    ready: bool
    dead: bool


WORK = """
    select coalesce(bool_or(state = 'running'), false) as running, coalesce(bool_or(state = 'ready'), false) as ready,
        coalesce(bool_or(state = 'dead'), false) as dead
    from job where kind = any($1) and object_id = $2"""


async def get_work(connection: Connection, flow: HeliosId) -> Work:
    """What is under way for a flow."""
    row = await connection.fetchrow(WORK, list(KINDS), flow)
    return Work(**row) if row is not None else Work(False, False, False)


async def delete_waiting_work(connection: Connection, flow: HeliosId) -> int:
    """Nothing is to be done for this flow any more, but what a worker has in hand; gives how many jobs went."""
    return affected(
        await connection.execute(
            "delete from job where kind = any($1) and object_id = $2 and state <> 'running'", list(KINDS), flow
        )
    )


FORGET_HEADER = """
    update helios_transaction set root = null, xml_nomfic = null, xml_cod_col = null, xml_cod_bud = null,
        xml_id_post = null, xml_id_coll = null, domains = '{}' where id = $1"""
FREE_COUPLE = "delete from helios_nomfic where nomfic = $2 and cod_col = $3 and transaction_id = $1"


async def forget_header(connection: Connection, flow: HeliosTransaction) -> None:
    """What was read in the flow goes, and its couple (NomFic, CodCol) is free; in scope `system`."""
    await connection.execute(FORGET_HEADER, flow.id)
    await connection.execute(FREE_COUPLE, flow.id, flow.xml_nomfic or "", flow.xml_cod_col or "")


async def move_release(connection: Connection, flow: HeliosId) -> None:
    """An operator has decided: what may have arrived by the tries made so far is sent again.

    By the clock of the database, which is that of the tries.
    """
    await connection.execute("update helios_transaction set released_at = now() where id = $1", flow)


async def find_release(connection: Connection, flow: HeliosId) -> datetime | None:
    """When an operator decided so, if ever."""
    found: datetime | None = await connection.fetchval("select released_at from helios_transaction where id = $1", flow)
    return found


HAD_STATUS = "select exists (select from helios_workflow where transaction_id = $1 and status = $2)"


async def had_status(connection: Connection, flow: HeliosId, status: int) -> bool:
    """Whether a flow ever had this status."""
    found: bool = await connection.fetchval(HAD_STATUS, flow, status)
    return found


@dataclass(frozen=True, slots=True)
class Line:
    """A flow as an operator lists it; `since`: of its status, `work`: the state of its job."""

    id: HeliosId
    authority_id: AuthorityId
    authority: str
    status: int
    since: datetime
    submitted_at: datetime
    nomfic: str | None
    transmitted_name: str | None
    size: int
    route: str
    attempts: int
    work: str | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is listed: these states, in them since before an instant, of a collectivité, of a route; after a number."""

    statuses: tuple[int, ...]
    before: datetime
    authority: AuthorityId | None = None
    route: str | None = None
    set_aside: bool = False
    limit: int = 100


LIST = f"""
    select t.id, t.authority_id, a.name as authority, t.status, s.since, t.submitted_at, t.xml_nomfic as nomfic,
        t.transmitted_name, t.size, r.name as route,
        (select count(*) from attempt where object_kind = 'helios_transaction' and object_id = t.id) as attempts,
        j.state as work, j.last_error
    from helios_transaction t join authority a on a.id = t.authority_id join route r on r.id = t.route_id
    cross join lateral (
        select coalesce({SINCE}, t.submitted_at) as since) s
    left join lateral (
        select state, last_error from job where kind = any($1) and object_id = t.id
        order by state = 'dead' desc, id desc limit 1) j on true
    where t.status = any($2) and ($4::bigint is null or t.authority_id = $4) and ($5::text is null or r.name = $5)
        and t.submitted_at <= $3 and s.since <= $3 and (not $6 or j.state = 'dead')
    order by t.id limit $7"""


async def list_flows(connection: Connection, wanted: Wanted) -> list[Line]:
    """The flows that an operator looks for, the oldest first, in scope `system`."""
    rows = await connection.fetch(
        LIST,
        list(KINDS),
        list(wanted.statuses),
        wanted.before,
        wanted.authority,
        wanted.route,
        wanted.set_aside,
        wanted.limit,
    )
    return [Line(**row) for row in rows]
