"""Events (each change of state) and audit rows (who did what): written in the transaction of what they tell."""

from collections.abc import Mapping

from tdt.db.pool import Connection
from tdt.domain.audit import Actor, changes
from tdt.domain.ids import AccountId, AuthorityId

INSERT_EVENT = """
    insert into event (authority_id, object_kind, object_id, from_status, to_status, data)
    values ($1, $2, $3, $4, $5, $6)"""


async def insert_event(
    connection: Connection,
    authority: AuthorityId | None,
    subject: tuple[str, int],
    change: tuple[int | None, int],
    data: Mapping[str, object] | None = None,
) -> None:
    """Record that `subject` (kind, id) went from one status to another; notices and statistics read only this."""
    await connection.execute(INSERT_EVENT, authority, subject[0], subject[1], change[0], change[1], dict(data or {}))


INSERT_AUDIT = """
    insert into audit (authority_id, account_id, tag, object_id, data) values ($1, $2, $3, $4, $5)"""


async def insert_audit(
    connection: Connection,
    who: tuple[AuthorityId | None, AccountId | None],
    tag: str,
    object_id: int | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Record an act of somebody. `tag` is `source:subject:action`, for example `api:acte:submit`."""
    await connection.execute(INSERT_AUDIT, who[0], who[1], tag, object_id, dict(data or {}))


async def insert_change(
    connection: Connection,
    by: Actor,
    what: tuple[str, int | None, AuthorityId | None],
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """Record an act of administration with the fields that it changed; nothing when it changed none.

    `what`: `subject:action` (`authority:modify`), the id of the object, the collectivité that owns it. Secrets must not
    be among the fields: say that a password changed, never which.
    """
    old, new = changes(before, after)
    if not old and not new:
        return
    subject, object_id, authority = what
    data: dict[str, object] = {"before": old, "after": new}
    if by.name:
        data["operator"] = by.name
    account = by.who.user.id if by.who is not None else None
    await insert_audit(connection, (authority, account), f"{by.source}:{subject}", object_id, data)
