"""A statement that fails, or a connection that is cut, in the middle of the transaction of each flow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

import asyncpg
import pytest

from tdt.db import actes as actes_db
from tdt.db import helios as helios_db
from tdt.db import helios_receptions as receptions_db
from tdt.db import jobs as jobs_db
from tdt.db.content import SPOOL_NAMES, get_content, insert_content, move_to_archive, move_to_authority
from tdt.domain.errors import Conflict, TdtError, Temporary, Uncertain
from tdt.domain.routes import RouteKind
from tdt.flows import actes_receive, actes_send, contents, helios_receive, helios_send
from tests.dgfip_flows import sample as pes
from tests.faults.plant import BIG_PDF, SIREN, WINDOW, Plant, acquit, ar_mail

TABLES = (
    *("content", "job", "received", "event", "audit", "acte_envelope", "acte_envelope_serial", "acte_transaction"),
    *("acte_file", "acte_workflow", "acte_classification", "helios_transaction", "helios_workflow", "helios_nomfic"),
    *("helios_daily_number", "authority_siret", "content_chunk", "attempt"),
)
FAILURES = {
    "refused": "raise exception 'broken by the test'",
    "disk full": "raise exception 'broken by the test' using errcode = 'disk_full'",
    "cut": "perform pg_terminate_backend(pg_backend_pid())",
}

Step = Callable[[], Awaitable[object]]
Prepare = Callable[[Plant], Awaitable[Step]]


@asynccontextmanager
async def broken(works: Plant, table: str, how: str, operation: str = "insert") -> AsyncIterator[None]:
    """Every statement of this kind on this table fails, at the row; the transaction before it has gone well."""
    admin = await asyncpg.connect(works.database.admin_dsn)
    try:
        await admin.execute(
            f"create or replace function break_it() returns trigger language plpgsql security definer as"
            f" $$ begin {FAILURES[how]}; return new; end $$"
        )
        await admin.execute(
            f"create trigger breaks before {operation} on {table} for each row execute function break_it()"
        )
        try:
            yield
        finally:
            await admin.execute(f"drop trigger breaks on {table}")
    finally:
        await admin.close()


async def rows(works: Plant, table: str) -> list[str]:
    return [row["row"] for row in await works.fetch(f"select t::text as row from {table} t order by 1")]


async def everything(works: Plant) -> dict[str, list[str]]:
    """Every row of every table that the pipeline writes."""
    return {table: await rows(works, table) for table in TABLES}


async def submit_acte(works: Plant) -> Step:
    return works.submit_acte


async def submit_pes(works: Plant) -> Step:
    return lambda: works.submit_pes(pes())


async def analyse_acte(works: Plant) -> Step:
    acte = await works.submit_acte()
    return lambda: actes_send.analyse(works.deps, acte)


async def package(works: Plant) -> Step:
    acte = await works.submit_acte(pdf=BIG_PDF)
    envelope = await works.envelope_of(acte)
    await actes_send.analyse(works.deps, acte)
    return lambda: actes_send.package(works.deps, envelope)


async def start_acte(works: Plant) -> Step:
    _, envelope = await works.packaged_acte()
    return lambda: actes_send.transmit(works.deps, envelope)


async def read_ar(works: Plant) -> Step:
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    received = await works.deliver(ar_mail())
    return lambda: actes_receive.ingest(works.deps, received)


async def analyse_pes(works: Plant) -> Step:
    flow = await works.submit_pes(pes())
    return lambda: helios_send.analyse(works.deps, flow)


async def start_pes(works: Plant) -> Step:
    flow = await works.queued_pes(pes())
    return lambda: helios_send.transmit(works.deps, flow)


async def read_acquit(works: Plant) -> Step:
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    received = await works.deliver(acquit(), RouteKind.HELIOS, "ACK")
    return lambda: helios_receive.ingest(works.deps, received)


async def archive(works: Plant) -> Step:
    body = await works.body(BIG_PDF)
    async with works.deps.transaction("system") as connection:
        content = await insert_content(connection, None, body)
    return lambda: contents.archive(works.deps, content)


CASES = {
    "submit an act": (submit_acte, "audit", "insert"),
    "submit an act: job": (submit_acte, "job", "insert"),
    "submit a flow": (submit_pes, "event", "insert"),
    "submit a flow: job": (submit_pes, "job", "insert"),
    "analyse an act": (analyse_acte, "job", "insert"),
    "package": (package, "event", "insert"),
    "package: job": (package, "job", "insert"),
    "say that an act leaves": (start_acte, "attempt", "insert"),
    "read an AR": (read_ar, "event", "insert"),
    "read an AR: end": (read_ar, "received", "update"),
    "analyse a flow": (analyse_pes, "job", "insert"),
    "say that a flow leaves": (start_pes, "attempt", "insert"),
    "read an acquit": (read_acquit, "helios_workflow", "insert"),
    "read an acquit: end": (read_acquit, "received", "update"),
    "archive": (archive, "content", "update"),
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("case", CASES)
async def test_nothing_is_half_written_and_the_next_try_succeeds(works: Plant, case: str, how: str) -> None:
    prepare, table, operation = CASES[case]
    step = await prepare(works)
    before, files = await everything(works), works.spooled()
    expected = asyncpg.RaiseError if how == "refused" else Temporary
    async with broken(works, table, how, operation):
        with pytest.raises(expected):
            await step()
    assert await everything(works) == before
    if how == "refused":  # in doubt the file stays, for housekeeping
        assert works.spooled() == files
    assert works.prefecture.parcels == ([] if prepare is not read_ar else works.prefecture.parcels)
    await step()
    assert await everything(works) != before


@pytest.mark.parametrize("how", FAILURES)
async def test_the_record_of_a_sending_fails(works: Plant, how: str) -> None:
    """Transaction 2: the préfecture has the act, nobody could write it down. In doubt: the window first."""
    acte, envelope = await works.packaged_acte()
    async with broken(works, "acte_workflow", how):
        with pytest.raises((asyncpg.RaiseError, Temporary)):
            await actes_send.transmit(works.deps, envelope)
    assert await works.outcomes() == [None]
    assert await works.acte_life(acte) == [1, 2]
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1
    works.elapse(WINDOW * 2)
    await actes_send.transmit(works.deps, envelope)
    assert works.prefecture.parcels[0] == works.prefecture.parcels[1]
    assert await works.acte_life(acte) == [1, 2, 3]


@pytest.mark.parametrize("how", FAILURES)
async def test_a_file_of_the_dgfip_that_cannot_be_stored_is_not_lost(works: Plant, how: str) -> None:
    route = works.routes[RouteKind.HELIOS]
    data = b"<x/>" * 200_000
    (works.ftp.received / "ACK").write_bytes(data)
    async with broken(works, "received", how):
        for _ in range(2):
            with pytest.raises((asyncpg.RaiseError, Temporary)):
                await helios_receive.collect(works.deps, route, helios_receive.Memory())
    assert list(works.ftp.received.iterdir()) == []  # the gateway deletes what it has given
    assert await rows(works, "received") == await rows(works, "content_chunk") == []
    await helios_receive.collect(works.deps, route, helios_receive.Memory())
    [row] = await works.fetch("select content_id from received")
    assert b"".join([chunk async for chunk in works.deps.stream("system", row["content_id"])]) == data
    if how == "refused":
        assert len(works.spooled()) == 1


async def test_a_body_archived_while_it_is_attributed_belongs_to_its_owner(works: Plant) -> None:
    """The two jobs of a large file received run at the same time."""
    mine = works.people["A"].user.authority_id
    assert mine is not None
    body = await works.body(BIG_PDF)
    async with works.deps.transaction("system") as connection:
        content = await insert_content(connection, None, body)
    async with works.deps.transaction("system") as archiving:
        found = await get_content(archiving, content)
        assert found is not None
        async with works.deps.transaction("system") as attributing:
            await move_to_authority(attributing, content, mine)
        await move_to_archive(archiving, works.deps.spool, found, datetime(2026, 3, 1, tzinfo=UTC))
    assert b"".join([chunk async for chunk in works.deps.stream(mine, content)]) == BIG_PDF
    other = works.people["B"].user.authority_id
    assert other is not None
    with pytest.raises(TdtError):
        [chunk async for chunk in works.deps.stream(other, content)]


async def test_a_body_archived_by_two_workers_is_kept_once(works: Plant) -> None:
    body = await works.body(BIG_PDF)
    async with works.deps.transaction("system") as connection:
        content = await insert_content(connection, None, body)
    ended = await asyncio.gather(*(contents.archive(works.deps, content) for _ in range(3)), return_exceptions=True)
    assert all(error is None or isinstance(error, Conflict | FileNotFoundError) for error in ended)
    await contents.archive(works.deps, content)
    assert await works.value("select sum(length(data)) from content_chunk") == len(BIG_PDF)
    assert b"".join([chunk async for chunk in works.deps.stream("system", content)]) == BIG_PDF


INDEXED = {
    "number of an act": (actes_db.SUBMIT_FACTS, (1, "X", date(2026, 3, 1), "actes"), "acte_transaction_number"),
    "anomaly of an act": (actes_db.BY_NUMBER, (SIREN, "X"), "acte_transaction_number"),
    "anomaly of an envelope": (actes_db.BY_NAME, ("N", SIREN), "acte_envelope_authority_id_name_key"),
    "AR": (actes_db.BY_UNIQUE_ID, ("X",), "acte_transaction_unique_id"),
    "acquit": (helios_db.SENT, ("X", "012"), "helios_transaction_nomfic"),
    "column of the DGFiP": (receptions_db.OWNERS_OF_COLUMN, ("034001", "X"), "helios_transaction_column"),
    "claim": (jobs_db.CLAIM, ("w", ["actes.analyse"], [False]), "job_turn"),
    "next due": (jobs_db.NEXT_DUE, (), "job_waiting"),
    "lost jobs": (jobs_db.LOST, ("w", [1], 8.0), "job_running"),
    "sweeping": (SPOOL_NAMES, (["x"],), "content_spool_name"),
}

GROWN = (
    "insert into acte_envelope (authority_id, route_id, name, archive_name)"
    " select authority_id, route_id, 'E' || n, 'A' || n from acte_envelope, generate_series(1, 3000) n",
    "insert into acte_transaction (authority_id, envelope_id, type, number, unique_id, status)"
    " select authority_id, envelope_id, 1, 'N' || n, 'U' || n, 4 from acte_transaction, generate_series(1, 3000) n",
    "insert into helios_transaction (authority_id, route_id, siren, filename, content_id, sha1, size, status,"
    " xml_nomfic, xml_cod_col) select authority_id, route_id, siren, filename, content_id, n::text::bytea, size, 8,"
    " 'F' || n, '012' from helios_transaction, generate_series(1, 3000) n",
    "insert into content (sha256, size, place, spool_name)"
    " select '', 0, 'spool', 'S' || n from generate_series(1, 3000) n",
    "insert into job (kind, object_id, state, worker, run_at, turn) select 'actes.analyse', n,"
    " case n % 3 when 0 then 'ready' when 1 then 'running' else 'dead' end, 'w' || n, now(),"
    " case when n % 2 = 0 and n % 3 < 2 then n end"
    " from generate_series(1, 9000) n",
    "analyze",
)


async def test_what_grows_is_found_by_its_index(works: Plant) -> None:
    """At ten million rows a scan would be an outage."""
    await works.packaged_acte()
    await works.submit_pes(pes())
    admin = await asyncpg.connect(works.database.admin_dsn)
    for statement in GROWN:
        await admin.execute(statement)
    await admin.close()
    for case, (query, values, index) in INDEXED.items():
        async with works.deps.transaction("system") as connection:
            plan = "\n".join([row[0] for row in await connection.fetch(f"explain {query}", *values)])
        assert index in plan, (case, plan)


async def test_a_statement_that_is_wrong_is_not_an_outage(works: Plant) -> None:
    """The driver uses one class for both; a fault of ours must not be waited for."""
    with pytest.raises(asyncpg.InterfaceError):
        async with works.deps.transaction("system") as connection:
            await connection.fetchval("select $1::int", 1, 2)
    assert await works.value("select 1") == 1
