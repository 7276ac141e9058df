"""Breakers: a row for each remote and route, shared by all workers; what waits for them; in scope `system`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tdt.db.jobs import write_wake
from tdt.db.pool import SOON_SILENT, Connection, Record
from tdt.db.windows import IS_OF_ROUTE, is_closed
from tdt.domain import breaker as rule
from tdt.domain.breaker import Breaker, Go, Remote, Rules, Sign, Wait
from tdt.domain.ids import RouteId
from tdt.domain.jobs import JobKind

COLUMNS = "failures, opened_at, probe_at, probing_until, probes, forced, last_error"
IT = "from breaker where remote = $1 and route_id is not distinct from $2"
GET = f"select {COLUMNS} {IT}"
LOCK = f"select {COLUMNS}, set_config('idle_in_transaction_session_timeout', $3, true) {IT} for no key update"


@dataclass(frozen=True, slots=True)
class Place:
    """Which breaker: that of a remote, or of a remote by a route."""

    remote: Remote
    route: RouteId | None = None

    @property
    def subject(self) -> str:
        """As alerts name it."""
        return str(self.remote) if self.route is None else f"{self.remote}:route:{self.route}"


async def get_breaker(connection: Connection, place: Place) -> Breaker:
    """As it is; closed when nothing ever failed."""
    row = await connection.fetchrow(GET, place.remote, place.route)
    return _breaker(row) if row is not None else Breaker()


async def lock_breaker(connection: Connection, place: Place) -> Breaker:
    """The same, to be changed by this transaction alone."""
    await connection.execute(
        "insert into breaker (remote, route_id) values ($1, $2) on conflict do nothing", place.remote, place.route
    )
    row = await connection.fetchrow(LOCK, place.remote, place.route, SOON_SILENT)
    return _breaker(row) if row is not None else Breaker()


MOVE = """
    update breaker set failures = $3, opened_at = $4, probe_at = $5, probing_until = $6, probes = $7, forced = $8,
        last_error = $9, changed_at = now()
    where remote = $1 and route_id is not distinct from $2"""


async def move_breaker(connection: Connection, place: Place, to: Breaker) -> None:
    """Write what it is now."""
    times = (to.opened_at, to.probe_at, to.probing_until)
    await connection.execute(MOVE, place.remote, place.route, to.failures, *times, to.probes, to.forced, to.last_error)


async def find_wait(connection: Connection, place: Place, now: datetime, rules: Rules) -> Wait | None:
    """Whether the remote is to be left alone now: looked at, nothing decided."""
    answer = rule.ask(await get_breaker(connection, place), now, rules)
    return answer if isinstance(answer, Wait) else None


async def ask(connection: Connection, place: Place, now: datetime, rules: Rules) -> Go | Wait:
    """May the remote be tried? The probe is given to one; its transaction that is rolled back never had it."""
    if not (await get_breaker(connection, place)).is_open:
        return Go()
    locked = await lock_breaker(connection, place)
    answer = rule.ask(locked, now, rules)
    if isinstance(answer, Go) and answer.probe:
        await move_breaker(connection, place, rule.begin(locked, now))
    return answer


@dataclass(frozen=True, slots=True)
class End:
    """How a try ended: what it says of the remote, whether it was the probe, and why."""

    sign: Sign
    probe: bool
    error: str = ""


ANSWERED = End(Sign.ANSWERED, probe=False)


async def note(connection: Connection, place: Place, end: End, now: datetime, rules: Rules) -> Breaker:
    """Write what the end of a try says of the remote; one that answers again wakes what waits for it.

    While the State has announced that it is closed, its silence says nothing.
    """
    known = await get_breaker(connection, place)
    if known == Breaker() and end.sign is not Sign.FAILED:
        return known
    sign = end.sign
    if sign is Sign.FAILED and place.route is not None and await is_closed(connection, place.route, now):
        sign = Sign.NOTHING
    known = await lock_breaker(connection, place)
    changed = known
    if sign is Sign.ANSWERED:
        changed = rule.succeed(known)
    elif sign is Sign.FAILED:
        changed = rule.fail(known, now, rules, end.probe, end.error)
    elif sign is Sign.NOT_ASKED:
        changed = rule.give_back(known) if end.probe else known
    elif end.probe:
        changed = rule.leave(known, now, rules)
    if changed != known:
        await move_breaker(connection, place, changed)
    if known.is_open and not changed.is_open:
        await wake(connection, place)
    return changed


WAITING_KINDS = {
    Remote.ANTIVIRUS: [JobKind.ACTES_ANALYSE, JobKind.HELIOS_ANALYSE],
    Remote.MAIL: [JobKind.NOTICE_SEND, JobKind.ACTE_NOTIFY],
}
WAITS = f"(last_error like '{rule.PAUSED}%' or last_error in ('INDISPONIBLE', 'ANTIVIRUS_INDISPONIBLE'))"


OF_KINDS = "j.kind = any($1)"
WAKE_ROUTE, WAKE_KINDS = write_wake(IS_OF_ROUTE, WAITS), write_wake(OF_KINDS, WAITS)


async def wake(connection: Connection, place: Place) -> int:
    """Have what waits for a remote tried again once this transaction is committed; gives how many."""
    return await _of(connection, place, WAKE_ROUTE, WAKE_KINDS)


COUNT = f"select count(*) from job j where j.state = 'ready' and ({{}}) and {WAITS}"


async def count_waiting(connection: Connection, place: Place) -> int:
    """What waits for a remote: how many pieces of work, tried once or held."""
    return await _of(connection, place, COUNT.format(IS_OF_ROUTE), COUNT.format(OF_KINDS))


async def _of(connection: Connection, place: Place, by_route: str, by_kinds: str) -> int:
    """What a statement gives for what waits for a remote: nothing of ours waits for a reception."""
    if place.remote is Remote.RECEPTION:
        return 0
    found: int
    if place.route is not None:
        found = await connection.fetchval(by_route, place.route)
    else:
        found = await connection.fetchval(by_kinds, WAITING_KINDS[place.remote])
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A breaker and its place, as an operator sees it."""

    place: Place
    route: str
    breaker: Breaker
    announced: bool
    """Its route is closed now, as the calendar said."""
    waiting: int = 0
    """How many pieces of work wait behind it, where it was counted."""


LIST = f"""
    select b.remote, b.route_id, coalesce(r.name, '') as route, {COLUMNS}
    from breaker b left join route r on r.id = b.route_id order by b.remote, b.route_id"""


async def list_breakers(connection: Connection, now: datetime) -> Sequence[Shown]:
    """All that ever counted a failure."""
    shown = []
    for row in await connection.fetch(LIST):
        place = Place(Remote(row["remote"]), row["route_id"])
        announced = place.route is not None and await is_closed(connection, place.route, now)
        shown.append(Shown(place, row["route"], _breaker(row), announced))
    return shown


async def count_all_waiting(connection: Connection, shown: Sequence[Shown]) -> list[Shown]:
    """The same with what waits behind those that are open."""
    return [
        replace(one, waiting=await count_waiting(connection, one.place)) if one.breaker.is_open else one
        for one in shown
    ]


def _breaker(row: Record) -> Breaker:
    return Breaker(**{name: row[name] for name in COLUMNS.split(", ")})
