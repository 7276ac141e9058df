"""How a flow of HELIOS leaves: its route of the day, its labels, its archive; and how many leave by a route at once."""

from dataclasses import dataclass

from tdt.db.audit import insert_audit
from tdt.db.helios import OBJECT, HeliosTransaction
from tdt.db.pool import Connection
from tdt.domain.ids import AttemptId, ContentId, HeliosId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.transmission import CROWDED


@dataclass(frozen=True, slots=True)
class Sent:
    """As what a flow was last sent: its labels, and whether as a zip (None: never sent); its zip, once made."""

    p_dest: str = ""
    p_appli: str = ""
    zipped: bool | None = None
    zip_content_id: ContentId | None = None
    zip_sha1: bytes | None = None


async def get_sent(connection: Connection, transaction: HeliosId) -> Sent:
    """As what it was last sent."""
    row = await connection.fetchrow(
        """select sent_p_dest as p_dest, sent_p_appli as p_appli, sent_zipped as zipped, zip_content_id,
            zip_sha1 from helios_transaction where id = $1""",
        transaction,
    )
    return Sent(**row) if row is not None else Sent()


async def move_sent(connection: Connection, transaction: HeliosId, sent: Sent) -> None:
    """Say as what it is about to be sent, and keep its zip."""
    await connection.execute(
        """update helios_transaction set sent_p_dest = $2, sent_p_appli = $3, sent_zipped = $4, zip_content_id = $5,
            zip_sha1 = $6 where id = $1""",
        transaction,
        sent.p_dest,
        sent.p_appli,
        sent.zipped,
        sent.zip_content_id,
        sent.zip_sha1,
    )


async def move_route(connection: Connection, found: HeliosTransaction, route: RouteId) -> None:
    """Let a flow leave by the route that its collectivité takes now."""
    await connection.execute("update helios_transaction set route_id = $2 where id = $1", found.id, route)
    data = {"before": {"route": found.route_id}, "after": {"route": route}}
    await insert_audit(connection, (found.authority_id, None), "system:helios:route", found.id, data)


SIZE = """
    select coalesce(c.size, t.size) from helios_transaction t left join content c on c.id = t.zip_content_id
    where t.id = $1"""


async def get_size_to_send(connection: Connection, transaction: HeliosId) -> int:
    """How many bytes will leave: those of its zip once it is made, till then those of the flow."""
    size: int = await connection.fetchval(SIZE, transaction)
    return size


@dataclass(frozen=True, slots=True)
class Attempted:
    """The name and size of what an attempt was about, as they show at the other end."""

    name: str
    size: int


async def get_attempted(connection: Connection, attempt: AttemptId) -> Attempted | None:
    """What an attempt was about."""
    row = await connection.fetchrow("select name, size from attempt where id = $1", attempt)
    return Attempted(**row) if row is not None else None


COUNT = f"""
    select count(distinct a.object_id) filter (
            where a.outcome is null and a.object_id <> $2 and a.started_at >= j.started_at) as being_sent,
        count(distinct j.object_id) filter (
            where j.state = 'ready' and j.last_error like '{CROWDED}%') as waiting
    from job j join helios_transaction t on t.id = j.object_id
        left join attempt a on a.object_kind = '{OBJECT}' and a.object_id = t.id and j.state = 'running'
    where j.kind = '{JobKind.HELIOS_TRANSMIT}' and j.state in ('ready', 'running') and t.route_id = $1"""


async def count_being_sent(connection: Connection, route: RouteId, but: HeliosId) -> tuple[int, int]:
    """How many other flows are being sent by a route, and how many wait for a place.

    The attempts that a killed worker left do not count.
    """
    row = await connection.fetchrow(COUNT, route, but)
    return (row["being_sent"], row["waiting"]) if row is not None else (0, 0)


WAKE_NEXT = f"""
    with served as (
        select authority_id, max(started_at) as at from attempt
        where route_id = $1 and started_at > now() - interval '1 hour' group by authority_id),
    due as materialized (
        select j.id from job j join helios_transaction t on t.id = j.object_id
        where j.kind = '{JobKind.HELIOS_TRANSMIT}' and t.route_id = $1 and (
            j.state = 'running' or j.id = (
                select n.id from job n join helios_transaction w on w.id = n.object_id
                    left join served s on s.authority_id = w.authority_id
                where n.kind = '{JobKind.HELIOS_TRANSMIT}' and n.state = 'ready' and w.route_id = $1
                    and n.last_error like '{CROWDED}%' order by s.at nulls first, n.object_id limit 1))
        order by j.id for no key update of j),
    woken as (
        update job j set woken_at = clock_timestamp(),
            run_at = case when j.state = 'ready' then now() else j.run_at end,
            published_at = case when j.state = 'ready' then null else j.published_at end
        from due where j.id = due.id returning j.id, j.state)
    select count(pg_notify('tdt_job', id::text)) from woken where state = 'ready'"""
"""Those that run are marked too: they may have counted before (tdt.db.jobs.MOVE_TO_READY).

In one order, as all wakes."""


async def wake_next(connection: Connection, route: RouteId) -> None:
    """A place is free on a route: have a flow that waits for one looked at: collectivités in turn."""
    await connection.fetchval(WAKE_NEXT, route)
