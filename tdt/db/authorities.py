"""Groups and collectivités: who they are, and which group each is in today."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tdt.db.pool import Connection, affected
from tdt.domain.authorities import Authority, Module
from tdt.domain.ids import AuthorityId, GroupId

MEMBERSHIP_TODAY = "m.valid_from <= tdt_today() and (m.valid_to is null or m.valid_to > tdt_today())"
"""The condition on authority_membership `m` that makes it the one in force."""

AUTHORITY_COLUMNS = """a.id, m.group_id, coalesce(g.active, true) as group_active, a.name, a.siren, a.nature,
    a.department, a.district, a.status, a.email, a.telephone, a.address, a.postal_code, a.city, a.p_dest, a.modules,
    a.nomfic_uniqueness_waived, coalesce(a.closes_on <= tdt_today(), false) as closed"""
AUTHORITY_TABLES = f"""authority a
    left join authority_membership m on m.authority_id = a.id and {MEMBERSHIP_TODAY}
    left join authority_group g on g.id = m.group_id"""
AUTHORITY_FIELDS = tuple(name for name in Authority.__dataclass_fields__ if name != "modules")


def read_authority(row: Mapping[str, object]) -> Authority:
    """The collectivité of a row that holds AUTHORITY_COLUMNS."""
    values = {name: row[name] for name in AUTHORITY_FIELDS}
    values["modules"] = frozenset(Module(str(module)) for module in row["modules"])  # type: ignore[attr-defined]
    return Authority(**values)  # type: ignore[arg-type]


async def get_authority(connection: Connection, authority: AuthorityId) -> Authority | None:
    """A collectivité visible to the scope, or None."""
    row = await connection.fetchrow(f"select {AUTHORITY_COLUMNS} from {AUTHORITY_TABLES} where a.id = $1", authority)
    return read_authority(row) if row is not None else None


async def insert_group(connection: Connection, name: str) -> GroupId:
    """Record a group of collectivités. Conflict (authority_group_name) when the name is taken."""
    return GroupId(await connection.fetchval("insert into authority_group (name) values ($1) returning id", name))


@dataclass(frozen=True, slots=True)
class NewAuthority:
    """A collectivité to record."""

    name: str
    siren: str
    nature: int
    department: str
    district: str
    email: str = ""
    telephone: str = ""
    address: str = ""
    postal_code: str = ""
    city: str = ""
    p_dest: str = ""
    modules: frozenset[Module] = frozenset(Module)


INSERT_AUTHORITY = """
    insert into authority (name, siren, nature, department, district, email, telephone, address, postal_code, city,
        p_dest, modules)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning id"""


async def insert_authority(connection: Connection, new: NewAuthority) -> AuthorityId:
    """Record a collectivité, in scope `system`. Conflict (authority_siren) when the SIREN is taken."""
    return AuthorityId(
        await connection.fetchval(
            INSERT_AUTHORITY,
            new.name,
            new.siren,
            new.nature,
            new.department,
            new.district,
            new.email,
            new.telephone,
            new.address,
            new.postal_code,
            new.city,
            new.p_dest,
            sorted(new.modules),
        )
    )


async def insert_membership(
    connection: Connection, authority: AuthorityId, group: GroupId | None, valid_from: date
) -> None:
    """Put a collectivité in a group, or in none, from this day on, in scope `system`; what was before stays.

    What was planned for this day or a later one is replaced.
    """
    await connection.execute(
        "delete from authority_membership where authority_id = $1 and valid_from >= $2", authority, valid_from
    )
    await connection.execute(
        """update authority_membership set valid_to = $2
        where authority_id = $1 and (valid_to is null or valid_to > $2)""",
        authority,
        valid_from,
    )
    if group is not None:
        await connection.execute(
            "insert into authority_membership (authority_id, group_id, valid_from) values ($1, $2, $3)",
            authority,
            group,
            valid_from,
        )


async def insert_siret(connection: Connection, authority: AuthorityId, siret: str) -> bool:
    """Give a SIRET to a collectivité: the DGFiP's returns for it go there. False when it had it already."""
    status = await connection.execute(
        """insert into authority_siret (authority_id, siret) values ($1, $2)
        on conflict (authority_id, siret) do nothing""",
        authority,
        siret,
    )
    return affected(status) == 1


async def find_authority_by_siren(connection: Connection, siren: str) -> AuthorityId | None:
    """The active collectivité of this SIREN, in scope `system`, or None."""
    found = await connection.fetchval("select id from authority where siren = $1 and status = 1", siren)
    return AuthorityId(found) if found is not None else None
