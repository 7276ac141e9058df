"""Envelopes that the collectivité's software makes by itself: their numbers, their rows, what bears their names."""

from collections.abc import Sequence
from datetime import date

from tdt.db.deposits import NUMBERED, NewEnvelope
from tdt.db.pool import Connection
from tdt.domain.ids import ActeId, AuthorityId, ContentId

TAKE_SERIAL = NUMBERED.format(authority="$1", day="$2")


async def take_serial(connection: Connection, authority: AuthorityId, day: date) -> int | None:
    """The next number of the collectivité's envelopes of this day, taken for good; None when all are."""
    serial = await connection.fetchval(TAKE_SERIAL, authority, day)
    return int(serial) if serial is not None else None


MOVE_SERIAL = """
    insert into acte_envelope_serial (authority_id, day, last) values ($1, $2, $3)
    on conflict (authority_id, day) do update set last = greatest(acte_envelope_serial.last, excluded.last)"""


async def move_serial(connection: Connection, authority: AuthorityId, day: date, used: int) -> None:
    """Take every number of the day up to this one, which an envelope bears without having been given it."""
    if 1 <= used <= 9999:
        await connection.execute(MOVE_SERIAL, authority, day, used)


OF_NAME = """
    select array(select t.id from acte_transaction t where t.envelope_id = e.id order by t.id) as transactions
    from acte_envelope e where e.authority_id = $1 and e.name = $2"""


async def list_of_name(connection: Connection, authority: AuthorityId, name: str) -> list[ActeId] | None:
    """The transactions of the collectivité's envelope of this name; None when there is no such envelope."""
    row = await connection.fetchrow(OF_NAME, authority, name)
    return [ActeId(number) for number in row["transactions"]] if row is not None else None


NUMBERS_TAKEN = """
    select number from acte_transaction
    where authority_id = $1 and type = 1 and superseded_at is null and number = any($2)
    union
    select p.number from acte_purged p join authority a on a.siren = p.siren
    where a.id = $1 and p.number = any($2)"""


async def list_numbers_taken(connection: Connection, authority: AuthorityId, numbers: Sequence[str]) -> set[str]:
    """Those of these numbers that an act of the collectivité has, whatever became of it."""
    return {row["number"] for row in await connection.fetch(NUMBERS_TAKEN, authority, list(numbers))}


INSERT = """
    insert into acte_envelope (authority_id, account_id, route_id, name, archive_name, xml_content_id)
    values ($1, $2, $3, $4, $5, $6)"""


async def insert_ready(connection: Connection, new: NewEnvelope, xml: ContentId) -> None:
    """Record an envelope under the names that its maker gave; `xml` is what will stand in its archive.

    Conflict (acte_envelope_authority_id_name_key, acte_envelope_archive_name) when one of that name is there.
    """
    await connection.execute(INSERT, new.authority_id, new.account_id, new.route_id, new.name, new.archive_name, xml)
