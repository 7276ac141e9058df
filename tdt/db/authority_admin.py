"""Collectivités as their administrators see and change them: lists, pages, one whole, its SIRETs."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date

from tdt.db.authorities import AUTHORITY_TABLES, MEMBERSHIP_TODAY
from tdt.db.pool import Connection, Record
from tdt.domain.authorities import Module
from tdt.domain.authority_sheet import Owned, Sheet
from tdt.domain.ids import AuthorityId, ContentId, GroupId

OTHERS = ("status", "nature", "modules", "nomfic_uniqueness_waived")
TEXTS = tuple(name for name in Sheet.__dataclass_fields__ if name not in (*OTHERS, "group"))
"""The columns of a sheet that are text in the database too."""

OWNED_COLUMNS = ", ".join(f"a.{name}" for name in TEXTS)
GET_OWNED = f"""
    select a.id, {OWNED_COLUMNS}, a.status, a.nature, a.modules, a.nomfic_uniqueness_waived, a.agreement_content_id,
        m.group_id
    from authority a left join authority_membership m on m.authority_id = a.id and {MEMBERSHIP_TODAY}
    where a.id = $1"""


async def get_owned(connection: Connection, authority: AuthorityId) -> Owned | None:
    """A collectivité visible to the scope, whole, or None."""
    row = await connection.fetchrow(GET_OWNED, authority)
    return _owned(row) if row is not None else None


async def lock_owned(connection: Connection, authority: AuthorityId) -> Owned | None:
    """The same, kept from other administrators to the end of the transaction; None for what is left of a purged one."""
    row = await connection.fetchrow(GET_OWNED + " and a.purged_at is null for update of a", authority)
    return _owned(row) if row is not None else None


def _owned(row: Record) -> Owned:
    sheet = Sheet(
        **{name: row[name] for name in TEXTS},
        group=GroupId(row["group_id"]) if row["group_id"] is not None else None,
        status=str(row["status"]),
        nature=str(row["nature"]),
        modules=frozenset(Module(module) for module in row["modules"]),
        nomfic_uniqueness_waived=row["nomfic_uniqueness_waived"],
    )
    content = row["agreement_content_id"]
    return Owned(AuthorityId(row["id"]), sheet, ContentId(content) if content is not None else None)


VALUES = (*TEXTS, *OTHERS)
INSERT_OWNED = f"""
    insert into authority ({", ".join(VALUES)})
    values ({", ".join(f"${number}" for number in range(1, len(VALUES) + 1))}) returning id"""
MOVE_OWNED = f"""
    update authority set {", ".join(f"{name} = ${number}" for number, name in enumerate(VALUES, start=2))}
    where id = $1"""


def _values(sheet: Sheet) -> tuple[object, ...]:
    texts = tuple(getattr(sheet, name) for name in TEXTS)
    return (*texts, int(sheet.status), int(sheet.nature), sorted(sheet.modules), sheet.nomfic_uniqueness_waived)


async def insert_owned(connection: Connection, sheet: Sheet) -> AuthorityId:
    """Record a collectivité, in scope `system`. Conflict (authority_siren) when the SIREN is taken."""
    return AuthorityId(await connection.fetchval(INSERT_OWNED, *_values(sheet)))


async def move_owned(connection: Connection, authority: AuthorityId, sheet: Sheet) -> None:
    """Give a collectivité these values; its group apart. Conflict (authority_siren) when the SIREN is taken."""
    await connection.execute(MOVE_OWNED, authority, *_values(sheet))


async def move_agreement(connection: Connection, authority: AuthorityId, content: ContentId) -> None:
    """Give a collectivité the PDF of its convention."""
    await connection.execute("update authority set agreement_content_id = $2 where id = $1", authority, content)


# ---------------------------------------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class AuthorityFilter:
    """Which collectivités are wanted; None: whatever."""

    id: AuthorityId | None = None
    group: GroupId | None = None
    type: int | None = None
    name: str | None = None
    siren: str | None = None
    siret: str | None = None


IN_GROUP = f"select m.authority_id from authority_membership m where m.group_id = ${{}} and {MEMBERSHIP_TODAY}"
CONDITIONS: Mapping[str, str] = {
    "id": "a.id = ${}",
    "group": f"a.id in ({IN_GROUP})",
    "type": "a.nature = ${}::bigint",
    "name": "strpos(lower(a.name), lower(${})) > 0",
    "siren": "strpos(a.siren, ${}) > 0",
    "siret": "exists (select from authority_siret s where s.authority_id = a.id and strpos(s.siret, ${}) > 0)",
}


def _where(wanted: AuthorityFilter) -> tuple[str, list[object]]:
    given = {name: getattr(wanted, name) for name in CONDITIONS if getattr(wanted, name) is not None}
    clauses = [CONDITIONS[name].format(number) for number, name in enumerate(given, start=1)]
    return " and ".join(["true", *clauses]), list(given.values())


async def count_authorities(connection: Connection, wanted: AuthorityFilter) -> int:
    """How many collectivités visible to the scope are wanted."""
    where, values = _where(wanted)
    count: int = await connection.fetchval(f"select count(*) from authority a where {where}", *values)
    return count


@dataclass(frozen=True, slots=True)
class AuthorityLine:
    """A collectivité in a list; `group_id` and `group_name` are those of today."""

    id: AuthorityId
    name: str
    group_id: GroupId | None
    group_name: str | None
    siren: str
    nature: int
    status: int
    email: str
    address: str
    postal_code: str
    city: str
    telephone: str
    fax: str
    department: str
    district: str
    closes_on: date | None


LINES = f"""
    select a.id, a.name, m.group_id, g.name as group_name, a.siren, a.nature, a.status, a.email, a.address,
        a.postal_code, a.city, a.telephone, a.fax, a.department, a.district, a.closes_on
    from {AUTHORITY_TABLES}"""
BY_NAME = "order by lower(a.name), a.id"


async def list_authorities(
    connection: Connection, wanted: AuthorityFilter, limit: int | None = None, offset: int = 0
) -> list[AuthorityLine]:
    """The collectivités visible to the scope that are wanted, by name."""
    where, values = _where(wanted)
    page = f"limit ${len(values) + 1} offset ${len(values) + 2}"
    rows = await connection.fetch(f"{LINES} where {where} {BY_NAME} {page}", *values, limit, offset)
    return [AuthorityLine(**row) for row in rows]


AFTER = f"{LINES} where (lower(a.name), a.id) > ($1, $2::bigint) {BY_NAME} limit 500"


async def stream_authorities(connection: Connection) -> AsyncIterator[AuthorityLine]:
    """Every collectivité visible to the scope, by name, five hundred at a time."""
    name, last = "", 0
    while rows := await connection.fetch(AFTER, name, last):
        for row in rows:
            yield AuthorityLine(**row)
        name, last = await connection.fetchval("select lower($1::text)", rows[-1]["name"]), rows[-1]["id"]


@dataclass(frozen=True, slots=True)
class Membership:
    """A stay of a collectivité in a group; `valid_to` is the first day on which it does not belong any more."""

    group_id: GroupId
    group_name: str
    valid_from: date
    valid_to: date | None


async def list_memberships(connection: Connection, authority: AuthorityId) -> list[Membership]:
    """The groups that a collectivité was, is and will be in, oldest first."""
    rows = await connection.fetch(
        """select m.group_id, g.name as group_name, m.valid_from, m.valid_to
        from authority_membership m join authority_group g on g.id = m.group_id
        where m.authority_id = $1 order by m.valid_from""",
        authority,
    )
    return [Membership(**row) for row in rows]


# ---------------------------------------------------------------------------------------------- SIRETs


@dataclass(frozen=True, slots=True)
class Siret:
    """A SIRET of a collectivité; a blocked one attracts nothing and is not learnt again."""

    id: int
    authority_id: AuthorityId
    siret: str
    blocked: bool


async def list_sirets(connection: Connection, authority: AuthorityId) -> list[Siret]:
    """The SIRETs of a collectivité visible to the scope, ascending."""
    rows = await connection.fetch(
        "select id, authority_id, siret, blocked from authority_siret where authority_id = $1 order by siret", authority
    )
    return [Siret(**row) for row in rows]


async def lock_siret(connection: Connection, siret: int) -> Siret | None:
    """A SIRET visible to the scope by the id of its row, kept from others until the end of the transaction."""
    row = await connection.fetchrow(
        "select id, authority_id, siret, blocked from authority_siret where id = $1 for update", siret
    )
    return Siret(**row) if row is not None else None


async def delete_siret(connection: Connection, siret: int) -> None:
    """Take a SIRET away."""
    await connection.execute("delete from authority_siret where id = $1", siret)


async def move_siret(connection: Connection, siret: int, blocked: bool) -> None:
    """Block a SIRET, or let it attract returns again."""
    await connection.execute("update authority_siret set blocked = $2 where id = $1", siret, blocked)
