"""How far the end of each collectivité has come, and the deposits that its closing overtakes."""

from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.pool import Connection, Record
from tdt.domain.closing import Closing
from tdt.domain.ids import ActeId, AuthorityId, HeliosId

COLUMNS = """id, name, siren, closes_on, exported_at, export_sha256, export_counts, purges_on, purges_unanswered,
    purge_started_at, purged_at"""


def _closing(row: Record) -> Closing:
    return Closing(**row)


async def get_closing(connection: Connection, authority: AuthorityId) -> Closing | None:
    """How far it has come for a collectivité visible to the scope, or None."""
    row = await connection.fetchrow(f"select {COLUMNS} from authority where id = $1", authority)
    return _closing(row) if row is not None else None


async def lock_closing(connection: Connection, authority: AuthorityId) -> Closing | None:
    """The same, kept from others until the end of the transaction; deposits go on."""
    row = await connection.fetchrow(f"select {COLUMNS} from authority where id = $1 for no key update", authority)
    return _closing(row) if row is not None else None


MOVE_CLOSING = """
    update authority set closes_on = $2, purges_on = $3, purges_unanswered = $4 where id = $1"""


async def move_closing(connection: Connection, authority: AuthorityId, dates: tuple[date | None, date | None]) -> None:
    """Set the stop date and the purge date."""
    await connection.execute(MOVE_CLOSING, authority, *dates, False)


async def move_purge(connection: Connection, current: Closing, purges_on: date | None, unanswered: bool) -> None:
    """Plan the purge, or give it up (None)."""
    await connection.execute(MOVE_CLOSING, current.id, current.closes_on, purges_on, unanswered)


REOPEN = """
    update authority set closes_on = null, purges_on = null, purges_unanswered = false, exported_at = null,
        export_sha256 = null, export_counts = null where id = $1"""


async def move_to_open(connection: Connection, authority: AuthorityId) -> None:
    """Undo the closing; an export made meanwhile will not do for a later purge."""
    await connection.execute(REOPEN, authority)


EXPORTED = "update authority set exported_at = $2, export_sha256 = $3, export_counts = $4 where id = $1"


async def move_exported(
    connection: Connection, authority: AuthorityId, at: datetime, sha256: bytes, counts: dict[str, int]
) -> None:
    """An export is complete: when it began to look, the digest of its manifest, the rows it holds by table."""
    await connection.execute(EXPORTED, authority, at, sha256, counts)


@dataclass(frozen=True, slots=True)
class Draft:
    """A deposit that waits to be confirmed in a collectivité closed since."""

    authority_id: AuthorityId
    closes_on: date
    acte: ActeId | None
    flow: HeliosId | None


DRAFTS = """
    select a.id as authority_id, a.closes_on, t.id as acte, null::bigint as flow
    from authority a join acte_transaction t on t.authority_id = a.id and t.status in (17, 18)
    where a.closes_on <= $1
    union all
    select a.id, a.closes_on, null, t.id
    from authority a join helios_transaction t on t.authority_id = a.id and t.status in (13, 14)
    where a.closes_on <= $1
    limit $2"""


async def list_drafts(connection: Connection, day: date, limit: int) -> list[Draft]:
    """Some of the deposits that nobody can confirm any more on this civil day, in scope `system`."""
    return [Draft(**row) for row in await connection.fetch(DRAFTS, day, limit)]
