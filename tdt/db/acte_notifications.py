"""Mails about what happens to the actes: recorded with the status, sent once, and what each account wishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tdt.db.jobs import insert_job
from tdt.db.pool import Connection, Record
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.notification_text import Happening
from tdt.domain.actes.notifications import KINDS, Lists, Mode, Recipient, list_recipients
from tdt.domain.calendar import paris_date
from tdt.domain.ids import ActeId, ActeMailId, AuthorityId, ContentId
from tdt.domain.jobs import JobKind

MAIL_SETTING = "tdt.mail"
"""Setting of the sessions of a program that has a mail server ("on"): without one nothing is recorded."""

DIGEST_LOCK = 0x74646467
"""Advisory lock of the process that is planning digests."""

LISTS = f"""
    select t.authority_id, t.type, coalesce(o.email, '') as owner, a.default_broadcast_email as default_list,
        t.broadcast_emails as deposit_list, t.send_sources,
        (select jsonb_object_agg(k.email, k.modes) from (
            select lower(c.email) as email, array_agg(coalesce(p.mode, 'immediate')) as modes
            from account c left join account_notification p on p.account_id = c.id and p.about = $2
            where c.authority_id = t.authority_id and c.status = 1
            group by lower(c.email) having bool_or(p.mode is not null)) k) as wishes,
        array(select recipient from mail_refusal r where r.authority_id = t.authority_id) as refused
    from acte_transaction t join authority a on a.id = t.authority_id
        left join account o on o.id = t.account_id and o.status = 1
    where t.id = $1 and current_setting('{MAIL_SETTING}', true) = 'on'"""

RECORD = """
    with wanted as (
        select * from unnest($4::text[], $5::text[], $6::text[], $7::boolean[]) with ordinality
            as w(recipient, reason, mode, with_files, rank)
        where not exists (
            select from acte_notification n
            where n.transaction_id = $2 and n.status = $3 and n.recipient = w.recipient)),
    mails as (
        insert into acte_mail (authority_id, recipient)
        select $1, recipient from wanted where mode = 'immediate' order by rank
        returning id, recipient),
    noted as (
        insert into acte_notification
            (authority_id, transaction_id, status, recipient, reason, mode, with_files, mail_id)
        select $1, $2, $3, w.recipient, w.reason, w.mode, w.with_files, m.id
        from wanted w left join mails m using (recipient) order by w.rank)
    select id from mails order by id"""


async def record_notifications(connection: Connection, acte: ActeId, status: ActeStatus) -> int:
    """Note for whom it is that this transaction reached this status, with the mails to send; gives how many leave now.

    In the transaction of the change: both or neither. Said twice, it is noted once. Nothing without a mail server.
    """
    kind = KINDS.get(status)
    if kind is None:
        return 0
    row = await connection.fetchrow(LISTS, acte, kind)
    if row is None:
        return 0
    wishes = {address: [Mode(mode) for mode in modes] for address, modes in (row["wishes"] or {}).items()}
    names = ("type", "owner", "default_list", "deposit_list", "send_sources")
    lists = Lists(**{name: row[name] for name in names}, wishes=wishes, refused=frozenset(row["refused"]))
    return await _record(connection, (row["authority_id"], acte, status), list_recipients(lists))


async def _record(
    connection: Connection, event: tuple[AuthorityId, ActeId, ActeStatus], recipients: Sequence[Recipient]
) -> int:
    if not recipients:
        return 0
    columns = [[getattr(one, name) for one in recipients] for name in ("address", "reason", "mode", "with_files")]
    mails = await connection.fetch(RECORD, *event, *columns)
    for mail in mails:
        await insert_job(connection, JobKind.ACTE_NOTIFY, event[0], mail["id"])
    return len(mails)


@dataclass(frozen=True, slots=True)
class ActeMail:
    """A mail to send, or sent. `day` is that of a digest."""

    id: ActeMailId
    authority_id: AuthorityId
    recipient: str
    day: date | None
    created_at: datetime
    sending_at: datetime | None
    sent_at: datetime | None
    refused: str | None

    @property
    def is_over(self) -> bool:
        """Nothing is left to do."""
        return self.sent_at is not None or self.refused is not None


LOCK = """
    select id, authority_id, recipient, day, created_at, sending_at, sent_at, refused from acte_mail
    where id = $1 for update"""


async def lock_mail(connection: Connection, mail: ActeMailId) -> ActeMail | None:
    """The mail, kept from others until the end of the transaction; None when there is none."""
    row = await connection.fetchrow(LOCK, mail)
    return ActeMail(**row) if row is not None else None


async def move_to_sending(connection: Connection, mail: ActeMailId, at: datetime | None) -> None:
    """From now on it may have left; with None, it surely has not."""
    await connection.execute("update acte_mail set sending_at = $2 where id = $1 and sent_at is null", mail, at)


async def move_to_sent(connection: Connection, mail: ActeMailId, at: datetime) -> None:
    """The mail server has taken it."""
    await connection.execute("update acte_mail set sent_at = $2 where id = $1 and sent_at is null", mail, at)


async def move_to_refused(connection: Connection, mail: ActeMailId, reply: str) -> None:
    """The mail server will never take it."""
    await connection.execute("update acte_mail set refused = $2 where id = $1 and sent_at is null", mail, reply)


SET_ASIDE = """
    insert into mail_refusal (authority_id, recipient, reply, at) values ($1, $2, $3, $4)
    on conflict (authority_id, recipient) do nothing returning recipient"""


async def insert_refusal(connection: Connection, mail: ActeMail, reply: str, at: datetime) -> bool:
    """Set the address of a mail aside; False when it was already."""
    return await connection.fetchval(SET_ASIDE, mail.authority_id, mail.recipient, reply, at) is not None


async def get_refusal(connection: Connection, authority: AuthorityId, address: str) -> str | None:
    """What a mail server answered to this address, when it is set aside for this collectivité."""
    query = "select reply from mail_refusal where authority_id = $1 and recipient = $2"
    reply: str | None = await connection.fetchval(query, authority, address)
    return reply


@dataclass(frozen=True, slots=True)
class Told:
    """What a mail tells of, and what may be attached."""

    happening: Happening
    transaction: ActeId
    with_files: bool
    flux: ContentId | None


TOLD = """
    select n.transaction_id, n.status, n.with_files, t.type, t.type_reponse, t.number, t.nature_code, t.subject,
        t.unique_id, t.decision_date, t.letter_date, t.letter_text, t.submitted_at, r.test,
        coalesce(w.message, '') as message, coalesce(w.at, n.at) as at, w.flux_content_id as flux,
        a.name as authority, a.siren
    from acte_notification n join acte_transaction t on t.id = n.transaction_id
        join acte_envelope e on e.id = t.envelope_id join route r on r.id = e.route_id
        join authority a on a.id = n.authority_id
        left join lateral (
            select message, at, flux_content_id from acte_workflow
            where transaction_id = t.id and status = n.status order by id desc limit 1) w on true
    where n.mail_id = $1 order by w.at, n.id"""
NOT_OF_THE_TEXT = {"with_files", "flux"}


async def list_told(connection: Connection, mail: ActeMailId) -> list[Told]:
    """What this mail tells of, oldest first."""
    return [_told(row) for row in await connection.fetch(TOLD, mail)]


def _told(row: Record) -> Told:
    values: dict[str, Any] = {name: value for name, value in row.items() if name not in NOT_OF_THE_TEXT}
    values["status"] = ActeStatus(values["status"])
    happening = Happening(**values)
    return Told(happening, row["transaction_id"], row["with_files"], row["flux"])


DIGESTS = """
    with waiting as (
        select id, authority_id, recipient from acte_notification
        where mode = 'digest' and mail_id is null and at < $1),
    mails as (
        insert into acte_mail (authority_id, recipient, day)
        select distinct authority_id, recipient, $2::date from waiting
        on conflict (authority_id, recipient, day) do nothing
        returning id, authority_id, recipient),
    joined as (
        update acte_notification n set mail_id = m.id
        from waiting w join mails m using (authority_id, recipient) where n.id = w.id)
    select id, authority_id from mails order by id"""
"""What comes too late for the digest of its day goes with the next one."""


async def insert_digests(connection: Connection, cutoff: datetime) -> int:
    """Record the digests of what happened before an instant, each with its job; gives how many; scope `system`."""
    if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", DIGEST_LOCK):
        return 0
    mails = await connection.fetch(DIGESTS, cutoff, paris_date(cutoff))
    for mail in mails:
        await insert_job(connection, JobKind.ACTE_NOTIFY, mail["authority_id"], mail["id"])
    return len(mails)
