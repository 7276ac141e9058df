"""Accounts as their administrators see and change them: lists, pages, one account whole, its permissions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tdt.db.accounts import ACCOUNT_COLUMNS, ACCOUNT_TABLES, NewAccount, account_values, read_account
from tdt.db.authorities import MEMBERSHIP_TODAY
from tdt.db.pool import Connection, Record
from tdt.domain.accounts import Holder
from tdt.domain.authorities import Authority, Module, Owner, Permission, Role, User
from tdt.domain.ids import AccountId, AuthorityId, GroupId


@dataclass(frozen=True, slots=True)
class Administered:
    """An account whole. `stored` is what its row holds, secrets included: never shown, never audited as it is."""

    user: User
    authority: Authority | None
    stored: NewAccount = field(repr=False)

    @property
    def owner(self) -> Owner:
        """Whose it is, for the question of who may change it."""
        group = self.authority.group_id if self.authority is not None else None
        return Owner(self.user.id, self.user.authority_id, group_id=group)


GET_ADMINISTERED = f"""
    select {ACCOUNT_COLUMNS}, u.certificate, u.certificate_rgs_2_etoiles, u.certificate_serial,
        u.certificate_not_before
    from {ACCOUNT_TABLES} where u.id = $1"""


async def get_administered(connection: Connection, account: AccountId) -> Administered | None:
    """An account visible to the scope, or None."""
    row = await connection.fetchrow(GET_ADMINISTERED, account)
    return _administered(row) if row is not None else None


async def lock_administered(connection: Connection, account: AccountId) -> Administered | None:
    """The same, kept from other administrators until the end of the transaction."""
    row = await connection.fetchrow(GET_ADMINISTERED + " for update of u", account)
    return _administered(row) if row is not None else None


def _administered(row: Record) -> Administered:
    user, authority, password_hash = read_account(row)
    stored = NewAccount(
        role=user.role,
        name=user.name,
        certificate_hash=user.certificate_hash,
        authority_id=user.authority_id,
        group_id=user.group_id,
        givenname=user.givenname,
        email=user.email,
        telephone=user.telephone,
        certificate=row["certificate"],
        forwarded_certificate=row["certificate_rgs_2_etoiles"],
        subject_dn=user.subject_dn,
        issuer_dn=user.issuer_dn,
        certificate_not_after=user.certificate_not_after,
        login=user.login,
        password_hash=password_hash,
        certificate_serial=row["certificate_serial"],
        certificate_not_before=row["certificate_not_before"],
        status=user.status,
    )
    return Administered(user, authority, stored)


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Which accounts are wanted; None: whatever."""

    authority: AuthorityId | None = None
    group: GroupId | None = None
    role: str | None = None
    name: str | None = None
    status: int | None = None
    expired: bool | None = None


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account in a list."""

    id: AccountId
    name: str
    givenname: str
    email: str
    role: Role
    status: int
    authority_id: AuthorityId | None
    authority_name: str | None
    login: str | None
    certificate_not_after: datetime | None


CONDITIONS: Mapping[str, str] = {
    "authority": "u.authority_id = ${}",
    "group": "u.authority_id in (select m.authority_id from authority_membership m "
    f"where m.group_id = ${{}} and {MEMBERSHIP_TODAY})",
    "role": "u.role = ${}",
    "name": "strpos(lower(u.name), lower(${})) > 0",
    "status": "u.status = ${}::bigint",
    "expired": "(u.certificate_not_after <= now()) = ${}",
}
"""What each field of a filter asks for; those that are None are left out, so that the plan is that of what is asked."""


def _where(wanted: AccountFilter) -> tuple[str, list[object]]:
    given = {name: getattr(wanted, name) for name in CONDITIONS if getattr(wanted, name) is not None}
    clauses = [CONDITIONS[name].format(number) for number, name in enumerate(given, start=1)]
    return " and ".join(["true", *clauses]), list(given.values())


async def count_accounts(connection: Connection, wanted: AccountFilter) -> int:
    """How many accounts visible to the scope are wanted."""
    where, values = _where(wanted)
    count: int = await connection.fetchval(f"select count(*) from account u where {where}", *values)
    return count


LINES = """
    select u.id, u.name, u.givenname, u.email, u.role, u.status, u.authority_id, a.name as authority_name, u.login,
        u.certificate_not_after
    from ({page}) u left join authority a on a.id = u.authority_id"""
BY_NAME = "order by lower(u.name), lower(u.givenname), u.id"
FROM_THE_END = "order by lower(u.name) desc, lower(u.givenname) desc, u.id desc"


async def list_accounts(
    connection: Connection, wanted: AccountFilter, limit: int | None = None, offset: int = 0, total: int | None = None
) -> list[AccountLine]:
    """The accounts visible to the scope that are wanted, by name.

    `total`: how many are wanted in all, when that is known; a page of the second half is then read from the end.
    """
    if total == 0:
        return []
    where, values = _where(wanted)
    order = BY_NAME
    if total is not None and limit is not None and total >= offset > total // 2:
        order, limit, offset = FROM_THE_END, min(limit, total - offset), max(total - offset - limit, 0)
    # the page first: the collectivités of the accounts that it leaves out are not looked for
    page = f"select u.* from account u where {where} {order} limit ${len(values) + 1} offset ${len(values) + 2}"
    rows = await connection.fetch(f"{LINES.format(page=page)} {BY_NAME}", *values, limit, offset)
    return [AccountLine(**{**row, "role": Role(row["role"])}) for row in rows]


async def list_sharing(connection: Connection, certificate_hash: str) -> list[AccountId]:
    """The accounts of a certificate that the scope sees, by name."""
    rows = await connection.fetch(
        "select id from account where certificate_hash = $1 order by name, givenname, login, id", certificate_hash
    )
    return [AccountId(row["id"]) for row in rows]


async def list_holders(connection: Connection, certificate_hash: str) -> list[Holder]:
    """Every account of a certificate, those of other collectivités too: what tells a new one from them.

    Nobody else can give or take an account of this certificate until the end of the transaction.
    """
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('account:' || $1, 0))", certificate_hash)
    rows = await connection.fetch("select id, login, forwarded from tdt_certificate_holders($1)", certificate_hash)
    return [Holder(**row) for row in rows]


async def count_super_administrators(connection: Connection) -> int:
    """The active super-administrators, in scope `system`."""
    count: int = await connection.fetchval("select count(*) from account where role = 'SADM' and status = 1")
    return count


MOVE_ACCOUNT = """
    update account set role = $2, name = $3, certificate_hash = $4, authority_id = $5, group_id = $6, givenname = $7,
        email = $8, telephone = $9, certificate = $10, certificate_rgs_2_etoiles = $11, subject_dn = $12,
        issuer_dn = $13, certificate_not_after = $14, login = $15, password_hash = $16, certificate_serial = $17,
        certificate_not_before = $18, status = $19
    where id = $1"""


async def move_account(connection: Connection, account: AccountId, values: NewAccount) -> None:
    """Give an account these values. Conflict (account_identity) when the certificate and login are taken."""
    await connection.execute(MOVE_ACCOUNT, account, *account_values(values))


INSERT_PERMISSIONS = """
    insert into account_permission (account_id, authority_id, module, permission)
    select $1, $2, * from unnest($3::text[], $4::text[])"""


async def move_permissions(
    connection: Connection, account: AccountId, authority: AuthorityId, permissions: Mapping[Module, Permission]
) -> None:
    """Give an account these permissions and no other."""
    await connection.execute("delete from account_permission where account_id = $1", account)
    modules, values = [str(module) for module in permissions], [str(value) for value in permissions.values()]
    await connection.execute(INSERT_PERMISSIONS, account, authority, modules, values)
