"""The installed sets of schemas and the periods in which they are in force: of no collectivité."""

from datetime import date

from tdt.db.pool import Connection, Record
from tdt.domain.helios.schema_sets import Period, SchemaSet
from tdt.domain.ids import SchemaSetId

COLUMNS = "id, name, sha256, files, bytes, roots, added_at"
PERIODS = "select set_id, valid_from, valid_to from schema_period order by valid_from, id"


async def list_sets(connection: Connection) -> list[SchemaSet]:
    """All of them, the newest first."""
    periods = await connection.fetch(PERIODS)
    rows = await connection.fetch(f"select {COLUMNS} from schema_set order by id desc")
    return [_set(row, periods) for row in rows]


async def find_set(connection: Connection, name: str) -> SchemaSet | None:
    """One of them, locked: its periods change one at a time."""
    row = await connection.fetchrow(f"select {COLUMNS} from schema_set where name = $1 for update", name)
    return _set(row, await connection.fetch(PERIODS)) if row is not None else None


def _set(row: Record, periods: list[Record]) -> SchemaSet:
    mine = [Period(one["valid_from"], one["valid_to"]) for one in periods if one["set_id"] == row["id"]]
    return SchemaSet(**row, periods=mine)


async def get_archive(connection: Connection, number: SchemaSetId) -> bytes | None:
    """Its schemas, as a zip; None when it is gone."""
    archive: bytes | None = await connection.fetchval("select archive from schema_set where id = $1", number)
    return archive


INSERT = """
    insert into schema_set (name, archive, sha256, files, bytes, roots)
    values ($1, $2, $3, $4, $5, $6) returning id"""


async def insert_set(connection: Connection, new: SchemaSet, archive: bytes) -> SchemaSetId:
    """Install a set; Conflict when its name or its content is there already."""
    values = (new.name, archive, new.sha256, new.files, new.bytes, dict(new.roots))
    return SchemaSetId(await connection.fetchval(INSERT, *values))


async def delete_set(connection: Connection, number: SchemaSetId) -> None:
    """Take it away, with its periods."""
    await connection.execute("delete from schema_set where id = $1", number)


async def insert_period(connection: Connection, number: SchemaSetId, period: Period) -> None:
    """Put it in force."""
    await connection.execute(
        "insert into schema_period (set_id, valid_from, valid_to) values ($1, $2, $3)",
        number,
        period.valid_from,
        period.valid_to,
    )


async def move_periods(connection: Connection, number: SchemaSetId, end: date) -> None:
    """Nothing of it is in force from this day on."""
    await connection.execute("delete from schema_period where set_id = $1 and valid_from >= $2", number, end)
    await connection.execute(
        "update schema_period set valid_to = $2 where set_id = $1 and (valid_to is null or valid_to > $2)", number, end
    )
