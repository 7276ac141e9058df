"""Which database this is: one that was restored to its past must not send again what it forgot that it sent."""

from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.jobs import write_wake
from tdt.db.pool import Connection, Record
from tdt.domain.errors import Held

CODE = "BASE_RESTAUREE"
MESSAGE = "La base a été restaurée : rien ne part avant que l'exploitant l'ait confirmé (tdt admin restore)."
LOCK = 0x7464746C
"""Advisory lock of whoever looks whether the base was restored."""

NOW = """
    select system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer as timeline
    from pg_control_system()"""
COLUMNS = "id, system_identifier, timeline, found_at, last_trace_at, confirmed_at, confirmed_by, reason"


@dataclass(frozen=True, slots=True)
class Lineage:
    """One row: a database that this one was, or is. Without `confirmed_at` nothing leaves."""

    id: int
    system_identifier: int
    timeline: int
    found_at: datetime
    last_trace_at: datetime | None
    confirmed_at: datetime | None
    confirmed_by: str
    reason: str


MAY_SEND = f"""
    select coalesce((
        select l.confirmed_at is not null and (l.system_identifier, l.timeline) = (n.system_identifier, n.timeline)
        from lineage l, ({NOW}) n order by l.id desc limit 1), false)"""


async def check_lineage(connection: Connection) -> None:
    """Raises Held when this database was restored and nobody confirmed yet that it may send."""
    if not await connection.fetchval(MAY_SEND):
        raise Held(MESSAGE, code=CODE)


async def find_new(connection: Connection) -> tuple[int, int] | None:
    """The system and the timeline of this database when they are not those of the last row."""
    row = await connection.fetchrow(
        f"""select n.system_identifier, n.timeline from ({NOW}) n where not exists (
            select from (select * from lineage order by id desc limit 1) l
            where (l.system_identifier, l.timeline) = (n.system_identifier, n.timeline))"""
    )
    return (row["system_identifier"], row["timeline"]) if row is not None else None


async def lock_lineage(connection: Connection) -> None:
    """One transaction at a time looks."""
    await connection.execute("select pg_advisory_xact_lock($1)", LOCK)


TRACE = "select max(at) from (select max(at) as at from audit union all select max(at) from event) traces"
INSERT = f"""
    insert into lineage (system_identifier, timeline, last_trace_at) values ($1, $2, ({TRACE})) returning {COLUMNS}"""


async def insert_lineage(connection: Connection, found: tuple[int, int]) -> Lineage:
    """A restored database, with the last instant of which it has a trace."""
    row = await connection.fetchrow(INSERT, *found)
    assert row is not None
    return Lineage(**row)


async def get_last(connection: Connection) -> Lineage | None:
    """What this database is said to be."""
    row = await connection.fetchrow(f"select {COLUMNS} from lineage order by id desc limit 1")
    return Lineage(**row) if row is not None else None


async def list_lineages(connection: Connection) -> list[Lineage]:
    """All of them, the newest first."""
    return [Lineage(**row) for row in await connection.fetch(f"select {COLUMNS} from lineage order by id desc")]


TOLD_NUMBERS = (
    *("acte_transaction", "acte_envelope", "acte_batch", "acte_batch_file", "acte_file", "helios_transaction"),
    *("helios_retour", "attempt", "received", "content", "account", "service", "authority"),
)
"""Tables whose numbers clients and the State were told."""


async def skip_numbers(connection: Connection, numbers: int) -> None:
    """What was given out after the restored instant is given to nobody else: the next numbers are above."""
    for table in TOLD_NUMBERS:
        await connection.execute(
            "select count(nextval(pg_get_serial_sequence($1::text, 'id')::regclass)) from generate_series(1, $2::int)",
            table,
            numbers,
        )


SKIP_SERIALS = """
    insert into acte_envelope_serial (authority_id, day, last)
    select id, $1::date, $2::int from authority where purged_at is null
    on conflict (authority_id, day) do update set last = least(9999, acte_envelope_serial.last + $2)"""
SKIP_DAILY = """
    insert into helios_daily_number (day, last) values ($1, $2)
    on conflict (day) do update set last = helios_daily_number.last + $2"""


async def skip_names(connection: Connection, day: date, numbers: int) -> None:
    """The same for the daily numbers in the names of envelopes and of PES."""
    await connection.execute(SKIP_SERIALS, day, numbers)
    await connection.execute(SKIP_DAILY, day, numbers)


UNSENT = """
    select 'actes:' || t.id as flow, t.authority_id, e.archive_name as name, t.status, t.submitted_at
    from acte_transaction t join acte_envelope e on e.id = t.envelope_id
    where t.status in (1, 2) and not t.authority_id is null
    union all
    select 'helios:' || t.id, t.authority_id, coalesce(t.transmitted_name, t.filename), t.status, t.submitted_at
    from helios_transaction t where t.status in (1, 2)
    order by submitted_at, flow limit $1"""


async def list_unsent(connection: Connection, limit: int) -> list[Record]:
    """What this database has not sent: a part of it may have left after the restored instant."""
    return await connection.fetch(UNSENT, limit)


CONFIRM = f"""
    update lineage set confirmed_at = $2, confirmed_by = $3, reason = $4 where id = $1 and confirmed_at is null
    returning {COLUMNS}"""


async def move_to_confirmed(
    connection: Connection, lineage: int, at: datetime, who: str, reason: str
) -> Lineage | None:
    """This database may send. None when somebody else has said so meanwhile."""
    row = await connection.fetchrow(CONFIRM, lineage, at, who, reason)
    return Lineage(**row) if row is not None else None


WAKE = write_wake("true", f"last_error like '{CODE}%'")


async def wake_held(connection: Connection) -> int:
    """Have what waits for the confirmation looked at again once this transaction is committed; gives how many."""
    woken: int = await connection.fetchval(WAKE)
    return woken
