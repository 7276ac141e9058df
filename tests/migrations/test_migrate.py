"""The runner of migrations: once, all or nothing, and never over a file that changed."""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from tdt.db.migrate import MigrationError, count_pending, migrate, migrations_directory

REAL = sorted(path.name for path in migrations_directory().glob("[0-9]*.sql"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, to add to."""
    return shutil.copytree(migrations_directory(), tmp_path / "migrations")


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row[0] for row in await connection.fetch("select tablename from pg_tables where schemaname = 'public'")}
    finally:
        await connection.close()


async def applied(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch("select name from migration order by name")]
    finally:
        await connection.close()


async def pending(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return await count_pending(connection)
    finally:
        await connection.close()


def test_names_tell_the_order_and_the_moment() -> None:
    """Pre runs before the new version starts, post after the old one has ended (tdt migrate)."""
    assert [name[:4] for name in REAL] == [f"{number:04}" for number in range(1, len(REAL) + 1)]
    assert all(name[4:].startswith(("_pre_", "_post_")) for name in REAL)


async def test_all_then_nothing_more(bare_database: str) -> None:
    assert await migrate(bare_database) == REAL
    assert await applied(bare_database) == REAL
    assert await pending(bare_database) == 0
    assert await migrate(bare_database) == []


async def test_of_five_starters_one_applies_and_all_succeed(bare_database: str) -> None:
    ran = await asyncio.gather(*(migrate(bare_database) for _ in range(5)))
    assert sorted(ran, key=len) == [[], [], [], [], REAL]
    assert await applied(bare_database) == REAL


async def test_a_failed_file_leaves_nothing_and_keeps_what_came_before(bare_database: str, folder: Path) -> None:
    (folder / "0901_pre_good.sql").write_text("create table good (n integer);")
    (folder / "0902_pre_bad.sql").write_text(
        "create table half (n integer); insert into half values (1); select 1 / 0;"
    )
    (folder / "0903_pre_never.sql").write_text("create table never (n integer);")
    with pytest.raises(MigrationError, match=r"0902_pre_bad\.sql: division by zero"):
        await migrate(bare_database, folder)
    assert await tables(bare_database) & {"good", "half", "never"} == {"good"}
    assert await applied(bare_database) == [*REAL, "0901_pre_good.sql"]

    (folder / "0902_pre_bad.sql").write_text("create table half (n integer);")
    assert await migrate(bare_database, folder) == ["0902_pre_bad.sql", "0903_pre_never.sql"]
    assert await tables(bare_database) >= {"good", "half", "never"}


async def test_a_first_file_that_fails_leaves_no_table_but_its_own(bare_database: str, tmp_path: Path) -> None:
    (tmp_path / "0001_pre_bad.sql").write_text("create table half (n integer); select nothing;")
    with pytest.raises(MigrationError, match=r"0001_pre_bad\.sql: "):
        await migrate(bare_database, tmp_path)
    assert await tables(bare_database) == {"migration"}


async def test_a_file_changed_after_it_was_applied_is_noticed(bare_database: str, folder: Path) -> None:
    await migrate(bare_database, folder)
    with (folder / REAL[1]).open("a") as changed:
        changed.write("\n-- one more line\n")
    (folder / "0901_pre_good.sql").write_text("create table good (n integer);")
    with pytest.raises(MigrationError, match=f"{REAL[1]} was changed"):
        await migrate(bare_database, folder)
    assert "good" not in await tables(bare_database)


async def test_an_older_version_stops_before_a_newer_schema(bare_database: str, folder: Path) -> None:
    (folder / "0901_pre_newer.sql").write_text("create table newer (n integer);")
    await migrate(bare_database, folder)
    with pytest.raises(MigrationError, match=r"0901_pre_newer\.sql"):
        await migrate(bare_database)


async def test_a_file_slipped_in_between_is_noticed(bare_database: str, folder: Path) -> None:
    (folder / "0902_pre_second.sql").write_text("create table second (n integer);")
    await migrate(bare_database, folder)
    (folder / "0901_pre_first.sql").write_text("create table first (n integer);")
    with pytest.raises(MigrationError, match="missing"):
        await migrate(bare_database, folder)
    assert "first" not in await tables(bare_database)


async def test_a_table_that_stays_locked_is_not_waited_for(bare_database: str, folder: Path) -> None:
    await migrate(bare_database, folder)
    (folder / "0901_pre_lock.sql").write_text(
        "set local lock_timeout = '50ms'; alter table worker add column version text;"
    )
    user = await asyncpg.connect(bare_database)
    try:
        async with user.transaction():
            await user.execute("lock table worker in access share mode")
            with pytest.raises(MigrationError, match="lock timeout"):
                await migrate(bare_database, folder)
        assert await migrate(bare_database, folder) == ["0901_pre_lock.sql"]
    finally:
        await user.close()


async def test_what_is_missing_is_counted_for_readiness(bare_database: str, folder: Path) -> None:
    (folder / REAL[-1]).unlink()
    await migrate(bare_database, folder)
    assert await pending(bare_database) == 1
