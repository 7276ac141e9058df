"""What the closing of acts reads and writes besides their status: when they were acknowledged, where they are archived,
which of them the State has not answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.actes import COLUMNS, Acte, as_acte
from tdt.db.pool import Connection
from tdt.domain.ids import ActeId, AuthorityId

LOCK = f"select {COLUMNS} from acte_transaction where id = any($1) order by id for no key update"
"""In one order whoever asks, so that two lists never wait for each other."""

ACKNOWLEDGED = """
    select transaction_id, min(at) as at from acte_workflow where transaction_id = any($1) and status = 4
    group by transaction_id"""


async def lock_actes(connection: Connection, actes: Sequence[ActeId]) -> dict[ActeId, Acte]:
    """Those that the scope sees, held until the end of the transaction."""
    found = [as_acte(row) for row in await connection.fetch(LOCK, list(actes))]
    return {acte.id: acte for acte in found}


async def list_acknowledged(connection: Connection, actes: Sequence[ActeId]) -> dict[ActeId, datetime]:
    """When each was first acknowledged; those that never were are left out."""
    rows = await connection.fetch(ACKNOWLEDGED, list(actes))
    return {ActeId(row["transaction_id"]): row["at"] for row in rows}


HAS_ARCHIVIST = "select exists (select from account where authority_id = $1 and role = 'ARCH' and status = 1)"


async def has_archivist(connection: Connection, authority: AuthorityId) -> bool:
    """Whether an archivist's software may come for what waits for the archive."""
    found: bool = await connection.fetchval(HAS_ARCHIVIST, authority)
    return found


async def get_archive_url(connection: Connection, acte: ActeId) -> str:
    """Where a transaction is archived; empty while nobody said."""
    url: str = await connection.fetchval("select archive_url from acte_transaction where id = $1", acte)
    return url


async def move_archive_url(connection: Connection, acte: ActeId, url: str) -> None:
    """Say where a transaction is archived."""
    await connection.execute("update acte_transaction set archive_url = $2 where id = $1", acte, url)


@dataclass(frozen=True, slots=True)
class LastStep:
    """The newest line of a workflow that has the status of its transaction."""

    message: str
    answered: bool
    """Whether it came with bytes of the State."""


LAST_STEP = """
    select w.message, w.flux_content_id is not null as answered
    from acte_workflow w join acte_transaction t on t.id = w.transaction_id and t.status = w.status
    where w.transaction_id = $1 order by w.id desc limit 1"""


async def get_last_step(connection: Connection, acte: ActeId) -> LastStep | None:
    """Why a transaction has its status."""
    row = await connection.fetchrow(LAST_STEP, acte)
    return LastStep(**row) if row is not None else None


HAD_STATUS = "select exists (select from acte_workflow where transaction_id = $1 and status = $2)"


async def had_status(connection: Connection, acte: ActeId, status: int) -> bool:
    """Whether a transaction ever had this status."""
    found: bool = await connection.fetchval(HAD_STATUS, acte, status)
    return found


UNANSWERED = f"""
    select {COLUMNS} from acte_transaction t
    where status = 3 and type <> 2 and id > $2 and submitted_at < $1
        and (select max(at) from acte_workflow w where w.transaction_id = t.id and w.status = 3) < $1
    order by id limit $3"""
"""What leaves is answered within hours: there are few at 3, and an index of their own holds them. But to an answer to a
courrier simple (2-2), the only type 2 that leaves, the ministry never answers: 3 is its end."""


async def list_unanswered(connection: Connection, before: datetime, after: int, limit: int) -> list[Acte]:
    """Some transactions that left before an instant and that the State has not answered, from this number on, in scope
    `system`."""
    return [as_acte(row) for row in await connection.fetch(UNANSWERED, before, after, limit)]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """How many transactions have waited too long for the State, and since when the first of them."""

    count: int
    since: datetime | None


COUNT_UNANSWERED = """
    select count(*) as count, min(left_at) as since from (
        select (select max(at) from acte_workflow w where w.transaction_id = t.id and w.status = 3) as left_at
        from acte_transaction t where status = 3 and type <> 2) s
    where left_at < $1"""


async def count_unanswered(connection: Connection, before: datetime) -> Unanswered:
    """Those that left before an instant, in scope `system`."""
    row = await connection.fetchrow(COUNT_UNANSWERED, before)
    return Unanswered(**row) if row is not None else Unanswered(0, None)
