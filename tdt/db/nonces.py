"""Nonces: what a business software asked for so that an agent's browser comes in without a password."""

from dataclasses import dataclass, field
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AuthorityId


@dataclass(frozen=True, slots=True)
class Nonce:
    """Whose accounts it opens, and the hash of what the browser must bring with it."""

    authority_id: AuthorityId
    hash: str = field(repr=False)


async def find_nonce(connection: Connection, nonce: str, login: str, after: datetime) -> Nonce | None:
    """A nonce given to this login after this moment, in scope `system`."""
    row = await connection.fetchrow(
        "select authority_id, hash from nonce where nonce = $1 and login = $2 and created_at > $3", nonce, login, after
    )
    return Nonce(**row) if row is not None else None


async def insert_nonce(connection: Connection, nonce: str, login: str, found: Nonce, now: datetime) -> bool:
    """Record a nonce; False when it is taken."""
    status = await connection.execute(
        "insert into nonce (nonce, authority_id, login, hash, created_at) values ($1, $2, $3, $4, $5)"
        " on conflict do nothing",
        nonce,
        found.authority_id,
        login,
        found.hash,
        now,
    )
    return affected(status) == 1


async def delete_old_nonces(connection: Connection, before: datetime) -> int:
    """Delete those that the scope sees and that opened before this moment; gives how many."""
    return affected(await connection.execute("delete from nonce where created_at <= $1", before))
