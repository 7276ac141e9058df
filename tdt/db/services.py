"""Services of collectivités: a tree, whose members are colleagues."""

from dataclasses import dataclass

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AccountId, AuthorityId


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a collectivité, under another one or at the top."""

    id: int
    authority_id: AuthorityId
    name: str
    parent_id: int | None


SERVICE_COLUMNS = "id, authority_id, name, parent_id"


async def get_service(connection: Connection, service: int) -> Service | None:
    """A service visible to the scope, or None."""
    row = await connection.fetchrow(f"select {SERVICE_COLUMNS} from service where id = $1", service)
    return Service(**row) if row is not None else None


async def list_services(connection: Connection, authority: AuthorityId) -> list[Service]:
    """The services of a collectivité visible to the scope, by name."""
    rows = await connection.fetch(
        f"select {SERVICE_COLUMNS} from service where authority_id = $1 order by name, id", authority
    )
    return [Service(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class Member:
    """An account in a service."""

    id: AccountId
    name: str
    givenname: str


async def list_members(connection: Connection, service: int) -> list[Member]:
    """The members of a service, by name."""
    rows = await connection.fetch(
        """select u.id, u.name, u.givenname from service_member m join account u on u.id = m.account_id
        where m.service_id = $1 order by lower(u.name), lower(u.givenname), u.id""",
        service,
    )
    return [Member(**row) for row in rows]


async def lock_tree(connection: Connection, authority: AuthorityId) -> None:
    """Keep the tree of a collectivité from other administrators until the end of the transaction."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('services:' || $1::bigint, 0))", authority)


async def insert_service(connection: Connection, authority: AuthorityId, name: str, parent: int | None = None) -> int:
    """Record a service of a collectivité, under another if given. Conflict (service_name) when the name is taken."""
    service: int = await connection.fetchval(
        "insert into service (authority_id, parent_id, name) values ($1, $2, $3) returning id", authority, parent, name
    )
    return service


async def insert_service_member(
    connection: Connection, service: int, account: AccountId, authority: AuthorityId
) -> bool:
    """Put an account in a service: its members are colleagues. False when it was there already."""
    status = await connection.execute(
        """insert into service_member (service_id, account_id, authority_id) values ($1, $2, $3)
        on conflict (service_id, account_id) do nothing""",
        service,
        account,
        authority,
    )
    return affected(status) == 1


async def delete_service_member(connection: Connection, service: int, account: AccountId) -> bool:
    """Take an account out of a service. False when it was not there."""
    status = await connection.execute(
        "delete from service_member where service_id = $1 and account_id = $2", service, account
    )
    return affected(status) == 1


IS_UNDER = """
    with recursive above as (
        select id, parent_id from service where id = $1
        union
        select s.id, s.parent_id from service s join above on s.id = above.parent_id)
    select exists (select from above where id = $2)"""


async def find_above(connection: Connection, service: int, other: int) -> bool:
    """Is `other` this service, or above it in the tree?"""
    found: bool = await connection.fetchval(IS_UNDER, service, other)
    return found


async def move_service(connection: Connection, service: int, parent: int | None) -> None:
    """Put a service under another one, or at the top."""
    await connection.execute("update service set parent_id = $2 where id = $1", service, parent)


async def move_service_name(connection: Connection, service: int, name: str) -> None:
    """Give a service another name. Conflict (service_name) when it is taken."""
    await connection.execute("update service set name = $2 where id = $1", service, name)


async def count_inside(connection: Connection, service: int) -> int:
    """Its members and the services right under it."""
    count: int = await connection.fetchval(
        """select (select count(*) from service_member where service_id = $1)
            + (select count(*) from service where parent_id = $1)""",
        service,
    )
    return count


async def delete_service(connection: Connection, service: int) -> None:
    """Remove a service that nobody is in."""
    await connection.execute("delete from service where id = $1", service)
