"""Transactions while Postgres stops, is killed, stays away, comes back; and what the driver's errors become."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tdt.db.locks import hold_route
from tdt.db.pool import Pool, transaction
from tdt.domain.errors import Conflict, Temporary
from tdt.domain.ids import AuthorityId
from tests.own_postgres import Server, own_server
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with own_server(tmp_path / "postgres") as server:
        yield server


async def one(pool: Pool, wait_seconds: float = 10.0) -> int:
    async with transaction(pool, "system", wait_seconds) as connection:
        number: int = await connection.fetchval("select 1")
    return number


async def test_postgres_stops_stays_away_and_comes_back(server: Server) -> None:
    await server.start()
    async with application(server.dsn) as pool:
        assert await one(pool) == 1
        server.stop()

        started = asyncio.get_running_loop().time()
        with pytest.raises(Temporary, match="base de données"):
            await one(pool, 0.6)
        assert 0.3 < asyncio.get_running_loop().time() - started < 9

        waiting = [asyncio.create_task(one(pool, 60)) for _ in range(8)]  # more than the pool holds
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await server.start()
        assert await asyncio.gather(*waiting) == [1] * 8


async def test_the_program_may_start_before_postgres(server: Server) -> None:
    async with application(server.dsn) as pool:
        waiting = asyncio.create_task(one(pool, 60))
        await asyncio.sleep(0)
        await server.start()
        assert await waiting == 1


async def test_stopped_in_the_middle_of_a_statement(server: Server) -> None:
    await server.start()
    async with application(server.dsn) as pool:
        asleep = asyncio.Event()

        async def wait_in_postgres() -> None:
            async with transaction(pool, "system") as connection:
                asleep.set()
                await connection.fetchval("select pg_sleep(60)")

        task = asyncio.create_task(wait_in_postgres())
        await asleep.wait()
        await somebody_sleeps(server)
        server.stop()
        with pytest.raises(Temporary):
            await task
        await server.start()
        assert await one(pool, 60) == 1


async def somebody_sleeps(server: Server) -> None:
    """Wait until the statement has reached Postgres."""
    query = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
    connection = await asyncpg.connect(server.dsn)
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval(query):
                pass
    finally:
        await connection.close()


async def test_stopped_before_the_commit_nothing_is_said_done_and_nothing_is_there(server: Server) -> None:
    await server.start()
    async with application(server.dsn) as pool:
        async with transaction(pool, "system") as connection:
            await connection.execute("create table kept (n integer)")
        with pytest.raises(Temporary):
            async with transaction(pool, "system") as connection:
                await connection.execute("insert into kept values (1)")
                server.stop()
        await server.start()
        async with transaction(pool, "system", 60) as connection:
            assert await connection.fetchval("select count(*) from kept") == 0


async def test_a_connection_that_the_server_ended_is_replaced(database: TestDatabase) -> None:
    async with application(database.app_dsn) as pool:
        await one(pool)
        admin = await asyncpg.connect(database.admin_dsn)
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and usename = 'tdt_app'"
        )
        await admin.close()
        assert await one(pool) == 1


async def test_ended_while_its_transaction_is_open(database: TestDatabase) -> None:
    async with application(database.app_dsn) as pool:
        admin = await asyncpg.connect(database.admin_dsn)
        with pytest.raises(Temporary):
            async with transaction(pool, "system") as connection:
                backend = await connection.fetchval("select pg_backend_pid()")
                await admin.execute("select pg_terminate_backend($1, 10000)", backend)
                await connection.fetchval("select 1")
        await admin.close()
        assert await one(pool) == 1


async def test_a_full_pool_waits_then_gives_up(database: TestDatabase) -> None:
    async with application(database.app_dsn, 1) as pool:
        async with transaction(pool, "system"):
            with pytest.raises(Temporary):
                await one(pool, 0.3)
        assert await one(pool, 0.3) == 1


async def test_a_server_without_a_free_connection_is_away(database: TestDatabase) -> None:
    admin = await asyncpg.connect(database.admin_dsn)
    await admin.execute(f'alter database "{database.name}" connection limit 0')
    async with application(database.app_dsn) as pool:
        with pytest.raises(Temporary):
            await one(pool, 0.3)
        waiting = asyncio.create_task(one(pool, 60))
        await asyncio.sleep(0)
        await admin.execute(f'alter database "{database.name}" connection limit -1')
        assert await waiting == 1
    await admin.close()


async def test_a_taken_value_is_a_conflict_that_names_its_constraint(database: TestDatabase) -> None:
    async with application(database.app_dsn) as pool:
        with pytest.raises(Conflict) as caught:
            async with transaction(pool, "system") as connection:
                await connection.execute("insert into worker (name) values ('w')")
                await connection.execute("insert into worker (name) values ('w')")
        assert caught.value.details["constraint"] == "worker_pkey"
        async with transaction(pool, "system") as connection:
            assert await connection.fetchval("select count(*) from worker") == 0


async def test_a_deadlock_asks_to_start_again(database: TestDatabase) -> None:
    admin = await asyncpg.connect(database.admin_dsn)
    await admin.execute(f"alter database \"{database.name}\" set deadlock_timeout = '10ms'")
    await admin.close()
    async with application(database.app_dsn) as pool:
        async with transaction(pool, "system") as connection:
            await connection.execute("insert into worker (name) values ('a'), ('b')")
        both_hold_one = asyncio.Barrier(2)

        async def lock(first: str, second: str) -> None:
            async with transaction(pool, "system") as connection:
                await connection.execute("update worker set seen_at = now() where name = $1", first)
                await both_hold_one.wait()
                await connection.execute("update worker set seen_at = now() where name = $1", second)

        ended = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)
        assert [type(error) for error in ended if error is not None] == [Temporary]


async def test_an_error_of_the_caller_goes_through_and_rolls_back(database: TestDatabase) -> None:
    async with application(database.app_dsn, 1) as pool:
        with pytest.raises(ZeroDivisionError):
            async with transaction(pool, "system") as connection:
                await connection.execute("insert into worker (name) values ('w')")
                raise ZeroDivisionError
        async with transaction(pool, "system") as connection:
            assert await connection.fetchval("select count(*) from worker") == 0


async def test_an_error_of_the_disk_is_not_an_outage_of_the_database(database: TestDatabase, tmp_path: Path) -> None:
    """A file that is missing in the middle of a transaction is what it is, not a reason to wait for Postgres."""
    async with application(database.app_dsn, 1) as pool:
        with pytest.raises(FileNotFoundError):
            async with transaction(pool, "system"):
                (tmp_path / "absent").read_bytes()
        assert await one(pool) == 1


async def test_cancelled_in_a_statement_the_connection_serves_again(database: TestDatabase) -> None:
    async with application(database.app_dsn, 1) as pool:
        inside = asyncio.Event()

        async def wait_in_postgres() -> None:
            async with transaction(pool, "system") as connection:
                await connection.execute("insert into worker (name) values ('w')")
                inside.set()
                await connection.fetchval("select pg_sleep(60)")

        task = asyncio.create_task(wait_in_postgres())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with transaction(pool, "system") as connection:
            assert await connection.fetchval("select count(*) from worker") == 0


async def test_the_scope_ends_with_its_transaction(database: TestDatabase) -> None:
    """One connection for all: what a transaction may see is never what the one before could."""
    async with application(database.app_dsn, 1) as pool:
        mine, other = await add_authority(pool), await add_authority(pool)
        for scope, expected in ((mine, [mine]), ("system", [mine, other]), (other, [other]), (AuthorityId(0), [])):
            async with transaction(pool, scope) as connection:  # type: ignore[arg-type]
                seen = [row["id"] for row in await connection.fetch("select id from authority order by id")]
            assert seen == expected
        async with pool.acquire() as connection:
            assert await connection.fetch("select id from authority") == []


async def test_a_connection_that_is_cut_does_not_undo_a_cancellation(database: TestDatabase) -> None:
    """Whoever holds a route is told to stop just when its connection is cut: unlocking fails, the holder stops."""

    def cut() -> None:
        # while the loop stands still: the holder learns of its cancellation first
        asyncio.run(execute(database.admin_dsn, CUT))

    async with application(database.app_dsn) as pool:
        held = asyncio.Event()

        async def hold() -> None:
            async with hold_route(pool, 1):
                held.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(hold())
        await held.wait()
        cutting = threading.Thread(target=cut)
        cutting.start()
        cutting.join()
        holder.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holder


CUT = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and usename <> current_user and pid <> pg_backend_pid()"""


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_server_soon_notices_a_client_that_vanished(database: TestDatabase) -> None:
    """A socket of the same machine shows 0: who set it is all that can be seen everywhere."""
    async with application(database.app_dsn, 1) as pool, transaction(pool, "system") as connection:
        rows = await connection.fetch("select source from pg_settings where name like 'tcp_keepalives%'")
        assert [row["source"] for row in rows] == ["client"] * 3
        assert await connection.fetchval("show idle_in_transaction_session_timeout") == "10min"
