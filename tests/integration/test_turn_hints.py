"""What the State sends back takes turns: whose it seems to be says when it is read, and nothing else."""

from collections.abc import AsyncIterator

import pytest

from loadtests.plans import Explaining
from tdt.db import purge
from tdt.db.jobs import move_next_to_running
from tdt.db.pool import Connection, Pool, transaction
from tdt.db.receptions import insert_jobs
from tdt.db.turn_hints import list_of_acts, list_of_flows
from tdt.db.turns import BATCH, move_due_to_line
from tdt.domain.closing import Waiting
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.jobs import JobKind
from tdt.domain.turns import Known, Look
from tests.claims import LARGE, lines
from tests.mass_answers import insert_sent_acts
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

KINDS = [JobKind.ACTES_INGEST, JobKind.HELIOS_INGEST]
CROWD = 500


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn) as pool:
        yield pool


async def bring(pool: Pool, kind: JobKind, first: int, turns: list[int | None]) -> None:
    """Receptions numbered from `first` on, and all that is due stands in line."""
    async with transaction(pool, "system") as connection:
        await insert_jobs(connection, kind, range(first, first + len(turns)), turns)
    given: int | None = BATCH
    while given == BATCH:
        async with transaction(pool, "system") as connection:
            given = await move_due_to_line(connection, LARGE)


async def read(pool: Pool, kind: JobKind, count: int) -> list[int]:
    """The receptions that are read next."""
    numbers = []
    for _ in range(count):
        async with transaction(pool, "system") as connection:
            job = await move_next_to_running(connection, "w", lines([kind]))
            assert job is not None
            assert job.authority_id is None
            await connection.execute("delete from job where id = $1", job.id)
        numbers.append(job.object_id)
    return numbers


@pytest.mark.parametrize("kind", KINDS)
async def test_one_answer_does_not_wait_behind_those_of_a_crowd(pool: Pool, kind: JobKind) -> None:
    crowd, other = await add_authority(pool), await add_authority(pool)
    await bring(pool, kind, 1, [crowd] * CROWD)
    assert await read(pool, kind, 20) == [*range(1, 21)]
    await bring(pool, kind, 1001, [other, None, -7])
    assert {1001, 1002, 1003} <= set(await read(pool, kind, 5))
    async with transaction(pool, "system") as connection:
        await connection.execute("analyze job")
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        assert await move_next_to_running(explaining, "w", lines()) is not None
        await insert_jobs(connection, kind, [2001], [other])
        assert await move_due_to_line(explaining, LARGE) == 1
    assert len(explaining.plans) >= 2
    for plan in explaining.plans:
        assert not plan.scanned() - {"authority"}, plan.text()


async def test_what_is_read_in_the_turn_of_a_collectivite_is_not_its_own(pool: Pool) -> None:
    """Anybody may name it: it sees nothing of it, its end neither waits for it nor takes it away."""
    authority = await add_authority(pool)
    await bring(pool, JobKind.ACTES_INGEST, 1, [authority])
    async with transaction(pool, authority) as connection:
        assert await connection.fetchval("select count(*) from job") == 0
    async with transaction(pool, "system") as connection:
        assert await purge.get_waiting(connection, authority) == Waiting(0, 0)
        assert await connection.fetchval("select count(*) from job where authority_id = $1", authority) == 0
        await connection.execute("delete from authority where id = $1", authority)
    assert await read(pool, JobKind.ACTES_INGEST, 1) == [1]


async def add_route(connection: Connection, kind: str) -> RouteId:
    number = await connection.fetchval(
        "insert into route (kind, name, transport) values ($1, $1, $2) returning id",
        kind,
        "https" if kind == "actes" else "ftp_simulator",
    )
    return RouteId(number)


async def siren_of(connection: Connection, authority: AuthorityId) -> str:
    return str(await connection.fetchval("select siren from authority where id = $1", authority))


async def test_acts_that_await_their_answer_and_siren(pool: Pool) -> None:
    authority = await add_authority(pool)
    async with transaction(pool, "system") as connection:
        siren = await siren_of(connection, authority)
        await insert_sent_acts(connection, authority, await add_route(connection, "actes"), 5000, siren)
        acts = [f"034-{siren}-20260309-M{number}-DE" for number in (1, 2, 3)]
        await connection.execute("update acte_transaction set status = 4 where unique_id = $1", acts[1])
        await connection.execute("update acte_transaction set status = 2 where unique_id = $1", acts[2])
        looks = [Look((one, "034-000000000-20260309-X-DE"), (siren, "000000000")) for one in acts]
        assert await list_of_acts(connection, looks) == Known(
            {acts[0]: authority, acts[2]: authority}, {siren: authority}
        )
        await connection.execute("analyze acte_transaction")
        explaining = Explaining(connection)
        await list_of_acts(explaining, looks)
        await connection.execute("update authority set purged_at = now() where id = $1", authority)
        assert await list_of_acts(connection, [Look((), (siren,))]) == Known({}, {})
    assert not explaining.plans[0].scanned() - {"authority"}, explaining.plans[0].text()


FLOWS = """
    insert into helios_transaction
        (authority_id, route_id, siren, filename, content_id, sha1, size, status, xml_nomfic, transmitted_name)
    select $1, $2, '123456782', 'f', $3, ($5 || n)::bytea, 1, $4, $5 || n, $5 || n from generate_series(1, $6) n"""


async def test_flows_that_await_their_acquit_and_siret(pool: Pool) -> None:
    authority, other = await add_authority(pool), await add_authority(pool)
    siret, shared = "12345678200010", "12345678200028"
    async with transaction(pool, "system") as connection:
        route = await add_route(connection, "helios")
        content = await connection.fetchval(
            "insert into content (sha256, size, place, spool_name) values ('', 0, 'spool', 'f') returning id"
        )
        await connection.execute(FLOWS, authority, route, content, 3, "WAITS", 3000)
        await connection.execute(FLOWS, authority, route, content, 8, "DONE", 3000)
        await connection.execute(FLOWS, other, route, content, 3, "TWIN", 1)
        await connection.execute("update helios_transaction set xml_nomfic = 'WAITS2' where xml_nomfic = 'TWIN1'")
        for one, number in ((authority, siret), (authority, shared), (other, shared)):
            await connection.execute("insert into authority_siret (authority_id, siret) values ($1, $2)", one, number)
        await connection.execute("analyze helios_transaction")
        explaining = Explaining(connection)
        looks = [Look(("WAITS1", "WAITS2", "DONE1"), (siret,)), Look(("NONE",), (shared,))]
        assert await list_of_flows(explaining, looks) == Known({"WAITS1": authority}, {siret: authority})
    [plan] = explaining.plans
    assert not plan.scanned() & {"helios_transaction"}, plan.text()
    seen = [node for node in plan.nodes() if node.get("Relation Name") == "helios_transaction"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in seen) < 10, plan.text()
