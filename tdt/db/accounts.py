"""Accounts: who a certificate is, what each may do, who is whose colleague."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.authorities import AUTHORITY_COLUMNS, AUTHORITY_TABLES, read_authority
from tdt.db.logins import Failures
from tdt.db.pool import Connection, Record
from tdt.domain.authorities import ACTIVE, Authority, Module, Owner, Permission, Role, User
from tdt.domain.ids import AccountId, AuthorityId, GroupId

Account = tuple[User, Authority | None, str | None]
"""A user, its collectivité, the hash of its password when it has one."""

ACCOUNT_COLUMNS = """u.id, u.authority_id, u.group_id, u.role, u.status, u.name, u.givenname, u.email, u.telephone,
    u.login, u.certificate_hash, u.subject_dn, u.issuer_dn, u.certificate_not_after, u.password_hash,
    (select g.active from authority_group g where g.id = u.group_id) as own_group_active,
    (select coalesce(jsonb_object_agg(p.module, p.permission), '{}') from account_permission p
        where p.account_id = u.id) as permissions,
    to_jsonb(x) - 'modules' as authority, x.modules as authority_modules"""
ACCOUNT_TABLES = f"""account u
    left join lateral (select {AUTHORITY_COLUMNS} from {AUTHORITY_TABLES} where a.id = u.authority_id) x on true"""

FIND_ACCOUNTS = f"""
    select {ACCOUNT_COLUMNS} from {ACCOUNT_TABLES}
    where u.certificate_hash = $1 and rtrim(u.certificate_rgs_2_etoiles, E'\\n') = $2 order by u.id"""


async def list_certificates(connection: Connection) -> list[str]:
    """The certificates of the active accounts, in PEM, each once, in scope `system`."""
    rows = await connection.fetch(
        "select distinct certificate from account where status = 1 and certificate <> '' order by certificate"
    )
    return [row["certificate"] for row in rows]


async def find_accounts(connection: Connection, certificate_hash: str, rgs2: str = "") -> list[Account]:
    """The accounts of a certificate, oldest first, in scope `system`.

    `rgs2` is the PEM text of the certificate forwarded by the software, without its final newline (empty: none).
    """
    return [read_account(row) for row in await connection.fetch(FIND_ACCOUNTS, certificate_hash, rgs2)]


async def list_certificate_accounts(connection: Connection, certificate_hash: str) -> list[Account]:
    """Every account of a certificate, whatever certificate its software must forward besides, in scope `system`."""
    rows = await connection.fetch(
        f"select {ACCOUNT_COLUMNS} from {ACCOUNT_TABLES} where u.certificate_hash = $1 order by u.id", certificate_hash
    )
    return [read_account(row) for row in rows]


FIND_FOR_LOGIN = f"""
    select {ACCOUNT_COLUMNS}, f.failures, f.since as failing_since
    from {ACCOUNT_TABLES}
    left join login_failure f on f.account_id = u.id and f.address = $4 and f.since > $5
    where u.certificate_hash = $1 and rtrim(u.certificate_rgs_2_etoiles, E'\\n') = $2 and u.login = $3"""


async def find_account_for_login(
    connection: Connection, certificate: tuple[str, str], login: str, address: str, after: datetime
) -> tuple[Account, Failures | None] | None:
    """The account of a certificate (its hash, the one forwarded) and a login, in scope `system`, in one round trip
    with the passwords refused to it from this address in the window that began after this moment.
    """
    row = await connection.fetchrow(FIND_FOR_LOGIN, *certificate, login, address, after)
    if row is None:
        return None
    failures = None if row["failures"] is None else Failures(row["failures"], row["failing_since"])
    return read_account(row), failures


def read_account(row: Record) -> Account:
    """The account of a row that holds ACCOUNT_COLUMNS."""
    authority = None
    if row["authority_id"] is not None:
        authority = read_authority({**row["authority"], "modules": row["authority_modules"]})
    user = User(
        id=AccountId(row["id"]),
        authority_id=row["authority_id"],
        group_id=row["group_id"],
        role=Role(row["role"]),
        status=row["status"],
        name=row["name"],
        givenname=row["givenname"],
        email=row["email"],
        telephone=row["telephone"],
        login=row["login"],
        certificate_hash=row["certificate_hash"],
        subject_dn=row["subject_dn"],
        issuer_dn=row["issuer_dn"],
        certificate_not_after=row["certificate_not_after"],
        own_group_active=row["own_group_active"] is not False,
        permissions={Module(module): Permission(value) for module, value in row["permissions"].items()},
    )
    return user, authority, row["password_hash"]


LIST_LOGINS = "select coalesce(login, '') as login from account where certificate_hash = $1 order by id"


async def list_logins(connection: Connection, certificate_hash: str) -> list[str]:
    """The logins of the accounts of a certificate, an empty one for an account without, in scope `system`."""
    return [row["login"] for row in await connection.fetch(LIST_LOGINS, certificate_hash)]


COLLEAGUES = """
    with recursive mine as (
        select service_id from service_member where account_id = $1
        union
        select s.id from service s join mine on s.parent_id = mine.service_id)
    select exists (select from service_member m join mine on mine.service_id = m.service_id where m.account_id = $2)"""


async def get_owner(
    connection: Connection, viewer: AccountId, owner: AccountId | None, authority: AuthorityId
) -> Owner:
    """The owner of something of `authority` as `viewer` sees it: colleague by a common service, or by a parent one."""
    colleague = owner is not None and bool(await connection.fetchval(COLLEAGUES, viewer, owner))
    return Owner(owner, authority, colleague)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to record. `password_hash`: see tdt.passwords; `forwarded_certificate` a PEM (RGS** behind RGS*)."""

    role: Role
    name: str
    certificate_hash: str
    authority_id: AuthorityId | None = None
    group_id: GroupId | None = None
    givenname: str = ""
    email: str = ""
    telephone: str = ""
    certificate: str = ""
    forwarded_certificate: str = ""
    subject_dn: str = ""
    issuer_dn: str = ""
    certificate_not_after: datetime | None = None
    login: str | None = None
    password_hash: str | None = None
    certificate_serial: str = ""
    certificate_not_before: datetime | None = None
    status: int = ACTIVE


