"""Events (each change of state) and audit rows (who did what): written in the transaction of what they tell."""

from collections.abc import Mapping

from tdt.db.pool import Connection
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
