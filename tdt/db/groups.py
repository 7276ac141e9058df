"""Groups of collectivités: their names, whether they are active, the SIREN that their administrators may use."""

from collections.abc import Sequence
from dataclasses import dataclass

from tdt.db.pool import Connection, affected
from tdt.domain.ids import GroupId


@dataclass(frozen=True, slots=True)
class Group:
    """A group of collectivités (a mutualisation)."""

    id: GroupId
    name: str
    active: bool


async def get_group(connection: Connection, group: int) -> Group | None:
    """A group, or None."""
    row = await connection.fetchrow("select id, name, active from authority_group where id = $1", group)
    return Group(**row) if row is not None else None


async def lock_group(connection: Connection, group: int) -> Group | None:
    """The same, kept from other administrators until the end of the transaction."""
    row = await connection.fetchrow("select id, name, active from authority_group where id = $1 for update", group)
    return Group(**row) if row is not None else None


NAMED = "where strpos(lower(name), lower($1)) > 0"


async def count_groups(connection: Connection, name: str = "") -> int:
    """How many groups have this in their name."""
    count: int = await connection.fetchval(f"select count(*) from authority_group {NAMED}", name)
    return count


async def list_groups(connection: Connection, name: str = "", limit: int | None = None, offset: int = 0) -> list[Group]:
    """The groups that have this in their name, by name."""
    rows = await connection.fetch(
        f"select id, name, active from authority_group {NAMED} order by lower(name), id limit $2 offset $3",
        name,
        limit,
        offset,
    )
    return [Group(**row) for row in rows]


async def move_group(connection: Connection, group: GroupId, name: str, active: bool) -> None:
    """Rename, suspend or resume a group. Conflict (authority_group_name) when the name is taken."""
    await connection.execute("update authority_group set name = $2, active = $3 where id = $1", group, name, active)


IS_USED = """
    select exists (select from authority_membership where group_id = $1)
        or exists (select from account where group_id = $1)"""


async def is_used(connection: Connection, group: GroupId) -> bool:
    """Was, is or will any collectivité be in this group, or has it an account? In scope `system`."""
    used: bool = await connection.fetchval(IS_USED, group)
    return used


async def delete_group(connection: Connection, group: GroupId) -> None:
    """Remove a group that nothing refers to, and its SIREN."""
    await connection.execute("delete from authority_group_siren where group_id = $1", group)
    await connection.execute("delete from authority_group where id = $1", group)


async def list_sirens(connection: Connection, group: GroupId) -> list[str]:
    """The SIREN that the administrators of a group may open collectivités for, ascending."""
    rows = await connection.fetch("select siren from authority_group_siren where group_id = $1 order by siren", group)
    return [row["siren"] for row in rows]


async def find_siren(connection: Connection, group: GroupId, siren: str) -> bool:
    """May the administrators of this group open a collectivité of this SIREN?"""
    found: bool = await connection.fetchval(
        "select exists (select from authority_group_siren where group_id = $1 and siren = $2)", group, siren
    )
    return found


INSERT_SIRENS = """
    insert into authority_group_siren (group_id, siren) select $1, * from unnest($2::text[])
    on conflict (group_id, siren) do nothing returning siren"""


async def insert_sirens(connection: Connection, group: GroupId, sirens: Sequence[str]) -> list[str]:
    """Allow SIREN to a group; gives those that were not allowed before, ascending."""
    rows = await connection.fetch(INSERT_SIRENS, group, sirens)
    return sorted(row["siren"] for row in rows)


async def delete_siren(connection: Connection, group: GroupId, siren: str) -> bool:
    """Take a SIREN from a group. False when it had it not; collectivités that exist already stay."""
    status = await connection.execute(
        "delete from authority_group_siren where group_id = $1 and siren = $2", group, siren
    )
    return affected(status) == 1
