"""What the endpoints read of the large tables is found by indexes, under row-level security, whatever the scope."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import asyncpg
import pytest

from loadtests.plans import BEGINNING, Explaining, Ids, explain, find_ids, reads
from loadtests.seed import First, Size, seed
from tdt.db import acte_closing, acte_lists, helios, helios_alerts, helios_lists, helios_moves, lateness
from tdt.db.authorities import NewAuthority, insert_authority, insert_group
from tdt.db.pool import GroupScope, Pool, Scope, transaction
from tdt.domain.crowds import NAMED, number_of
from tdt.domain.helios.alerts import Kind
from tdt.domain.ids import AuthorityId
from tdt.domain.limits import Late
from tests.postgres import TestDatabase
from tests.tenants import application

SIZE = Size(authorities=60, accounts=3_000, transactions=12_000)
LARGE = {
    "acte_envelope",
    "acte_file",
    "acte_transaction",
    "acte_workflow",
    "content",
    "helios_nomfic",
    "helios_transaction",
    "helios_workflow",
}
"""What grows with each deposit."""
ROWS = 20
"""Nothing that one of these requests asks of them has more."""

ROUTES = """
    insert into route (kind, transport, name) values ('actes', 'https', 'a'), ('helios', 'ftp_simulator', 'h')"""


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn) as pool:
        yield pool


@pytest.fixture
async def ids(database: TestDatabase, pool: Pool) -> Ids:
    """An installation of a middling size; something of its largest collectivité."""
    async with transaction(pool, "system") as connection:
        group = await insert_group(connection, "Groupe")
        authority = await insert_authority(connection, NewAuthority("Ville", "999999999", 31, "034", "3"))
        await connection.execute(ROUTES)
        await connection.execute(
            "insert into authority_membership (authority_id, group_id, valid_from) values ($1, $2, '2020-01-01')",
            authority,
            group,
        )
    administrator = await asyncpg.connect(database.admin_dsn)
    try:
        await seed(administrator, SIZE, First(authority, group))
    finally:
        await administrator.close()
    async with transaction(pool, "system") as connection:
        return await find_ids(connection, AuthorityId(authority))


async def test_no_request_reads_a_large_table_whole(pool: Pool, ids: Ids) -> None:
    for read in reads(ids):
        for plan in await explain(pool, read):
            kept = LARGE if read.wide else LARGE | {"account", "account_permission", "service_member"}
            assert not plan.scanned() & kept, (read.name, plan.statement, plan.text())
            for node in plan.nodes():
                if node.get("Relation Name") in LARGE:
                    seen = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                    assert seen <= ROWS, (read.name, plan.statement, plan.text())


@pytest.mark.parametrize("scope", ["authority", "group", "system"])
async def test_lists_and_counts_of_actes_go_by_indexes(pool: Pool, ids: Ids, scope: str) -> None:
    """However many there are: the list stops at its limit, the rest reads what it counts."""
    wanted = acte_lists.Wanted(ids.authority, 4, since=BEGINNING, until=datetime.now(UTC), type=1)
    period = acte_lists.Period(BEGINNING, datetime.now(UTC), ids.authority)
    scopes: dict[str, Scope] = {"authority": ids.authority, "group": GroupScope(ids.group), "system": "system"}
    async with transaction(pool, scopes[scope]) as connection:
        explaining = Explaining(connection)
        assert len(await acte_lists.list_actes(explaining, wanted, 5, 10)) == 10
        assert await acte_lists.count_actes(explaining, ids.authority, 4) > 100
        if scope != "authority":
            assert await acte_lists.list_totals(explaining, ids.group, date(2020, 1, 1), date(2099, 1, 1))
        assert [one async for one in acte_lists.stream_envelopes(explaining, period)]
        if scope == "system":
            await acte_closing.list_unanswered(explaining, datetime.now(UTC), 0, 500)
            await acte_closing.count_unanswered(explaining, datetime.now(UTC))
    for plan in explaining.plans:
        assert not plan.scanned() & LARGE, (plan.statement, plan.text())
    listed = [node for node in explaining.plans[0].nodes() if node.get("Relation Name") == "acte_transaction"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in listed) <= ROWS


@pytest.mark.parametrize("scope", ["authority", "group"])
async def test_lists_and_counts_of_flows_go_by_indexes(pool: Pool, ids: Ids, scope: str) -> None:
    """The list stops at its limit; who deposited these bytes, signed since or not, is found at once."""
    wanted = helios_lists.Wanted(ids.authority, 8, since=BEGINNING, until=datetime.now(UTC))
    scopes: dict[str, Scope] = {"authority": ids.authority, "group": GroupScope(ids.group)}
    async with transaction(pool, scopes[scope]) as connection:
        explaining = Explaining(connection)
        assert len(await helios_lists.list_ids(explaining, wanted, 5, 10)) == 10
        if scope == "group":
            assert await helios_lists.list_totals(explaining, ids.group, BEGINNING, datetime.now(UTC))
        await helios.find_known(explaining, bytes(20))
    for plan in explaining.plans:
        assert not plan.scanned() & LARGE, (plan.statement, plan.text())
    listed = [node for node in explaining.plans[0].nodes() if node.get("Relation Name") == "helios_transaction"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in listed) <= ROWS


async def test_what_waits_at_helios_is_found_by_indexes(pool: Pool, ids: Ids) -> None:
    """Every minute, by every worker: what has ended is not looked at."""
    late: dict[Kind, datetime | None] = dict.fromkeys(Kind, datetime.now(UTC))
    wanted = helios_moves.Wanted((1, 2, 3), datetime.now(UTC), ids.authority)
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        counted = await helios_alerts.count_waiting(explaining, late)
        assert sum(one.count for one in counted) == len(await helios_alerts.list_new(explaining, late)) > 50
        await helios_alerts.list_routes(explaining, datetime.now(UTC))
        assert await helios_alerts.list_unacknowledged(explaining, datetime.now(UTC))
        assert await helios_moves.list_flows(explaining, wanted)
    for plan in explaining.plans:
        assert not plan.scanned() & LARGE, (plan.statement, plan.text())


async def test_a_list_of_a_group_asks_for_its_members_once(pool: Pool, ids: Ids) -> None:
    """The policy is a hashed subplan, not a question for each row."""
    (read,) = (one for one in reads(ids) if one.name == "accounts counted (GADM)")
    (plan,) = await explain(pool, read)
    scans = [node for node in plan.nodes() if node.get("Relation Name") == "account"]
    asked = [node for node in plan.nodes() if node.get("Parent Relationship") == "SubPlan"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) > 500
    assert [node["Actual Loops"] for node in asked] == [1] * len(asked)
    assert asked


async def test_a_statement_without_an_index_is_seen(pool: Pool, ids: Ids) -> None:
    async with transaction(pool, ids.authority) as connection:
        explaining = Explaining(connection)
        await explaining.fetch("select id from acte_transaction where subject = $1", "Acte n° 2")
    assert explaining.plans[0].scanned() == {"acte_transaction"}


async def test_the_watchdog_looks_at_what_is_unfinished_only(pool: Pool, ids: Ids) -> None:
    """Every minute: neither what has ended nor its workflow is read."""
    before = dict.fromkeys(Late, datetime.now(UTC))
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        assert await lateness.list_late_actes(explaining, before)
        await lateness.list_late_flows(explaining, before)
        await lateness.list_late_jobs(explaining, before)
        await lateness.list_late_heaps(explaining, before)
        await lateness.list_late_received(explaining, before)
        await lateness.list_late_attempts(explaining, datetime.now(UTC), (900.0, 900.0))
        await lateness.list_late_listeners(explaining, datetime.now(UTC))
    for plan in explaining.plans:
        assert not plan.scanned() & LARGE, (plan.statement, plan.text())


WAITING = """
    with late as (
        update acte_transaction set status = 2
        where id in (select id from acte_transaction where status = 4 order by id limit 500)
        returning envelope_id, authority_id),
    work as (
        insert into job (kind, authority_id, object_id) select 'actes.transmit', authority_id, envelope_id from late)
    select count(*) from late"""


async def test_the_watchdog_reads_the_work_of_each_late_act_once(pool: Pool, ids: Ids) -> None:
    """While the State is down thousands wait, each with its work: what is read must not grow with the square."""
    async with transaction(pool, "system") as connection:
        late = await connection.fetchval(WAITING)
        explaining = Explaining(connection)
        items = await lateness.list_late_actes(explaining, {Late.ACTE_WAITING: datetime.now(UTC)})
        assert sum(map(number_of, items)) >= late == 500 and len(items) == NAMED + 1
    jobs = [node for node in explaining.plans[0].nodes() if node.get("Relation Name") == "job"]
    seen = sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in jobs)
    assert seen <= 2 * late, explaining.plans[0].text()
