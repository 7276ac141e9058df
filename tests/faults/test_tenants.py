"""Two collectivités side by side: nothing of one is seen, read or changed in the scope of the other."""

from datetime import date
from typing import Any

import asyncpg
import pytest

from tdt.db import actes as actes_db
from tdt.db import attempts as attempts_db
from tdt.db import helios as helios_db
from tdt.db import jobs as jobs_db
from tdt.db import routes as routes_db
from tdt.db.authorities import get_authority
from tdt.db.content import get_content, insert_small
from tdt.domain.errors import NotFound
from tdt.domain.ids import ActeFileId, AuthorityId, ContentId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import RouteKind
from tdt.flows import actes_receive, actes_send, contents, helios_receive, helios_send
from tests.claims import claim_next
from tests.dgfip_flows import sample as pes
from tests.faults.plant import BIG_PDF, Plant, acquit, ar_mail

OWNED = (
    *("content", "content_chunk", "job", "attempt", "received", "event", "audit", "acte_envelope_serial"),
    *("acte_envelope", "acte_transaction", "acte_file", "acte_workflow", "acte_classification"),
    *("helios_transaction", "helios_workflow", "helios_nomfic", "authority_route", "account"),
)


async def lived(works: Plant) -> dict[str, Any]:
    """A whole life of an act and of a flow of A: every table has rows of A."""
    acte, envelope = await works.packaged_acte(pdf=BIG_PDF)
    await actes_send.transmit(works.deps, envelope)
    mail = await works.deliver(ar_mail())
    await actes_receive.ingest(works.deps, mail)
    flow = await works.queued_pes(pes())
    await helios_send.transmit(works.deps, flow)
    file = await works.deliver(acquit(), RouteKind.HELIOS, "ACK")
    await helios_receive.ingest(works.deps, file)
    for row in await works.fetch("select id from content where place = 'spool'"):
        await contents.archive(works.deps, ContentId(row["id"]))
    return {"acte": acte, "envelope": envelope, "flow": flow, "received": [mail, file]}


def owner(works: Plant, name: str) -> AuthorityId:
    found = works.people[name].user.authority_id
    assert found is not None
    return found


async def test_no_row_of_one_is_in_the_scope_of_the_other(works: Plant) -> None:
    await lived(works)
    mine, other = owner(works, "A"), owner(works, "B")
    for table in OWNED:
        assert await works.value(f"select count(*) from {table} where authority_id = $1", mine) > 0, table
        async with works.deps.transaction(other) as connection:
            seen = await connection.fetch(f"select distinct authority_id from {table}")
            assert {row["authority_id"] for row in seen} <= {other}, table
            assert (await connection.execute(f"update {table} set authority_id = authority_id")).startswith("UPDATE")
        async with works.deps.transaction(mine) as connection:
            assert {row["authority_id"] for row in await connection.fetch(f"select authority_id from {table}")} == {
                mine
            }


async def test_no_function_that_the_web_uses_gives_it_away(works: Plant) -> None:
    life = await lived(works)
    mine, other = owner(works, "A"), owner(works, "B")
    files = [row["id"] for row in await works.fetch("select id from acte_file")]
    bodies = [row["id"] for row in await works.fetch("select id from content where authority_id = $1", mine)]
    number = await works.value("select number from acte_transaction where id = $1", life["acte"])
    unique_id = await works.value("select unique_id from acte_transaction where id = $1", life["acte"])
    async with works.deps.transaction(other) as connection:
        assert await get_authority(connection, mine) is None
        assert await actes_db.get_transaction(connection, life["acte"]) is None
        assert await actes_db.list_by_unique_id(connection, unique_id) == []
        assert await actes_db.list_of_envelope(connection, life["envelope"]) == []
        assert await actes_db.list_workflow(connection, life["acte"]) == []
        assert await actes_db.get_envelope(connection, life["envelope"]) is None
        assert await actes_db.list_files(connection, life["acte"]) == []
        assert [await actes_db.get_file(connection, ActeFileId(file)) for file in files] == [None] * len(files)
        assert not (await actes_db.get_submit_facts(connection, mine, number, date(2026, 3, 10))).number_taken
        assert await actes_db.last_classification(connection, mine) is None
        assert await helios_db.get_transaction(connection, life["flow"]) is None
        assert await helios_db.last_workflow(connection, life["flow"]) is None
        assert await attempts_db.list_attempts(connection, "acte_envelope", life["envelope"]) == []
        assert [await routes_db.get_received(connection, one) for one in life["received"]] == [None, None]
        assert [await get_content(connection, ContentId(body)) for body in bodies] == [None] * len(bodies)
        assert await claim_next(connection, "thief") is None
    for body in bodies:
        with pytest.raises(NotFound):
            [chunk async for chunk in works.deps.stream(other, ContentId(body))]
        assert [chunk async for chunk in works.deps.stream(mine, ContentId(body))]


async def test_nothing_is_written_in_the_name_of_another(works: Plant) -> None:
    mine, other = owner(works, "A"), owner(works, "B")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with works.deps.transaction(other) as connection:
            await insert_small(connection, mine, b"x")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with works.deps.transaction(other) as connection:
            await jobs_db.insert_job(connection, JobKind.ACTES_ANALYSE, mine, 1)
