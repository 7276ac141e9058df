"""No transaction of a collectivité sees or changes another's row, in any table, partitions included."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import pytest

from tdt.db.pool import GroupScope, Pool, transaction
from tdt.domain.ids import AuthorityId, GroupId
from tests.postgres import TestDatabase
from tests.tenants import application

SHARED = {
    "authority_group",
    "authority_group_siren",
    "route",
    "breaker",
    "route_window",
    "route_listener",
    "watchdog",
    "worker",
    "helios_daily_number",
    "schema_set",
    "schema_period",
    "migration",
    "verification",
    "lineage",
}
"""Tables that hold nothing of a collectivité. A new one is added here only when that is true of it."""

MINE, OTHER = AuthorityId(101), AuthorityId(102)

TABLES = """
    select c.relname as name, c.relispartition as is_partition, c.relrowsecurity as secured,
        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'authority_id') as owned,
        (select count(*) from pg_policy p where p.polrelid = c.oid) as policies
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1"""

COLUMNS = """
    select a.attname as name, format_type(a.atttypid, null) as type, a.attnotnull as required,
        a.atthasdef or a.attidentity <> '' as filled
    from pg_attribute a where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped"""

VALUES = {
    "siret": "12345678200010",
    "department": "034",
    "district": "3",
    "role": "ADM",
    "module": "actes",
    "permission": "RW",
    "kind": "actes",
    "place": "row",
    "aspect": "signature",
    "verdict": "passed",
    "reason": "owner",
    "about": "error",
    "mode": "digest",
    "object_kind": "acte_envelope",
    "outcome": "partial",
    "side": "depense",
    "became": "rejected",
    "type": 1,
    "last": 1,
}
"""What check constraints want; the rest is made from the type of the column."""

BY_TYPE: dict[str, object] = {
    "date": date(2026, 11, 1),
    "boolean": False,
    "integer": 1,
    "smallint": 1,
}

ALSO: dict[str, dict[str, object]] = {"content": {"data": b"x"}, "helios_alert": {"kind": "acquit"}}
"""Columns that may be null, but not in the row that is made here; checks of one table alone."""


async def rows(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def insert(connection: Any, table: str, authority: int) -> None:
    """One row of this collectivité in this table, whatever its columns; references lead nowhere."""
    values: dict[str, object] = dict(ALSO.get(table, {}))
    for column in await connection.fetch(COLUMNS, table):
        name = column["name"]
        if name == ("id" if table == "authority" else "authority_id"):
            values[name] = authority
        elif column["required"] and not column["filled"] and name not in values:
            values[name] = await _value(connection, name, column["type"], authority)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await connection.execute(f"insert into {table} ({', '.join(values)}) values ({places})", *values.values())


async def _value(connection: Any, name: str, kind: str, authority: int) -> object:
    if name in VALUES:
        return VALUES[name]
    if name == "siren":
        return f"{authority:09}"
    if kind == "bigint":
        return authority
    if kind == "text":
        return f"{name} {authority}"
    if kind == "bytea":
        return f"{name} {authority}".encode()
    if kind.startswith("timestamp"):
        return await connection.fetchval("select now()")
    return BY_TYPE[kind]


@pytest.fixture
async def owned(database: TestDatabase) -> list[str]:
    """The names of all the tables with rows of collectivités; each holds one of MINE and one of OTHER."""
    tables = await rows(database.owner_dsn, TABLES)
    admin = await asyncpg.connect(database.admin_dsn)
    try:
        await admin.execute("set session_replication_role = replica")  # foreign keys are not looked at
        for table in tables:
            if table["name"] not in SHARED and not table["is_partition"]:
                await insert(admin, table["name"], MINE)
                await insert(admin, table["name"], OTHER)
    finally:
        await admin.close()
    return [table["name"] for table in tables if table["name"] not in SHARED]


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn, 1) as pool:
        yield pool


def owner_column(table: str) -> str:
    return "id" if table == "authority" else "authority_id"


def is_partition(table: str) -> bool:
    return table.rpartition("_")[2].isdigit() or table.endswith("_default")


async def test_every_table_of_collectivites_is_secured(database: TestDatabase) -> None:
    tables = {table["name"]: table for table in await rows(database.owner_dsn, TABLES)}
    assert set(tables) >= SHARED
    for name, table in tables.items():
        if name in SHARED:
            assert not table["owned"], name
        else:
            assert table["secured"], f"{name} has no row-level security"
            assert table["owned"] or name == "authority", f"{name} has no authority_id: add it, or add it to SHARED"
            # a partition is closed: the policy of its parent is the only way in
            assert table["policies"] == (0 if table["is_partition"] else 1), name


async def test_the_roles_cannot_bypass(database: TestDatabase) -> None:
    found = await rows(
        database.owner_dsn,
        "select rolname, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname like 'tdt%' order by 1",
    )
    assert [tuple(role) for role in found if role["rolname"] in ("tdt_app", "tdt_owner")] == [
        ("tdt_app", False, False, False),
        ("tdt_owner", False, False, False),
    ]
    memberships = await rows(
        database.owner_dsn, "select 1 from pg_auth_members where member = 'tdt_app'::regrole and roleid <> member"
    )
    assert memberships == []
    mine = await rows(database.owner_dsn, "select 1 from pg_class where relowner = 'tdt_app'::regrole")
    assert mine == []


async def test_the_application_cannot_turn_it_off(pool: Pool) -> None:
    for statement in (
        "alter table acte_transaction disable row level security",
        "drop policy tenant on acte_transaction",
        "set role tdt_owner",
        "set session_replication_role = replica",
        "create or replace function tdt_sees(owner bigint) returns boolean language sql as 'select true'",
        "create table copied (n integer)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(pool, MINE) as connection:
                await connection.execute(statement)


async def test_no_row_of_another_is_seen(pool: Pool, owned: list[str]) -> None:
    seen = {}
    async with transaction(pool, MINE) as connection:
        for table in owned:
            found = await connection.fetch(f"select {owner_column(table)} from {table}")
            seen[table] = {row[0] for row in found}
    # a partition shows nothing by its own name, its parent shows what is in it
    assert {table for table, who in seen.items() if who == {MINE}} >= {
        "authority",
        "acte_transaction",
        "event",
        "audit",
    }
    assert all(who <= {MINE} for who in seen.values()), seen
    assert {table for table, who in seen.items() if who} == {table for table in owned if not is_partition(table)}


async def test_the_system_sees_all(pool: Pool, owned: list[str]) -> None:
    async with transaction(pool, "system") as connection:
        for table in ("authority", "acte_transaction", "job", "content", "event", "attempt"):
            found = await connection.fetch(f"select {owner_column(table)} from {table} order by 1")
            assert [row[0] for row in found] == [MINE, OTHER]
    assert owned


async def test_without_a_scope_nothing_is_seen(pool: Pool, owned: list[str]) -> None:
    async with pool.acquire() as connection:
        for table in owned:
            assert await connection.fetch(f"select 1 from {table}") == [], table


async def test_no_row_of_another_is_changed_or_deleted(pool: Pool, database: TestDatabase, owned: list[str]) -> None:
    for table in owned:
        column = owner_column(table)
        async with transaction(pool, MINE) as connection:
            await connection.execute(f"update {table} set {column} = {column} where {column} = $1", OTHER)
            assert await connection.fetchval(f"select count(*) from {table} where {column} = $1", OTHER) == 0
            try:
                await connection.execute("savepoint before")
                await connection.execute(f"delete from {table}")
            except asyncpg.ForeignKeyViolationError:
                await connection.execute("rollback to before")
    for table in owned:
        left = await rows(database.owner_dsn, f"select {owner_column(table)} from {table}")
        assert OTHER in {row[0] for row in left} or is_partition(table)


async def test_no_row_is_written_in_the_name_of_another(pool: Pool, owned: list[str]) -> None:
    for table in owned:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(pool, MINE) as connection:
                await insert(connection, table, OTHER)


async def test_no_row_is_given_away(pool: Pool, owned: list[str]) -> None:
    for table in owned:
        if table == "authority" or is_partition(table):
            continue
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction(pool, MINE) as connection:
                await connection.execute(f"update {table} set authority_id = $1", OTHER)


async def test_what_belongs_to_nobody_yet_is_the_systems(pool: Pool, database: TestDatabase) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("insert into event (object_kind, object_id, to_status) values ('acte', 1, 1)")
    await owner.close()
    async with transaction(pool, MINE) as connection:
        assert await connection.fetchval("select count(*) from event") == 0
    async with transaction(pool, "system") as connection:
        assert await connection.fetchval("select count(*) from event") == 1


async def seen_by_group(pool: Pool, group: int, table: str) -> set[int]:
    async with transaction(pool, GroupScope(GroupId(group))) as connection:
        return {row[0] for row in await connection.fetch(f"select {owner_column(table)} from {table}")}


async def test_a_group_sees_the_collectivites_that_are_in_it_today(
    pool: Pool, database: TestDatabase, owned: list[str]
) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("insert into authority_group (id, name) values (7, 'sept'), (8, 'huit')")
    await owner.execute("delete from authority_membership")
    await owner.execute(
        f"""insert into authority_membership values ({MINE}, 7, tdt_today() - 10, tdt_today()),
            ({MINE}, 8, tdt_today(), null), ({OTHER}, 7, tdt_today() + 1, null)"""
    )
    for table in owned:
        if not is_partition(table):
            assert await seen_by_group(pool, 8, table) == {MINE}, table
            assert await seen_by_group(pool, 7, table) == set(), table
    await owner.execute(f"update authority_membership set valid_from = tdt_today() where authority_id = {OTHER}")
    assert await seen_by_group(pool, 7, "acte_transaction") == {OTHER}
    await owner.close()
