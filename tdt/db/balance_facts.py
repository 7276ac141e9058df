"""What balances are made from, each fact from where it is written; in scope `system`, in one snapshot."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from tdt.db.actes import ENVELOPE
from tdt.db.actes import OBJECT as ACTE
from tdt.db.helios import OBJECT as FLOW
from tdt.db.pool import Connection
from tdt.domain.balance import OPEN, SENDING_COUNTS, Tally, key_of
from tdt.domain.balance_flows import ANSWERS, Event, Flow, RouteMove, Row, in_order
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind

OBJECTS: Mapping[RouteKind, str] = {RouteKind.ACTES: ACTE, RouteKind.HELIOS: FLOW}
SENT_AS: Mapping[RouteKind, str] = {RouteKind.ACTES: ENVELOPE, RouteKind.HELIOS: FLOW}
ACCEPTED = "outcome in ('accepted', 'settled')"
ROUTE_MOVED = "system:helios:route"


async def see_one_instant(connection: Connection) -> None:
    """Let the transaction see, to its end, what there is now; to be called first in it."""
    await connection.execute("set transaction isolation level repeatable read")


TOUCHED = {
    RouteKind.ACTES: """
        select object_id from event where authority_id = $1 and object_kind = $2 and at >= $3
        union select id from acte_transaction where authority_id = $1 and status = any($4)
        union select t.id from received r cross join unnest(string_to_array(r.detail, ' ; ')) named
            join acte_transaction t on t.unique_id = named and t.authority_id = r.authority_id
            where r.authority_id = $1 and r.handled_at >= $3 and r.state = 'handled' and r.kind like '%1-2%'
                and t.type = 1 and t.superseded_at is null""",
    RouteKind.HELIOS: """
        select object_id from event where authority_id = $1 and object_kind = $2 and at >= $3
        union select id from helios_transaction where authority_id = $1 and status = any($4)
        union select helios_id from received
            where authority_id = $1 and handled_at >= $3 and state = 'handled' and helios_id is not null""",
}


async def list_touched(connection: Connection, authority: AuthorityId, module: RouteKind, since: datetime) -> list[int]:
    """The flows that moved since, that are open, that an answer named."""
    rows = await connection.fetch(TOUCHED[module], authority, OBJECTS[module], since, OPEN[module])
    return [row["object_id"] for row in rows]


ALL = {
    RouteKind.ACTES: """
        select object_id as id from event where authority_id = $1 and object_kind = $2
        union select id from acte_transaction where authority_id = $1 order by id""",
    RouteKind.HELIOS: """
        select object_id as id from event where authority_id = $1 and object_kind = $2
        union select id from helios_transaction where authority_id = $1 order by id""",
}


async def list_all(connection: Connection, authority: AuthorityId, module: RouteKind) -> list[int]:
    """Every flow of a collectivité that the ledger or the table knows."""
    return [row["id"] for row in await connection.fetch(ALL[module], authority, OBJECTS[module])]


ROWS = {
    RouteKind.ACTES: """
        select t.id, t.status, t.origin, e.route_id, e.received as letter, e.id as sent_as
        from acte_transaction t join acte_envelope e on e.id = t.envelope_id
        where t.authority_id = $1 and t.id = any($2)""",
    RouteKind.HELIOS: """
        select id, status, origin, route_id, false as letter, id as sent_as
        from helios_transaction where authority_id = $1 and id = any($2)""",
}
EVENTS = """
    select object_id, from_status, to_status, at from event
    where object_kind = $1 and object_id = any($2) and authority_id = $3 order by id"""
"""Each was written by the transaction that held the flow: their numbers are in the order of the moves."""
ATTEMPTS = f"""
    select object_id, started_at, case when {ACCEPTED} then ended_at end as accepted_at from attempt
    where object_kind = $1 and object_id = any($2)"""
MOVES = """
    select object_id, at, (data -> 'before' ->> 'route')::bigint as before,
        (data -> 'after' ->> 'route')::bigint as after
    from audit where authority_id = $1 and tag = $2 and object_id = any($3) order by id"""
INSTANTS = """
    select distinct handled_at from received
    where (authority_id = $1 or authority_id is null) and handled_at = any($2) and state <> 'new'"""
NAMED = {
    RouteKind.ACTES: """
        select t.id, r.handled_at from received r cross join unnest(string_to_array(r.detail, ' ; ')) named
            join acte_transaction t on t.unique_id = named and t.authority_id = r.authority_id
        where r.authority_id = $1 and t.id = any($2) and t.type = 1 and t.superseded_at is null and r.state = 'handled'
            and r.kind like '%1-2%'""",
    RouteKind.HELIOS: """
        select helios_id as id, handled_at from received
        where authority_id = $1 and helios_id = any($2) and state = 'handled'""",
}


async def list_flows(
    connection: Connection, authority: AuthorityId, module: RouteKind, numbers: Sequence[int]
) -> list[Flow]:
    """All that is known of these flows; one that nothing knows is left out."""
    rows = {row["id"]: row for row in await connection.fetch(ROWS[module], authority, numbers)}
    events: dict[int, list[Event]] = {}
    for row in await connection.fetch(EVENTS, OBJECTS[module], numbers, authority):
        events.setdefault(row["object_id"], []).append(Event(row["at"], row["from_status"], row["to_status"]))
    sent_as: dict[int, list[datetime]] = {row["sent_as"]: [] for row in rows.values()}
    tried: dict[int, list[datetime]] = {}
    for row in await connection.fetch(ATTEMPTS, SENT_AS[module], list(sent_as)):
        tried.setdefault(row["object_id"], []).append(row["started_at"])
        if row["accepted_at"] is not None:
            sent_as[row["object_id"]].append(row["accepted_at"])
    answers = await _list_instants(connection, authority, module, events)
    named = _grouped(await connection.fetch(NAMED[module], authority, numbers))
    moves = await _list_moves(connection, authority, module, numbers)
    return [
        Flow(
            id=number,
            module=module,
            row=Row(row["status"], row["route_id"], row["letter"], row["origin"]) if row is not None else None,
            events=in_order(events.get(number, ())),
            accepted=tuple(sent_as[row["sent_as"]]) if row is not None else (),
            answers=answers,
            answered=tuple(named.get(number, ())),
            moves=tuple(moves.get(number, ())),
            tried=tuple(tried.get(row["sent_as"], ())) if row is not None else (),
        )
        for number in numbers
        if (row := rows.get(number)) is not None or number in events
    ]


async def _list_instants(
    connection: Connection, authority: AuthorityId, module: RouteKind, events: Mapping[int, Collection[Event]]
) -> frozenset[datetime]:
    """When, among these moves, an answer was applied: it is marked in the transaction of the move, at its instant."""
    wanted = {one.at for each in events.values() for one in each if one.target in ANSWERS[module]}
    if not wanted:
        return frozenset()
    return frozenset(row["handled_at"] for row in await connection.fetch(INSTANTS, authority, list(wanted)))


async def _list_moves(
    connection: Connection, authority: AuthorityId, module: RouteKind, numbers: Sequence[int]
) -> dict[int, list[RouteMove]]:
    moves: dict[int, list[RouteMove]] = {}
    if module is RouteKind.HELIOS:
        for row in await connection.fetch(MOVES, authority, ROUTE_MOVED, numbers):
            moves.setdefault(row["object_id"], []).append(RouteMove(row["at"], row["before"], row["after"]))
    return moves


def _grouped(rows: Sequence[Mapping[str, object]]) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = {}
    for row in rows:
        number, at = row["id"], row["handled_at"]
        assert isinstance(number, int) and isinstance(at, datetime)
        found.setdefault(number, []).append(at)
    return found


TALLIES = {
    RouteKind.ACTES: f"""
        select route_id, status, letter, sent, count(*) as number from (
            select e.route_id, t.status, e.received as letter, t.status = any($3) and exists (
                select from attempt a
                where a.object_kind = '{ENVELOPE}' and a.object_id = e.id and {ACCEPTED}) as sent
            from acte_transaction t join acte_envelope e on e.id = t.envelope_id
            where t.authority_id = $1 and t.id <> all($2)) one
        group by 1, 2, 3, 4""",
    RouteKind.HELIOS: f"""
        select route_id, status, false as letter, sent, count(*) as number from (
            select route_id, status, t.status = any($3) and exists (
                select from attempt a where a.object_kind = '{FLOW}' and a.object_id = t.id and {ACCEPTED}) as sent
            from helios_transaction t where t.authority_id = $1 and t.id <> all($2)) one
        group by 1, 2, 3, 4""",
}


async def count_others(
    connection: Connection, authority: AuthorityId, module: RouteKind, numbers: Sequence[int]
) -> dict[RouteId, Tally]:
    """The statuses of all flows but these, by route."""
    tallies: dict[RouteId, Tally] = {}
    for row in await connection.fetch(TALLIES[module], authority, numbers, SENDING_COUNTS[module]):
        key = key_of(module, row["status"], row["sent"], row["letter"])
        tallies.setdefault(row["route_id"], Counter())[key] += row["number"]
    return tallies


FALLBACK = """
    select coalesce(
        (select route_id from authority_route where authority_id = $1 and kind = $2 and valid_from <= $3
            order by valid_from desc limit 1),
        (select min(id) from route where kind = $2))"""


async def find_fallback_route(
    connection: Connection, authority: AuthorityId, module: RouteKind, day: date
) -> RouteId | None:
    """The route under which a flow that is not there any more is told of."""
    found = await connection.fetchval(FALLBACK, authority, module, day)
    return RouteId(found) if found is not None else None
