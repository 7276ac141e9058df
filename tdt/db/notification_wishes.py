"""How each account wants to be told by e-mail of its actes, and whether its address is set aside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.actes.notifications import Kind, Mode
from tdt.domain.ids import AccountId, AuthorityId


@dataclass(frozen=True, slots=True)
class Preferences:
    """What an account wishes, of every kind. `refused`: when its address was set aside, and the mail server's words."""

    account_id: AccountId
    authority_id: AuthorityId | None
    email: str
    wishes: Mapping[Kind, Mode]
    refused: tuple[datetime, str] | None


PREFERENCES = """
    select c.id, c.authority_id, c.email, r.at, r.reply,
        (select jsonb_object_agg(p.about, p.mode) from account_notification p where p.account_id = c.id) as wishes
    from account c left join mail_refusal r on r.authority_id = c.authority_id and r.recipient = lower(c.email)
    where c.id = $1"""


async def get_preferences(connection: Connection, account: AccountId) -> Preferences | None:
    """The wishes of an account that the scope sees; what it never said is `immediate`."""
    row = await connection.fetchrow(PREFERENCES, account)
    if row is None:
        return None
    said = row["wishes"] or {}
    wishes = {kind: Mode(said.get(kind, Mode.IMMEDIATE)) for kind in Kind}
    refused = (row["at"], row["reply"]) if row["at"] is not None else None
    return Preferences(AccountId(row["id"]), row["authority_id"], row["email"], wishes, refused)


async def lock_account(connection: Connection, account: AccountId) -> None:
    """Let nobody else change the wishes of this account before the end of the transaction."""
    await connection.execute("select from account where id = $1 for no key update", account)


MOVE = """
    insert into account_notification (account_id, authority_id, about, mode) values ($1, $2, $3, $4)
    on conflict (account_id, about) do update set mode = excluded.mode"""


async def move_wish(connection: Connection, account: tuple[AccountId, AuthorityId], kind: Kind, mode: Mode) -> None:
    """Record a wish; the default leaves no row."""
    if mode is Mode.IMMEDIATE:
        query = "delete from account_notification where account_id = $1 and about = $2"
        await connection.execute(query, account[0], kind)
    else:
        await connection.execute(MOVE, *account, kind, mode)


LIFT = """
    with lifted as (delete from mail_refusal where authority_id = $1 and recipient = lower($2) returning recipient),
    refused as (
        select m.id from acte_mail m join lifted using (recipient)
        where m.authority_id = $1 and m.refused is not null and m.sent_at is null)
    update acte_notification n set mode = 'digest', mail_id = null
    from lifted
    where n.authority_id = $1 and n.recipient = lifted.recipient
        and (n.mode = 'refused' or n.mail_id in (select id from refused))"""


async def delete_refusal(connection: Connection, authority: AuthorityId, address: str) -> int:
    """Try this address again from now on; what it missed comes with its next digest. Gives how many events that is."""
    return affected(await connection.execute(LIFT, authority, address))


async def list_refusals(connection: Connection) -> list[tuple[AuthorityId, str, str, datetime, str]]:
    """The addresses set aside, the newest first, with their collectivité and its name; scope `system`."""
    query = """
        select r.authority_id, a.name, r.recipient, r.at, r.reply
        from mail_refusal r join authority a on a.id = r.authority_id order by r.at desc, r.recipient"""
    rows = await connection.fetch(query)
    return [(row["authority_id"], row["name"], row["recipient"], row["at"], row["reply"]) for row in rows]
