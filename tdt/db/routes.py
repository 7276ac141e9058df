"""Routes to the State, and what was received through them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tdt.db.pool import Connection, Record, Scope, affected
from tdt.domain.ids import AuthorityId, ContentId, HeliosId, ReceivedId, RouteId
from tdt.domain.routes import Route, RouteKind, Transport

ROUTE_COLUMNS = "id, kind, transport, name, settings, credentials, test"

IS_ROUTE_OF = """active and id = (
        select route_id from authority_route
        where authority_id = {authority} and kind = {kind} and valid_from <= {day}
            and (valid_to is null or valid_to > {day})
        order by valid_from desc limit 1)"""
"""The condition on `route`, with the names of its three parameters to be filled in."""

ROUTE_OF = f"select {ROUTE_COLUMNS} from route where " + IS_ROUTE_OF.format(authority="$1", kind="$2", day="$3")


DEPOSIT_ROUTE = f"""
    select coalesce(a.closes_on <= $3, false) as closed, r.*
    from authority a left join ({ROUTE_OF}) r on true where a.id = $1"""


async def find_deposit_route(
    connection: Connection, authority: AuthorityId, kind: RouteKind, day: date
) -> tuple[bool, Route | None]:
    """For a deposit of this civil day: whether the authority is closed, and its route. Closed when it is not seen.

    Read without a lock: a deposit and a closing of the same instant are as if the deposit came first. Both look at
    nothing else of the other, and what follows sees it: `flows/closing.refuse_drafts` what waits to be confirmed, the
    purge what no export holds (`domain/closing.purge_obstacle`). A lock would put every deposit behind every closing.
    """
    row = await connection.fetchrow(DEPOSIT_ROUTE, authority, kind, day)
    if row is None:
        return True, None
    return row["closed"], _route(row) if row["id"] is not None else None


async def get_route(connection: Connection, route: RouteId) -> Route | None:
    """A route by its id."""
    row = await connection.fetchrow(f"select {ROUTE_COLUMNS} from route where id = $1", route)
    return _route(row) if row is not None else None


async def list_active_routes(connection: Connection, kind: RouteKind) -> list[Route]:
    """The routes to listen to."""
    rows = await connection.fetch(f"select {ROUTE_COLUMNS} from route where active and kind = $1 order by id", kind)
    return [_route(row) for row in rows]


def _route(row: Record) -> Route:
    return Route(
        RouteId(row["id"]),
        RouteKind(row["kind"]),
        Transport(row["transport"]),
        row["name"],
        row["settings"],
        row["credentials"],
        row["test"],
    )


@dataclass(frozen=True, slots=True)
class NewRoute:
    """A way to the State to record; `credentials` names a section of the configuration."""

    kind: RouteKind
    transport: Transport
    name: str
    settings: Mapping[str, object]
    credentials: str = ""
    test: bool = False


INSERT_ROUTE = """
    insert into route (kind, transport, name, settings, credentials, test) values ($1, $2, $3, $4, $5, $6)
    returning id"""


async def insert_route(connection: Connection, new: NewRoute) -> RouteId:
    """Record a route."""
    return RouteId(
        await connection.fetchval(
            INSERT_ROUTE, new.kind, new.transport, new.name, dict(new.settings), new.credentials, new.test
        )
    )


async def insert_authority_route(
    connection: Connection, authority: AuthorityId, kind: RouteKind, route: RouteId, valid_from: date
) -> None:
    """Say which route a collectivité uses for a kind, from this day on; what was before stays.

    What was planned for this day or a later one is replaced.
    """
    await connection.execute(
        "delete from authority_route where authority_id = $1 and kind = $2 and valid_from >= $3",
        authority,
        kind,
        valid_from,
    )
    await connection.execute(
        """update authority_route set valid_to = $3
        where authority_id = $1 and kind = $2 and (valid_to is null or valid_to > $3)""",
        authority,
        kind,
        valid_from,
    )
    await connection.execute(
        "insert into authority_route (authority_id, kind, route_id, valid_from) values ($1, $2, $3, $4)",
        authority,
        kind,
        route,
        valid_from,
    )


@dataclass(frozen=True, slots=True)
class RouteLine:
    """A route as the operator sees it: how many collectivités use it today, what waits to leave by it (`waiting`), and
    what left by it and has no answer yet (`unanswered`)."""

    id: RouteId
    kind: str
    transport: str
    name: str
    credentials: str
    test: bool
    active: bool
    settings: Mapping[str, object]
    authorities: int
    waiting: int = 0
    unanswered: int = 0


COUNTED = "id, kind, transport, name, credentials, test, active, settings"
AUTHORITIES = """
    (select count(*) from authority_route u where u.route_id = r.id and u.valid_from <= tdt_today()
        and (u.valid_to is null or u.valid_to > tdt_today())) as authorities"""
LIST_ROUTES = f"""
    with waiting as (
        select route_id, count(*) as many from (
            select route_id from helios_transaction where status = 2
            union all
            select e.route_id from job j join acte_envelope e on e.id = j.object_id where j.kind = 'actes.transmit') w
        group by route_id),
    unanswered as (
        select route_id, count(*) as many from (
            select route_id from helios_transaction where status = 3
            union all
            select e.route_id from acte_transaction t join acte_envelope e on e.id = t.envelope_id
            where t.status = 3 and t.type <> 2) w
        group by route_id)
    select {COUNTED}, {AUTHORITIES}, coalesce(w.many, 0) as waiting, coalesce(u.many, 0) as unanswered
    from route r left join waiting w on w.route_id = r.id left join unanswered u on u.route_id = r.id
    order by kind, name"""
LOCK_ROUTE = f"select {COUNTED}, {AUTHORITIES} from route r where id = $1 for update of r"


async def list_routes(connection: Connection) -> list[RouteLine]:
    """Every route, in scope `system`."""
    return [RouteLine(**row) for row in await connection.fetch(LIST_ROUTES)]


async def lock_route(connection: Connection, route: RouteId) -> RouteLine | None:
    """One route, kept from other operators until the end of the transaction, in scope `system`; not what it carries."""
    row = await connection.fetchrow(LOCK_ROUTE, route)
    return RouteLine(**row) if row is not None else None


async def move_route(connection: Connection, route: RouteId, active: bool, settings: Mapping[str, object]) -> None:
    """Open or close a route, and give it its address."""
    await connection.execute("update route set active = $2, settings = $3 where id = $1", route, active, dict(settings))


@dataclass(frozen=True, slots=True)
class Use:
    """A collectivité that uses a route; `valid_to` is the first day on which it does not any more."""

    kind: str
    route_id: RouteId
    name: str
    test: bool
    valid_from: date
    valid_to: date | None


async def list_uses(connection: Connection, authority: AuthorityId) -> list[Use]:
    """The routes that a collectivité used, uses and will use, oldest first."""
    rows = await connection.fetch(
        """select u.kind, u.route_id, r.name, r.test, u.valid_from, u.valid_to
        from authority_route u join route r on r.id = u.route_id
        where u.authority_id = $1 order by u.kind, u.valid_from""",
        authority,
    )
    return [Use(**row) for row in rows]


Period = tuple[int, str, str | None]


async def list_periods(connection: Connection, authority: AuthorityId, kind: RouteKind) -> list[Period]:
    """The same for one kind, as the audit keeps it: route, first day, first day after."""
    return [
        (one.route_id, str(one.valid_from), str(one.valid_to) if one.valid_to is not None else None)
        for one in await list_uses(connection, authority)
        if one.kind == kind
    ]


@dataclass(frozen=True, slots=True)
class Received:
    """A raw thing received from the State, stored before it was looked at.

    `assigned`: an operator gave it to `authority_id`, and to `assigned_act` (an IDActe) unless that is empty, or to the
    flow `assigned_helios_id`; `vouched_by`: the operator who answers for it although it looked forged; `helios_id`: the
    flow that an earlier reading found it to answer.
    """

    id: ReceivedId
    authority_id: AuthorityId | None
    route_id: RouteId
    name: str
    content_id: ContentId
    state: str
    assigned: bool = False
    assigned_act: str = ""
    vouched_by: str | None = None
    helios_id: HeliosId | None = None
    assigned_helios_id: HeliosId | None = None

    @property
    def scope(self) -> Scope:
        """In whose name it is read: what an operator gave to a collectivité sees nothing of the others."""
        return self.authority_id if self.assigned and self.authority_id is not None else "system"


INSERT_RECEIVED = """
    insert into received (route_id, remote_key, name, content_id) values ($1, $2, $3, $4) returning id"""


async def insert_received(
    connection: Connection, route: RouteId, remote_key: str, name: str, content: ContentId
) -> ReceivedId:
    """Store a reception once: the same remote key a second time raises Conflict (received_route_id_remote_key_key)."""
    return ReceivedId(await connection.fetchval(INSERT_RECEIVED, route, remote_key, name, content))


async def find_received(connection: Connection, route: RouteId, remote_key: str) -> ReceivedId | None:
    """Whether this remote thing is already stored."""
    found = await connection.fetchval(
        "select id from received where route_id = $1 and remote_key = $2", route, remote_key
    )
    return ReceivedId(found) if found is not None else None


GET_RECEIVED = """
    select id, authority_id, route_id, name, content_id, state, assigned, assigned_act, vouched_by, helios_id,
        assigned_helios_id from received where id = $1"""


async def get_received(connection: Connection, received: ReceivedId) -> Received | None:
    """A reception by its id."""
    row = await connection.fetchrow(GET_RECEIVED, received)
    return Received(**row) if row is not None else None


async def lock_received(connection: Connection, received: ReceivedId) -> Received | None:
    """The same, held until the end of the transaction: one reading at a time, and no operator meanwhile."""
    row = await connection.fetchrow(f"{GET_RECEIVED} for update", received)
    return Received(**row) if row is not None else None


MOVE_RECEIVED = """
    update received set state = $2, kind = $3, detail = $4, authority_id = $5, code = $6, helios_id = $7,
        handled_at = now()
    where id = $1 and state = 'new'"""


@dataclass(frozen=True, slots=True)
class Handling:
    """What was made of a reception: `handled`, `ignored` or `set_aside` (the operator's box), and why.

    `code`: why it waits, one of domain/helios/box; `helios_id`: the flow that it answers.
    """

    state: str
    kind: str
    detail: str = ""
    authority_id: AuthorityId | None = None
    code: str = ""
    helios_id: HeliosId | None = None


async def move_received(connection: Connection, received: ReceivedId, handling: Handling) -> bool:
    """Record what was made of a reception; False when it was not new any more."""
    status = await connection.execute(
        MOVE_RECEIVED,
        received,
        handling.state,
        handling.kind,
        handling.detail,
        handling.authority_id,
        handling.code,
        handling.helios_id,
    )
    return affected(status) == 1
