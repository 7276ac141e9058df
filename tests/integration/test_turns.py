"""Turns between collectivités on a real Postgres: a crowd delays nobody else, weights count, nothing is scanned."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from loadtests.plans import Explaining
from tdt.db import turns
from tdt.db.jobs import insert_job, move_next_to_running, move_to_ready
from tdt.db.pool import Pool, transaction
from tdt.db.turns import BATCH, move_due_to_line
from tdt.db.windows import AHEAD
from tdt.domain.errors import Temporary
from tdt.domain.ids import AuthorityId, JobId
from tdt.domain.jobs import Job, JobKind, RetryAt
from tdt.domain.routes import RouteKind
from tdt.domain.transmission import POSTPONED
from tdt.domain.turns import Line
from tests.claims import LARGE, lines
from tests.doorbells import until
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

KIND = JobKind.ACTES_ANALYSE
CROWD = 10_000
FILL = "insert into job (kind, authority_id, object_id) select $1, $2, n from generate_series(1, $3) n"


@pytest.fixture
async def pool(database: TestDatabase) -> AsyncIterator[Pool]:
    async with application(database.app_dsn, 8) as pool:
        yield pool


async def bring(pool: Pool, authority: AuthorityId | None, count: int, kind: JobKind = KIND) -> None:
    async with transaction(pool, "system") as connection:
        await connection.execute(FILL, kind, authority, count)


async def stand(pool: Pool) -> None:
    """All that is due stands in line."""
    given: int | None = BATCH
    while given == BATCH:
        async with transaction(pool, "system") as connection:
            given = await move_due_to_line(connection, LARGE)


async def claim(pool: Pool, kind: JobKind = KIND) -> Job | None:
    async with transaction(pool, "system") as connection:
        return await move_next_to_running(connection, "w", lines([kind]))


async def done(pool: Pool, count: int) -> list[AuthorityId | None]:
    """Whose jobs were taken and ended, one after the other."""
    whose = []
    for _ in range(count):
        async with transaction(pool, "system") as connection:
            job = await move_next_to_running(connection, "w", lines([KIND]))
            assert job is not None
            await connection.execute("delete from job where id = $1", job.id)
        whose.append(job.authority_id)
    return whose


async def set_weight(pool: Pool, authority: AuthorityId, weight: int) -> None:
    async with transaction(pool, "system") as connection:
        await connection.execute("update authority set weight = $2 where id = $1", authority, weight)


async def test_a_crowd_of_ten_thousand_delays_nobody_and_is_not_scanned(pool: Pool) -> None:
    crowd, other = await add_authority(pool), await add_authority(pool)
    await bring(pool, crowd, CROWD)
    await stand(pool)
    assert await done(pool, 20) == [crowd] * 20
    await bring(pool, other, 1)
    await bring(pool, None, 1)
    await stand(pool)
    assert {other, None} <= set(await done(pool, 4))
    async with transaction(pool, "system") as connection:
        await connection.execute("analyze job")
    async with transaction(pool, "system") as connection:
        explaining = Explaining(connection)
        assert await move_next_to_running(explaining, "w", lines()) is not None
        await move_due_to_line(explaining, LARGE)
    for plan in explaining.plans:
        assert not plan.scanned() - {"authority"}, plan.text()
        read = [node for node in plan.nodes() if node.get("Relation Name") == "job" and "Actual Rows" in node]
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) < 10, plan.text()


async def test_weights_share_the_turns_and_the_oldest_is_not_passed_for_ever(pool: Pool) -> None:
    heavy, light = await add_authority(pool), await add_authority(pool)
    await set_weight(pool, heavy, 4)
    await bring(pool, light, 100)
    await bring(pool, heavy, 100)
    await stand(pool)
    assert Counter(await done(pool, 50)) == {heavy: 40, light: 10}
    for _ in range(30):  # somebody new comes at each turn: what waits still goes on
        await bring(pool, await add_authority(pool), 1)
        await stand(pool)
        await done(pool, 1)
    await stand(pool)
    assert {heavy, light} <= set(await done(pool, 20))


async def test_what_is_tried_again_or_woken_stands_in_line_again(pool: Pool) -> None:
    authority, other = await add_authority(pool), await add_authority(pool)
    await bring(pool, authority, 3)
    await stand(pool)
    first = await claim(pool)
    assert first is not None
    async with transaction(pool, "system") as connection:
        at = await connection.fetchval("select now() + interval '1 hour'")
        await move_to_ready(connection, "w", first.id, RetryAt(at, "INDISPONIBLE"))
    await stand(pool)
    await bring(pool, other, 1)
    await stand(pool)
    assert await done(pool, 3) in ([authority, other, authority], [other, authority, authority])
    assert await claim(pool) is None
    async with transaction(pool, "system") as connection:
        await connection.execute("update job set run_at = now()")
    assert await claim(pool) is None
    await stand(pool)
    again = await claim(pool)
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)


async def test_turns_given_by_several_at_once_and_claimed_by_several_are_each_one_s_own(pool: Pool) -> None:
    authority = await add_authority(pool)
    taken: list[JobId] = []

    async def work(number: int) -> None:
        await bring(pool, authority, 50)
        while True:
            async with transaction(pool, "system") as connection:
                await move_due_to_line(connection, LARGE)
            async with transaction(pool, "system") as connection:
                job = await move_next_to_running(connection, f"w{number}", lines())
            if job is None:
                return
            taken.append(job.id)

    await asyncio.gather(*(work(number) for number in range(8)))
    await work(8)
    assert len(taken) == len(set(taken)) == 450
    async with transaction(pool, "system") as connection:
        assert await connection.fetchval("select count(distinct turn) from job") == 450


FLOW = """
    insert into helios_transaction (authority_id, route_id, siren, filename, content_id, sha1, size, status)
    values ($1, $2, '123456782', 'f', $3, $4::bigint::text::bytea, $4, 2) returning id"""


async def test_what_is_large_waits_apart_by_the_size_of_its_deposit(pool: Pool) -> None:
    authority = await add_authority(pool)
    async with transaction(pool, "system") as connection:
        route = await connection.fetchval(
            "insert into route (kind, name, transport) values ('helios', 'r', 'ftp_simulator') returning id"
        )
        content = await connection.fetchval(
            "insert into content (sha256, size, place, spool_name) values ('', 0, 'spool', 'f') returning id"
        )
        for size in (LARGE, LARGE - 1):
            flow = await connection.fetchval(FLOW, authority, route, content, size)
            await insert_job(connection, JobKind.HELIOS_TRANSMIT, authority, flow)
        assert await move_due_to_line(connection, LARGE) == 2
        rows = await connection.fetch(
            "select t.size, j.large from job j join helios_transaction t on t.id = j.object_id order by t.size"
        )
        assert [tuple(row) for row in rows] == [(LARGE - 1, False), (LARGE, True)]
        one = await move_next_to_running(connection, "w", [Line(JobKind.HELIOS_TRANSMIT, large=True)])
    assert one is not None
    assert one.large


async def test_what_an_hour_takes_is_shared_by_the_byte_and_by_weight(pool: Pool) -> None:
    """Ten of one wait since before; one of another, deposited last, leaves after the first, before the second."""
    crowd, other = await add_authority(pool), await add_authority(pool)
    async with transaction(pool, "system") as connection:
        route = await connection.fetchval(
            "insert into route (kind, name, transport) values ('helios', 'r', 'ftp_simulator') returning id"
        )
        content = await connection.fetchval(
            "insert into content (sha256, size, place, spool_name) values ('', 0, 'spool', 'f') returning id"
        )
        flows = [await connection.fetchval(FLOW, crowd, route, content, 100 + number) for number in range(10)]
        single = await connection.fetchval(FLOW, other, route, content, 7)
        await connection.execute(
            "insert into job (kind, authority_id, object_id, last_error)"
            " select 'helios.transmit', $1, n, $3 from unnest($2::bigint[]) n",
            crowd,
            flows,
            POSTPONED,
        )
        hour = await connection.fetchval("select date_trunc('hour', now())")

        async def ahead(flow: int) -> list[int]:
            return [row["size"] for row in await connection.fetch(AHEAD[RouteKind.HELIOS], route, flow, hour)]

        assert await ahead(single) == [100]
        assert await ahead(flows[3]) == [100, 101, 102]
        await connection.execute("update authority set weight = 100 where id = $1", crowd)
        await insert_job(connection, JobKind.HELIOS_TRANSMIT, other, single)
        await connection.execute("update job set last_error = $2 where object_id = $1", single, POSTPONED)
        assert await ahead(flows[3]) == [100, 7, 101, 102]
        await connection.execute(
            "insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size)"
            " values ($1, $2, 'helios_transaction', $3, 'n', '', 100)",
            crowd,
            route,
            flows[0],
        )
        assert await ahead(single) == []
        assert await ahead(flows[1]) == [7]


async def test_a_process_frozen_while_it_gives_turns_keeps_nobody_waiting(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SILENT", "200ms")
    await bring(pool, None, 2)
    with pytest.raises(Temporary):
        async with transaction(pool, "system") as frozen:
            assert await move_due_to_line(frozen, LARGE) == 2

            async def is_given() -> bool:
                async with transaction(pool, "system") as connection:
                    return await move_due_to_line(connection, LARGE) == 2

            await until(is_given, "the lock of a frozen process is kept")
