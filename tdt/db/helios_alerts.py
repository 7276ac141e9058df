"""The flows and the routes that wait too long: how many, which of them nobody has told yet; in scope `system`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.audit import insert_audit
from tdt.db.lateness import since
from tdt.db.pool import Connection
from tdt.domain.helios.alert_text import LateFlow, Unacknowledged
from tdt.domain.helios.alerts import OF_STATUS, Kind
from tdt.domain.ids import AuthorityId, HeliosId, RouteId

ALERT_LOCK = 0x74647461
"""Advisory lock of the process that is telling alerts."""
AT_ONCE = 5000
"""New alerts told together; what is left comes with the next look."""


async def lock_alerts(connection: Connection) -> bool:
    """One transaction at a time tells alerts: False when another one does."""
    locked: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", ALERT_LOCK)
    return locked


SINCE = since("helios")
"""When the flow `t` came to its status: notes made in it since do not count."""

UNFINISHED = f"""
    unfinished as (
        select t.id, t.authority_id, t.route_id, t.status, coalesce({SINCE}, t.submitted_at) as since
        from helios_transaction t where t.status in (1, 2, 3))"""
"""Few, and an index of their own holds them."""


LIMIT = "case u.status when 1 then $1::timestamptz when 2 then $2::timestamptz else $3::timestamptz end"
"""Before which the unfinished flow `u` is late."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Flows of one status on one route: how many, the oldest, how many are late."""

    status: int
    route: str
    count: int
    oldest: datetime
    late: int


COUNT = f"""
    with {UNFINISHED}
    select u.status, r.name as route, count(*) as count, min(u.since) as oldest,
        count(*) filter (where u.since <= {LIMIT}) as late
    from unfinished u join route r on r.id = u.route_id group by u.status, r.name"""


async def count_waiting(connection: Connection, late: Mapping[Kind, datetime | None]) -> list[Waiting]:
    """What waits at 1, 2 and 3. `late`: the instants before which each is late."""
    return [Waiting(**row) for row in await connection.fetch(COUNT, *_instants(late))]


def _instants(late: Mapping[Kind, datetime | None]) -> Sequence[datetime | None]:
    return [late.get(kind) for kind in OF_STATUS.values()]


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A flow that is late, of which nobody has been told."""

    kind: Kind
    authority_id: AuthorityId
    route_id: RouteId
    flow: LateFlow


LATE = f"""
    with {UNFINISHED}
    select u.id, u.authority_id, u.route_id, u.status, u.since, a.name as authority, t.xml_nomfic as nomfic,
        t.xml_cod_col as cod_col, r.name as route, (
            select j.last_error from job j where j.kind in ('helios.analyse', 'helios.transmit') and j.object_id = u.id
            order by j.id desc limit 1) as reason
    from unfinished u join helios_transaction t on t.id = u.id join authority a on a.id = u.authority_id
    join route r on r.id = u.route_id
    where u.since <= {LIMIT}
        and not exists (
            select from helios_alert x where x.transaction_id = u.id and x.since = u.since and x.status = u.status)
    order by u.status, u.since, u.id limit $4"""


async def list_new(connection: Connection, late: Mapping[Kind, datetime | None]) -> list[NewAlert]:
    """The flows that are late and not told, the oldest first."""
    rows = await connection.fetch(LATE, *_instants(late), AT_ONCE)
    kinds = {int(status): kind for status, kind in OF_STATUS.items()}
    return [
        NewAlert(
            kinds[row["status"]],
            row["authority_id"],
            row["route_id"],
            LateFlow(
                row["id"],
                row["authority"],
                row["nomfic"],
                row["cod_col"],
                row["since"],
                row["route"],
                row["reason"],
            ),
        )
        for row in rows
    ]


INSERT = """
    insert into helios_alert (authority_id, route_id, transaction_id, status, kind, since)
    values ($1, $2, $3, $4, $5, $6) on conflict do nothing"""


async def insert_alerts(connection: Connection, alerts: Sequence[NewAlert]) -> None:
    """Say that these are told; the audit keeps it too."""
    statuses = {kind: int(status) for status, kind in OF_STATUS.items()}
    for one in alerts:
        since = one.flow.since
        await connection.execute(
            INSERT, one.authority_id, one.route_id, one.flow.id, statuses[one.kind], one.kind, since
        )
        data = {"kind": one.kind, "since": since.isoformat()}
        await insert_audit(connection, (one.authority_id, None), "system:helios:alert", one.flow.id, data)


@dataclass(frozen=True, slots=True)
class Route:
    """A route of HELIOS: the last file received, the flows that left before an instant and wait for their acquit."""

    id: RouteId
    name: str
    last: datetime | None
    waiting: int
    oldest: datetime | None


ROUTES = f"""
    with {UNFINISHED}
    select r.id, r.name, (select max(received_at) from received where route_id = r.id) as last,
        count(u.id) as waiting, min(u.since) as oldest
    from route r left join unfinished u on u.route_id = r.id and u.status = 3 and u.since <= $1::timestamptz
    where r.kind = 'helios' and r.active group by r.id, r.name order by r.id"""


async def list_routes(connection: Connection, before: datetime | None) -> list[Route]:
    """The routes in service."""
    return [Route(**row) for row in await connection.fetch(ROUTES, before)]


INSERT_SILENCE = """
    insert into helios_alert (route_id, kind, since) values ($1, 'silence', $2) on conflict do nothing returning id"""


async def insert_silence(connection: Connection, route: RouteId, since: datetime) -> bool:
    """Say that the silence of a route is told; False when it was."""
    if await connection.fetchval(INSERT_SILENCE, route, since) is None:
        return False
    data = {"kind": Kind.SILENCE, "since": since.isoformat()}
    await insert_audit(connection, (None, None), "system:helios:alert", route, data)
    return True


UNACKNOWLEDGED = f"""
    with {UNFINISHED}
    select u.id, a.name as authority, u.since, coalesce(t.xml_nomfic, '') as nomfic,
        coalesce(t.xml_cod_col, '') as cod_col, coalesce(t.xml_id_post, '') as id_post,
        coalesce(t.xml_cod_bud, '') as cod_bud,
        coalesce(nullif(t.sent_p_dest, ''), a.p_dest) as p_dest, encode(t.sha1, 'hex') as sha1, r.transport as mode
    from unfinished u join helios_transaction t on t.id = u.id join authority a on a.id = u.authority_id
    join route r on r.id = u.route_id
    where u.status = 3 and u.since < $1 order by u.since, u.id limit $2"""


async def list_unacknowledged(connection: Connection, before: datetime) -> list[Unacknowledged]:
    """The flows that left before an instant and have no acquit, the oldest first."""
    return [Unacknowledged(**row) for row in await connection.fetch(UNACKNOWLEDGED, before, AT_ONCE)]


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that was told."""

    kind: str
    transaction_id: HeliosId | None
    route: str
    authority_id: AuthorityId | None
    since: datetime
    told_at: datetime
    ended: bool


TOLD = f"""
    select x.kind, x.transaction_id, r.name as route, x.authority_id, x.since, x.told_at,
        case
            when t.id is null then exists (
                select from received d where d.route_id = x.route_id and d.received_at > x.since)
            else t.status <> x.status or x.since <> {SINCE} end as ended
    from helios_alert x join route r on r.id = x.route_id left join helios_transaction t on t.id = x.transaction_id
    order by x.id desc limit $1"""


async def list_told(connection: Connection, limit: int) -> list[Told]:
    """The last alerts told, the newest first; `ended`: what they told is over."""
    return [Told(**row) for row in await connection.fetch(TOLD, limit)]
