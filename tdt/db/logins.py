"""Logins: passwords refused, by account and address of the client; a stored hash replaced by a better one."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AccountId, AuthorityId


@dataclass(frozen=True, slots=True)
class Failures:
    """How many passwords an address gave in vain for an account since a moment."""

    count: int
    since: datetime


GET_FAILURES = """
    select failures as count, since from login_failure where account_id = $1 and address = $2 and since > $3"""


async def get_failures(connection: Connection, account: AccountId, address: str, after: datetime) -> Failures | None:
    """The failures of the window that began after this moment, or None."""
    row = await connection.fetchrow(GET_FAILURES, account, address, after)
    return Failures(**row) if row is not None else None


INSERT_FAILURE = """
    insert into login_failure as f (account_id, authority_id, address, failures, since) values ($1, $2, $3, 1, $4)
    on conflict (account_id, address) do update set
        failures = case when f.since > $5 then f.failures + 1 else 1 end,
        since = case when f.since > $5 then f.since else excluded.since end
    returning failures"""


async def insert_failure(
    connection: Connection, who: tuple[AccountId, AuthorityId | None], address: str, window: tuple[datetime, datetime]
) -> int:
    """Count one more; gives how many there are. `window`: now, and the moment before which failures are forgotten."""
    count: int = await connection.fetchval(INSERT_FAILURE, *who, address, *window)
    return count


@dataclass(frozen=True, slots=True)
class FailureLine:
    """The failures of an address for an account, in a list."""

    account: AccountId
    login: str | None
    authority: str | None
    address: str
    failures: int
    since: datetime


LIST_FAILURES = """
    select f.account_id as account, u.login, a.name as authority, f.address, f.failures, f.since
    from login_failure f join account u on u.id = f.account_id left join authority a on a.id = f.authority_id
    where f.since > $1 order by f.since desc, f.account_id, f.address"""


async def list_failures(connection: Connection, after: datetime) -> list[FailureLine]:
    """The failures that the scope sees and that count today, the latest windows first."""
    return [FailureLine(**row) for row in await connection.fetch(LIST_FAILURES, after)]


async def delete_account_failures(connection: Connection, account: AccountId) -> int:
    """Forget the failures of every address for an account; gives how many addresses had some."""
    return affected(await connection.execute("delete from login_failure where account_id = $1", account))


async def delete_failures(connection: Connection, account: AccountId, address: str) -> None:
    """Forget the failures of an address for an account."""
    await connection.execute("delete from login_failure where account_id = $1 and address = $2", account, address)


async def delete_old_failures(connection: Connection, before: datetime) -> int:
    """Forget those whose window is over, in scope `system`; gives how many."""
    return affected(await connection.execute("delete from login_failure where since <= $1", before))


async def move_password_hash(connection: Connection, account: AccountId, before: str, after: str) -> bool:
    """Replace this hash, unless somebody has replaced it meanwhile: says whether it did."""
    status = await connection.execute(
        "update account set password_hash = $3 where id = $1 and password_hash = $2", account, before, after
    )
    return affected(status) == 1
