"""Notices by e-mail, and what ends in the database: certificates of accounts, conventions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.authorities import AUTHORITY_TABLES
from tdt.db.conventions import CONVENTION_COLUMNS, read_convention
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.domain.expiry import Agreement, HeldCertificate, Party
from tdt.domain.ids import AuthorityId, NoticeId
from tdt.domain.jobs import JobKind

PLAN_LOCK = 0x7464746E
"""Advisory lock of the process that is planning notices."""


async def lock_plan(connection: Connection) -> bool:
    """One transaction at a time plans notices: False when another one does."""
    locked: bool = await connection.fetchval("select pg_try_advisory_xact_lock($1)", PLAN_LOCK)
    return locked


HELD_CERTIFICATES = f"""
    select u.certificate_hash, u.subject_dn, u.certificate_not_after, u.certificate_rgs_2_etoiles as forwarded,
        u.authority_id, coalesce(a.name, '') as authority, trim(u.givenname || ' ' || u.name) as account, u.email
    from account u left join ({AUTHORITY_TABLES}) on a.id = u.authority_id
    where u.status = 1 and (a.id is null or a.status = 1 and coalesce(g.active, true))
    order by u.certificate_not_after, u.id"""


async def list_held_certificates(connection: Connection) -> list[HeldCertificate]:
    """The certificate of each active account of an active collectivité, in scope `system`."""
    return [
        HeldCertificate(
            certificate_hash=row["certificate_hash"],
            name=row["subject_dn"],
            ends_at=row["certificate_not_after"],
            forwarded_pem=row["forwarded"],
            party=Party(row["authority_id"], row["authority"], row["account"], row["email"]),
        )
        for row in await connection.fetch(HELD_CERTIFICATES)
    ]


ADMINISTRATORS = """
    with adm as (
        select authority_id, email from account
        where authority_id = any($1) and role = 'ADM' and status = 1 and email <> '')
    select authority_id, email from adm
    union
    select id, email from authority
    where id = any($1) and email <> '' and id not in (select authority_id from adm)"""


async def list_administrators(
    connection: Connection, authorities: Sequence[AuthorityId]
) -> dict[AuthorityId, list[str]]:
    """The addresses of those who administer these collectivités; of one without any, its own; scope `system`."""
    found: dict[AuthorityId, list[str]] = {}
    for row in await connection.fetch(ADMINISTRATORS, list(authorities)):
        found.setdefault(row["authority_id"], []).append(row["email"])
    return found


AGREEMENTS = f"""
    select {CONVENTION_COLUMNS}, a.name as authority
    from convention c join ({AUTHORITY_TABLES}) on a.id = c.authority_id
    where a.status = 1 and coalesce(g.active, true) and not coalesce(a.closes_on <= tdt_today(), false)
    order by c.id"""


async def list_agreements(connection: Connection) -> list[Agreement]:
    """The conventions of the collectivités that may deposit, with their avenants; scope `system`."""
    rows = await connection.fetch(AGREEMENTS)
    return [Agreement(read_convention(row), Party(row["authority_id"], row["authority"])) for row in rows]


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to record. `authority_id` is None for an operator, or when it speaks of several collectivités."""

    authority_id: AuthorityId | None
    kind: str
    subject: str
    threshold: int
    recipient: str
    title: str
    body: str


Told = tuple[str, str, int, str]
"""The key of a notice: kind, subject, threshold, recipient."""


async def list_told(connection: Connection, subjects: Sequence[str]) -> set[Told]:
    """The notices recorded about these subjects, in scope `system`."""
    rows = await connection.fetch(
        "select kind, subject, threshold, recipient from notice where subject = any($1)", list(subjects)
    )
    return {(row["kind"], row["subject"], row["threshold"], row["recipient"]) for row in rows}


INSERT_NOTICES = """
    insert into notice (authority_id, kind, subject, threshold, recipient, title, body)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[])
    on conflict (kind, subject, threshold, recipient) do nothing
    returning id, authority_id"""


async def insert_notices(connection: Connection, notices: Sequence[NewNotice]) -> list[NoticeId]:
    """Record the notices that were not yet, each with the job that sends it; gives their ids; scope `system`."""
    columns = [[getattr(notice, name) for notice in notices] for name in NewNotice.__dataclass_fields__]
    rows = await connection.fetch(INSERT_NOTICES, *columns)
    for row in rows:
        await insert_job(connection, JobKind.NOTICE_SEND, row["authority_id"], row["id"])
    return [NoticeId(row["id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice to send, or sent."""

    id: NoticeId
    recipient: str
    title: str
    body: str
    created_at: datetime
    sent_at: datetime | None


async def lock_notice(connection: Connection, notice: NoticeId) -> Notice | None:
    """The notice, kept from others until the end of the transaction; None when there is none."""
    row = await connection.fetchrow(
        "select id, recipient, title, body, created_at, sent_at from notice where id = $1 for update", notice
    )
    return Notice(**row) if row is not None else None


async def move_to_sent(connection: Connection, notice: NoticeId, at: datetime) -> None:
    """The mail server has taken it."""
    await connection.execute("update notice set sent_at = $2 where id = $1 and sent_at is null", notice, at)
