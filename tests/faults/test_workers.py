"""Workers that die, hang, lose the database or their heartbeat: every job is done, none twice in effect."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from tdt.config import Database
from tdt.config import Worker as WorkerSettings
from tdt.db import jobs as db
from tdt.db.routes import list_active_routes
from tdt.domain.ids import JobId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.domain.turns import Line
from tdt.flows import actes_send
from tdt.queue.wakeups import Ring
from tdt.workers.lanes import MAIN_LANE, Lane
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.runner import Worker
from tests.claims import claim_next
from tests.dgfip_flows import sample as pes
from tests.faults.plant import Plant, acquit, ar_mail, plant, until
from tests.mailservers import PASSWORD as MAIL_PASSWORD
from tests.mailservers import pymap
from tests.postgres import TestDatabase


@asynccontextmanager
async def working(works: Plant) -> AsyncIterator[Worker]:
    """A worker, until the block ends."""
    worker = Worker(works.deps, WorkerMetrics())
    ready = asyncio.Event()
    running = asyncio.create_task(worker.run(ready.set))
    try:
        await asyncio.wait([running, asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        yield worker
    finally:
        worker.stop()
        await running


async def no_job(works: Plant) -> bool:
    return not await works.value("select count(*) from job")


async def test_the_jobs_of_a_dead_worker_are_done_by_another(works: Plant) -> None:
    acte = await works.submit_acte()
    async with works.deps.transaction("system") as connection:
        await db.insert_heartbeat(connection, "dead")
        assert await claim_next(connection, "dead") is not None
    async with working(works):
        await until(lambda: is_at(works, acte, 3), "taken over and transmitted", 10)
        await until(lambda: no_job(works), "no job left")
    assert len(works.prefecture.parcels) == 1


def test_the_settings_let_a_dead_worker_be_replaced_within_ten_seconds() -> None:
    """Silent since its last beat: seen at the first beat of another after `dead_after_seconds`."""
    for settings in (WorkerSettings(), _example()):
        assert settings.dead_after_seconds + settings.heartbeat_seconds < 10
        assert settings.dead_after_seconds >= 3 * settings.heartbeat_seconds


def _example() -> WorkerSettings:
    text = (Path(__file__).parents[2] / "conf" / "tdt.toml.example").read_text()
    return msgspec.convert(tomllib.loads(text).get("worker", {}), WorkerSettings)


async def is_at(works: Plant, acte: Any, status: int) -> bool:
    return await works.acte_status(acte) == status


async def test_a_worker_without_heartbeat_that_lives_changes_nothing_twice(works: Plant) -> None:
    """Its job was taken over while it was still sending; both end, one after the other."""
    acte, envelope = await works.packaged_acte()
    [row] = await works.fetch("select id from job where kind = 'actes.transmit'")
    job = JobId(row["id"])
    async with works.deps.transaction("system") as connection:
        await connection.execute("delete from job where id <> $1", job)
        assert await claim_next(connection, "slow") is not None
    works.prefecture.mode = "hang"
    slow = asyncio.create_task(actes_send.transmit(works.deps, envelope))
    async with asyncio.timeout(20):
        await works.prefecture.whole.wait()
    works.prefecture.mode = "accept"
    async with working(works):
        await until(lambda: waits(works, job), "the other one saw a sending in doubt")
        works.prefecture.leaving.set()
        await slow
        async with works.deps.transaction("system") as connection:
            assert not await db.delete_done(connection, "slow", job)
            await connection.execute("update job set run_at = now() where id = $1", job)
        await until(lambda: no_job(works), "the other one has nothing to do")
    assert len(works.prefecture.parcels) == 1
    assert await works.acte_life(acte) == [1, 2, 3]


async def waits(works: Plant, job: JobId) -> bool:
    [row] = await works.fetch("select state, last_error from job where id = $1", job)
    return (row["state"], row["last_error"]) == ("ready", "INCERTAIN")


@pytest.mark.parametrize("how", ["claim", "end"])
async def test_a_job_whose_commit_was_lost_is_not_held_for_ever(works: Plant, how: str) -> None:
    """The row says that a living worker runs it, and the worker does not know: an answer of Postgres got lost."""
    acte = await works.submit_acte()
    if how == "claim":  # nobody claims it by itself
        async with works.deps.transaction("system") as connection:
            await connection.execute("update job set run_at = now() + interval '1 hour'")
    async with working(works) as worker:
        if how == "claim":
            async with works.deps.transaction("system") as connection:
                await connection.execute(
                    "update job set state = 'running', worker = $1, started_at = now(), run_at = now()", worker.name
                )
        else:
            admin = await asyncpg.connect(works.database.admin_dsn)
            await admin.execute(
                "create function cut() returns trigger language plpgsql security definer as"
                " $$ begin perform pg_terminate_backend(pg_backend_pid()); return old; end $$"
            )
            await admin.execute("create trigger cut before delete on job for each row execute function cut()")
            await until(lambda: is_at(works, acte, 3), "transmitted")
            await admin.execute("drop trigger cut on job")
            await admin.close()
        await until(lambda: no_job(works), "no job left")
    assert await works.acte_life(acte) == [1, 2, 3]
    assert len(works.prefecture.parcels) == 1


async def test_a_prefecture_that_hangs_does_not_hold_up_the_dgfip(database: TestDatabase, tmp_path: Path) -> None:
    settings = WorkerSettings(concurrency=4, heartbeat_seconds=0.2, dead_after_seconds=0.8, shutdown_seconds=0.2)
    async with plant(database, tmp_path, worker=settings) as works:
        works.prefecture.mode = "hang"
        for number in range(6):
            await works.submit_acte(f"N{number}")
        async with working(works):
            await until(lambda: hung(works), "the préfecture hangs")
            flow = await works.submit_pes(pes())
            await until(lambda: is_sent(works, flow), "the flow is sent", 10)
            works.prefecture.mode = "accept"
            works.prefecture.leaving.set()
            await until(lambda: all_sent(works, 6), "every act is sent")


async def hung(works: Plant) -> bool:
    return len(works.prefecture.parcels) == 1 and int(await works.value("select count(*) from job")) == 6


async def is_sent(works: Plant, flow: Any) -> bool:
    return await works.helios_status(flow) == 3


async def all_sent(works: Plant, count: int) -> bool:
    return int(await works.value("select count(*) from acte_transaction where status = 3")) == count


async def test_a_job_that_always_fails_does_not_hold_up_the_others(works: Plant) -> None:
    async with works.deps.transaction("system") as connection:
        for number in range(20):  # nothing has this number: NotFound, or nothing at all
            await db.insert_job(connection, JobKind.CONTENT_ARCHIVE, None, 10_000 + number)
            await db.insert_job(connection, JobKind.HELIOS_INGEST, None, 10_000 + number)
    async with works.deps.transaction("system") as connection:
        await connection.execute("update acte_classification set content_id = (select min(id) from content)")
    acte = await works.submit_acte()
    async with working(works):
        await until(lambda: is_at(works, acte, 3), "transmitted")


async def test_rings_do_not_pile_up() -> None:
    lane = Lane([Line(kind) for kind in MAIN_LANE])
    for _ in range(1000):
        lane.ring(Ring())
    lane.ring(Ring(JobId(1)))
    lane.ring(Ring())
    assert await lane.next_ring() == Ring()
    assert await lane.next_ring() == Ring(JobId(1))
    lane.ring(Ring())
    assert await lane.next_ring() == Ring()
    lane.end()
    lane.end()
    assert [await lane.next_ring() for _ in range(2)] == [Ring()] * 2


async def test_a_listener_that_breaks_takes_nothing_else_with_it(works: Plant) -> None:
    """A statement fails in the reception of one route: jobs go on, and it is listened to again."""
    admin = await asyncpg.connect(works.database.admin_dsn)
    await admin.execute(
        "create function broken() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$"
    )
    await admin.execute("create trigger broken before insert on received for each row execute function broken()")
    flow = await works.queued_pes(pes())
    (works.ftp.received / "ACK").write_bytes(acquit())
    async with working(works):
        await until(lambda: is_sent(works, flow), "sent")
        await until(lambda: taken(works), "fetched, and not stored")
        acte = await works.submit_acte()
        await until(lambda: is_at(works, acte, 3), "transmitted all the same")
        await admin.execute("drop trigger broken on received")
        await until(lambda: answered(works, flow), "read at last")
    await admin.close()
    assert works.spooled() == []


async def taken(works: Plant) -> bool:
    return not list(works.ftp.received.iterdir())


async def answered(works: Plant, flow: Any) -> bool:
    return await works.helios_status(flow) == 8


async def test_many_routes_do_not_take_the_connections_of_the_jobs(database: TestDatabase, tmp_path: Path) -> None:
    """Each route listened to holds a lock, hence a connection."""
    small = Database(dsn=database.app_dsn, pool_size=3, wait_seconds=2.0)
    async with plant(database, tmp_path, database=small) as works:
        async with works.deps.transaction("system") as connection:
            for number in range(12):
                await connection.execute(
                    "insert into route (kind, transport, name, settings, credentials)"
                    " select kind, transport, $1, settings, credentials from route where name = 'helios'",
                    f"route {number}",
                )
        acte = await works.submit_acte()
        async with working(works):
            await until(lambda: listens(works, 14), "every route is listened to")
            await until(lambda: is_at(works, acte, 3), "transmitted")


async def listens(works: Plant, routes: int) -> bool:
    return int(await works.value("select count(*) from pg_locks where locktype = 'advisory'")) >= routes


async def test_a_mail_stored_and_not_acknowledged_is_stored_once(works: Plant, tmp_path: Path) -> None:
    """The worker was killed between the commit and the acknowledgement: the next look only acknowledges."""
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    (tmp_path / "password").write_text(MAIL_PASSWORD)
    with pymap(tmp_path / "mailbox") as server:
        await use_mailbox(works, server.port)
        server.deliver(ar_mail(), "1")
        server.deliver(ar_mail(), "2")
        stored = await store_without_acknowledging(works)
        async with working(works):
            await until(lambda: is_at(works, acte, 4), "acknowledged by the ministry")
            await until(lambda: emptied(server.maildir), "acknowledged to the mailbox")
    assert await works.value("select count(*) from received") == stored == 2
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def use_mailbox(works: Plant, port: int) -> None:
    async with works.deps.transaction("system") as connection:
        await connection.execute(
            "update route set settings = settings || jsonb_build_object('imap_port', $1::int, 'imap_tls', false)"
            " where kind = 'actes'",
            port,
        )


async def store_without_acknowledging(works: Plant) -> int:
    """The reception of a process that ends there: its mailbox cannot be written to any more."""
    async with works.deps.transaction("system") as connection:
        [route] = await list_active_routes(connection, RouteKind.ACTES)
    async with works.deps.remotes.open_mailbox(route, "INBOX") as mailbox:
        for key in await mailbox.list_new():
            await works.deliver_as(key, await mailbox.fetch(key))
    return int(await works.value("select count(*) from received"))


async def emptied(maildir: Path) -> bool:
    return not [*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()]


async def test_two_outages_of_postgres_leave_no_job_behind(works: Plant) -> None:
    """Every connection is ended again and again while the whole pipeline runs."""
    actes = [await works.submit_acte(f"N{number}") for number in range(5)]
    flows = [await works.submit_pes(pes(f"F{number}", str(number))) for number in range(5)]
    admin = await asyncpg.connect(works.database.admin_dsn)
    async with working(works):
        for _ in range(10):
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and usename = 'tdt_app'"
            )
            await asyncio.sleep(0.05)
        works.elapse(timedelta(hours=1))  # sendings in doubt may be settled
        await until(lambda: all_done(works, actes, flows, admin), "everything is sent", 40)
    await admin.close()
    names: dict[str, bytes] = {}
    for name, data in works.prefecture.parcels:
        assert names.setdefault(name, data) == data
    assert len(names) == 5


async def all_done(works: Plant, actes: list[Any], flows: list[Any], admin: Any) -> bool:
    await admin.execute("update job set run_at = now() where state = 'ready' and run_at > now() + interval '10 s'")
    done = [await works.acte_status(acte) for acte in actes] + [await works.helios_status(flow) for flow in flows]
    return done == [3] * 10 and await no_job(works)
