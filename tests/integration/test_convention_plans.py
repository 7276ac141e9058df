"""What a convention costs: one statement for each transmission, by indexes, whatever the number of collectivités."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from loadtests.plans import Explaining, Plan
from tdt.db import conventions as db
from tdt.db.pool import Pool, transaction
from tdt.domain.authorities import Module
from tdt.domain.ids import AuthorityId
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

TOWNS, HELD, WAITING = 2000, 3000, 20_000
SEED = """
    insert into authority (name, siren, nature, department, district)
        select 'Commune ' || n, (300000000 + n)::text, 31, '034', '3' from generate_series(1, {towns}) n;
    insert into convention (authority_id, module, reference, signed_on, starts_on)
        select id, module, 'C-1', '2026-01-01', '2026-01-01' from authority, unnest(array['actes', 'helios']) module;
    insert into convention_avenant (convention_id, authority_id, reference, signed_on, effective_on)
        select id, authority_id, 'A-' || n, '2026-02-01', '2026-02-01' from convention, generate_series(1, 3) n;
    insert into suspension (authority_id, module, starts_on, ends_on, reason)
        select id, 'actes', '2026-03-01', '2026-03-02', 'essai' from authority;
    insert into authority_group (name) values ('Groupe');
    insert into authority_membership (authority_id, group_id, valid_from)
        select a.id, g.id, '2026-01-01' from authority a, authority_group g;
    insert into job (kind, authority_id, object_id, run_at, last_error)
        select 'actes.transmit', {town}, n, now() + interval '1 hour', 'CONVENTION_RETENUE : close'
        from generate_series(1, {held}) n;
    insert into job (kind, authority_id, object_id)
        select 'actes.transmit', a.id, n from generate_series(1, {waiting}) n
        join authority a on a.siren = (300000001 + n % {towns})::text;
"""


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn) as pool:
        yield pool


@pytest.fixture
async def town(database: TestDatabase, pool: Pool) -> AuthorityId:
    """A collectivité among many, all of whose flows are held."""
    town = await add_authority(pool)
    administrator = await asyncpg.connect(database.admin_dsn)
    try:
        await administrator.execute(SEED.format(town=town, towns=TOWNS, held=HELD, waiting=WAITING))
        await administrator.execute("analyze")
    finally:
        await administrator.close()
    return town


def rows_seen(plan: Plan, table: str) -> float:
    """Rows of a table that were looked at, thrown away or not."""
    nodes: list[dict[str, Any]] = [node for node in plan.nodes() if node.get("Relation Name") == table]
    assert nodes
    looked_at = ((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in nodes)
    return float(sum(looked_at))


async def test_a_verdict_asks_once_and_reads_the_rows_of_its_collectivite_alone(pool: Pool, town: AuthorityId) -> None:
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        dossier = await db.get_dossier(explaining, town, Module.ACTES)
    assert [(one.reference, len(one.avenants)) for one in dossier.conventions] == [("C-1", 3)]
    assert (len(dossier.suspensions), dossier.group) == (1, "Groupe")
    [plan] = explaining.plans
    assert not plan.scanned() - {"authority_group"}, plan.text()
    for table, rows in (("convention", 1), ("convention_avenant", 3), ("suspension", 1), ("authority_membership", 1)):
        assert rows_seen(plan, table) == rows, plan.text()


async def test_held_flows_are_counted_among_all_that_waits_by_their_own_index(pool: Pool, town: AuthorityId) -> None:
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        assert await db.count_held(explaining) == {"actes.transmit": HELD}
    [plan] = explaining.plans
    assert rows_seen(plan, "job") == HELD, plan.text()


async def test_a_change_wakes_the_flows_of_its_collectivite_alone(pool: Pool, town: AuthorityId) -> None:
    async with transaction(pool, "system") as connection:
        assert await db.wake_held(connection, town, Module.HELIOS) == 0
        assert await db.wake_held(connection, town, Module.ACTES) == HELD
        due = "select count(*) from job where run_at <= now() and last_error is not null"
        assert await connection.fetchval(due) == HELD
        assert await connection.fetchval("select count(*) from job where woken_at is not null") == HELD
