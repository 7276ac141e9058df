"""Balances: made once for each day, signed once, never changed; and which collectivité is next."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tdt.db.pool import Connection, Record, affected
from tdt.domain.balance import Tally
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind


@dataclass(frozen=True, slots=True)
class Due:
    """A collectivité whose balances are to be made, and the last day of which it has them."""

    id: AuthorityId
    name: str
    siren: str
    balanced_on: date | None


LOCK_DUE = """
    select id, name, siren, balanced_on from authority
    where purged_at is null and purge_started_at is null and (balanced_on is null or balanced_on < $1)
        and ($3::bigint is null or id = $3)
        and (balanced_on < $1::date - 1 or (id * 7919) % greatest($4::integer, 1) <= $2::integer)
    order by balanced_on nulls first, id limit 1 for no key update skip locked"""


async def lock_due(
    connection: Connection, until: date, seconds: int, spread: int, only: AuthorityId | None
) -> Due | None:
    """The next collectivité without its balances up to this day, held by this transaction; None: none is due.

    `seconds` after the hour at which it begins, of `spread` over which they are spread; what is late does not wait.
    """
    row = await connection.fetchrow(LOCK_DUE, until, min(max(seconds, 0), 10**6), only, spread)
    return Due(**row) if row is not None else None


async def move_balanced_on(connection: Connection, authority: AuthorityId, day: date) -> None:
    """Say up to which day a collectivité has its balances."""
    await connection.execute("update authority set balanced_on = $2 where id = $1", authority, day)


async def list_balanced(connection: Connection) -> list[AuthorityId]:
    """The collectivités that have their balances up to some day, and still have their flows."""
    rows = await connection.fetch(
        "select id from authority where balanced_on is not null and purge_started_at is null order by id"
    )
    return [AuthorityId(row["id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Previous:
    """What the next balance begins with."""

    sha256: bytes
    ledger: Tally
    faulty: tuple[int, ...]
    document: bytes


FIRST = """
    select min(first.at) from authority a
        cross join lateral (select at from event where authority_id = a.id order by at limit 1) first
    where $1::bigint is null or a.id = $1"""


async def get_first_event(connection: Connection, authority: AuthorityId | None) -> datetime | None:
    """When something happened first, a deposit or what came, to a collectivité or to any; None: nothing ever."""
    at: datetime | None = await connection.fetchval(FIRST, authority)
    return at


PREVIOUS = """
    select distinct on (route_id) route_id, sha256, ledger, faulty, document from balance
    where authority_id = $1 and module = $2 and day < $3 order by route_id, day desc"""


async def list_previous(
    connection: Connection, authority: AuthorityId, module: RouteKind, day: date
) -> dict[RouteId, Previous]:
    """The last balance of each route before this day."""
    rows = await connection.fetch(PREVIOUS, authority, module, day)
    return {
        row["route_id"]: Previous(row["sha256"], Counter(row["ledger"]), tuple(row["faulty"]), row["document"])
        for row in rows
    }


async def list_last(
    connection: Connection, authority: AuthorityId, module: RouteKind, day: date
) -> dict[RouteId, Previous]:
    """The last balance of each route up to the end of this day."""
    return await list_previous(connection, authority, module, day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class NewBalance:
    """A balance to keep."""

    authority_id: AuthorityId
    module: RouteKind
    route_id: RouteId
    day: date
    balanced: bool
    document: bytes
    sha256: bytes
    ledger: Tally
    faulty: Sequence[int]


INSERT = """
    insert into balance (authority_id, module, route_id, day, balanced, document, sha256, ledger, faulty)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id"""


async def insert_balance(connection: Connection, new: NewBalance) -> int:
    """Keep it. Conflict when this day has one."""
    number: int = await connection.fetchval(
        INSERT,
        new.authority_id,
        new.module,
        new.route_id,
        new.day,
        new.balanced,
        new.document,
        new.sha256,
        dict(new.ledger),
        list(new.faulty),
    )
    return number


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance that is kept. `previous`: the digest of the one before it, of the same route."""

    id: int
    authority_id: AuthorityId
    module: RouteKind
    route_id: RouteId
    day: date
    balanced: bool
    document: bytes
    sha256: bytes
    signature: bytes | None
    certificate: bytes | None
    signed_at: datetime | None
    made_at: datetime
    previous: bytes | None


SELECT = """
    select b.id, b.authority_id, b.module, b.route_id, b.day, b.balanced, b.document, b.sha256, b.signature,
        b.certificate, b.signed_at, b.made_at, (
            select p.sha256 from balance p
            where p.authority_id = b.authority_id and p.module = b.module and p.route_id = b.route_id and p.day < b.day
            order by p.day desc limit 1) as previous
    from balance b"""
LIST = f"""{SELECT}
    where b.day between $1 and $2 and ($3::bigint is null or b.authority_id = $3) and b.id > $4
        and ($6::text[] is null or b.module = any($6))
    order by b.id limit $5"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which balances: of these days, of a collectivité or all that the scope sees, of these modules, after a number."""

    first: date
    last: date
    authority: AuthorityId | None = None
    modules: Sequence[RouteKind] | None = None
    after: int = 0
    limit: int = 1000


async def list_balances(connection: Connection, wanted: Wanted) -> list[Balance]:
    """The balances asked for, in the order in which they were made."""
    modules = list(wanted.modules) if wanted.modules is not None else None
    rows = await connection.fetch(
        LIST, wanted.first, wanted.last, wanted.authority, wanted.after, wanted.limit, modules
    )
    return [_balance(row) for row in rows]


async def get_balance(connection: Connection, number: int) -> Balance | None:
    """A balance that the scope sees, or None."""
    row = await connection.fetchrow(f"{SELECT} where b.id = $1", number)
    return _balance(row) if row is not None else None


UNSIGNED = "select id, document from balance where signature is null and id > $1 order by id limit $2"
SIGN = "update balance set signature = $2, certificate = $3, signed_at = $4 where id = $1 and signature is null"


async def list_unsigned(connection: Connection, after: int, limit: int = 200) -> list[tuple[int, bytes]]:
    """Balances without signature: number and document."""
    return [(row["id"], row["document"]) for row in await connection.fetch(UNSIGNED, after, limit)]


async def move_to_signed(
    connection: Connection, number: int, signature: bytes, certificate: bytes, at: datetime
) -> bool:
    """Add the signature, once."""
    return affected(await connection.execute(SIGN, number, signature, certificate, at)) == 1


COUNTS = """
    select (select count(*) from balance where signature is null) as unsigned,
        (select count(*) from alert where kind = 'balance' and ended_at is null) as unbalanced,
        (select count(*) from authority where purged_at is null and purge_started_at is null
            and balanced_on < $1) as late"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How balances stand: without signature, routes that do not balance, collectivités that miss one."""

    unsigned: int
    unbalanced: int
    late: int


async def count_balances(connection: Connection, until: date) -> Counts:
    """How they stand; late: without those of this day."""
    row = await connection.fetchrow(COUNTS, until)
    assert row is not None
    return Counts(row["unsigned"], row["unbalanced"], row["late"])


def _balance(row: Record) -> Balance:
    values = dict(row)
    values["module"] = RouteKind(values["module"])
    return Balance(**values)
