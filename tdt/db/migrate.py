"""Plain-SQL migrations: under a lock, one transaction a file; the digest of each is kept to notice a changed one."""

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from tdt.db.pool import Connection

LOCK_KEY = 0x7464745F6D6967
"""`tdt_mig` in hexadecimal: the advisory lock that only one migration run holds."""

FUTURE_MONTHS = 3


@dataclass(frozen=True, slots=True)
class File:
    """One migration: its name, its SQL, the digest of its bytes."""

    name: str
    sql: str
    sha256: str


class MigrationError(Exception):
    """The database does not stand where the files say it should."""


def migrations_directory() -> Path:
    """The folder of the SQL files: beside the package in a checkout, inside it when installed."""
    checkout = Path(__file__).resolve().parents[2] / "migrations"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parents[1] / "migrations"


async def migrate(owner_dsn: str, directory: Path | None = None) -> list[str]:
    """Apply what is missing, as the owner of the database; gives the names applied. Raises MigrationError."""
    files = _files(directory or migrations_directory())
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK_KEY)
        await connection.execute(CREATE_TABLE)
        applied = await _check(connection, files)
        for file in files[len(applied) :]:
            await _apply(connection, file)
        await connection.execute("grant select on migration to tdt_app")
        await make_partitions(connection)
        return [file.name for file in files[len(applied) :]]
    finally:
        await connection.close()


CREATE_TABLE = """
    create table if not exists migration (
        name text primary key, sha256 text not null, applied_at timestamptz not null default now())"""


async def _check(connection: Connection, files: list[File]) -> list[str]:
    rows = await connection.fetch("select name, sha256 from migration order by name")
    known = {file.name: file for file in files}
    for row in rows:
        file = known.get(row["name"])
        if file is None:
            raise MigrationError(f"{row['name']} was applied to this database but is unknown here: a newer version ran")
        if file.sha256 != row["sha256"]:
            raise MigrationError(f"{row['name']} was changed after it was applied")
    names = [row["name"] for row in rows]
    if names != [file.name for file in files[: len(names)]]:
        raise MigrationError("a migration is missing between two that were applied")
    return names


async def _apply(connection: Connection, file: File) -> None:
    await connection.execute("begin; set local lock_timeout = '4s'")
    try:
        await connection.execute(file.sql)
        await connection.execute("insert into migration (name, sha256) values ($1, $2)", file.name, file.sha256)
    except asyncpg.PostgresError as error:
        await connection.execute("rollback")
        raise MigrationError(f"{file.name}: {error}") from error
    except BaseException:
        await connection.execute("rollback")
        raise
    await connection.execute("commit")


async def make_partitions(connection: Connection) -> int:
    """Create the monthly partitions from this month on; gives how many were made. Needs the owner."""
    today: date = await connection.fetchval("select (now() at time zone 'UTC')::date")
    made: int = await connection.fetchval("select tdt_make_partitions($1, $2)", today, FUTURE_MONTHS)
    return made


async def count_pending(connection: Connection) -> int:
    """How many migrations of this version the database still lacks: 0 is part of readiness."""
    names = {file.name for file in _files(migrations_directory())}
    if await connection.fetchval("select to_regclass('migration')") is None:
        return len(names)  # an empty database
    return len(names - {row["name"] for row in await connection.fetch("select name from migration")})


def _files(directory: Path) -> list[File]:
    paths = sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [_read(path) for path in paths]


def _read(path: Path) -> File:
    data = path.read_bytes()
    return File(path.name, data.decode("utf-8"), hashlib.sha256(data).hexdigest())