INSERT_ACCOUNT = """
    insert into account (role, name, certificate_hash, authority_id, group_id, givenname, email, telephone,
        certificate, certificate_rgs_2_etoiles, subject_dn, issuer_dn, certificate_not_after, login, password_hash,
        certificate_serial, certificate_not_before, status)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) returning id"""


async def insert_account(connection: Connection, new: NewAccount) -> AccountId:
    """Record an account. Conflict (account_identity) when the certificate and login are taken."""
    return AccountId(await connection.fetchval(INSERT_ACCOUNT, *account_values(new)))


def account_values(new: NewAccount) -> tuple[object, ...]:
    """The values of an account, in the order of its fields: that of INSERT_ACCOUNT's columns."""
    return tuple(getattr(new, name) for name in NewAccount.__dataclass_fields__)


INSERT_PERMISSION = """
    insert into account_permission (account_id, authority_id, module, permission) values ($1, $2, $3, $4)
    on conflict (account_id, module) do update set permission = excluded.permission"""


async def insert_permission(
    connection: Connection, account: AccountId, authority: AuthorityId, module: Module, permission: Permission
) -> None:
    """Say what an account may do in a module; a second call replaces the first."""
    await connection.execute(INSERT_PERMISSION, account, authority, module, permission)


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach the person or software that deposited something."""

    name: str
    email: str
    telephone: str


async def get_contact(connection: Connection, account: AccountId) -> Contact | None:
    """The contact of an account visible to the scope, or None."""
    row = await connection.fetchrow(
        "select trim(givenname || ' ' || name) as name, email, telephone from account where id = $1", account
    )
    return Contact(**row) if row is not None else None
