"""What the migrations make is what migrations/schema.sql shows."""

import asyncpg

from tests.migrations.schema_text import SCHEMA_FILE, schema_text
from tests.postgres import TestDatabase


async def test_all_the_migrations_make_the_schema_of_the_file(database: TestDatabase) -> None:
    written = SCHEMA_FILE.read_text(encoding="utf-8")
    assert await schema_text(database.owner_dsn) == written, "run scripts/schema, and read what changed"


async def test_the_text_is_the_same_for_every_reader(database: TestDatabase) -> None:
    assert await schema_text(database.owner_dsn) == await schema_text(database.admin_dsn)


async def test_there_is_nothing_that_the_text_does_not_show(database: TestDatabase) -> None:
    """A view, a type, a sequence of its own: schema_text must learn to write it."""
    connection = await asyncpg.connect(database.owner_dsn)
    kinds = await connection.fetch(
        "select distinct relkind from pg_class where relnamespace = 'public'::regnamespace and relkind <> 'S'"
    )
    types = await connection.fetchval(
        "select count(*) from pg_type where typnamespace = 'public'::regnamespace and typtype in ('e', 'd', 'r', 'm')"
    )
    sequences = await connection.fetchval(
        "select count(*) from pg_class c where relkind = 'S' and not exists"
        " (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')"
    )
    await connection.close()
    assert {row["relkind"] for row in kinds} <= {b"r", b"p", b"i", b"I"}
    assert (types, sequences) == (0, 0)
