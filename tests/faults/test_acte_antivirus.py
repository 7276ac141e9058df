"""The antivirus and an act: infected it is refused, with no verdict it waits, and leaves when there is one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tdt.config import Antivirus
from tdt.db.acte_reports import Report, list_reports
from tdt.domain.actes.model import PostedFile, Submission
from tdt.domain.errors import Temporary
from tdt.domain.ids import ActeId
from tdt.flows import actes_send, actes_submit
from tests.clamd import EICAR, FOUND_MARK, MARK, Clamd
from tests.faults.plant import BIG_PDF, Plant, plant, until
from tests.faults.test_workers import working
from tests.pdf_files import PDF, small_pdf
from tests.postgres import TestDatabase


@pytest.fixture
async def works(database: TestDatabase, tmp_path: Path, clamd: Clamd) -> AsyncIterator[Plant]:
    """The pipeline, with the antivirus."""
    async with plant(database, tmp_path, antivirus=Antivirus(address=clamd.address, timeout=20.0)) as running:
        yield running


async def reports(works: Plant, acte: ActeId) -> list[Report]:
    async with works.deps.transaction("system") as connection:
        return [one for one in await list_reports(connection, acte) if one.aspect == "antivirus"]


async def last_message(works: Plant, acte: ActeId) -> str:
    query = "select message from acte_workflow where transaction_id = $1 order by id desc limit 1"
    return str(await works.value(query, acte))


async def test_a_clean_act_leaves_with_its_report(works: Plant) -> None:
    acte, _ = await works.packaged_acte(pdf=BIG_PDF)
    message, document = await reports(works, acte)
    assert (message.position, message.verdict) == (0, "passed")
    assert (document.position, document.verdict) == (1, "passed")
    assert document.data["found"] == ""
    assert str(document.data["engine"]).startswith("ClamAV ")


async def test_an_infected_annex_ends_the_act(works: Plant) -> None:
    infected = PDF + MARK
    submission = Submission(
        nature_code="1",
        number="2026_018",
        decision_date="2026-03-09",
        subject="Été",
        classif=("7", "5"),
        type_acte="99_DE",
        acte=PostedFile("acte.pdf", len(PDF), PDF),
        attachments=(PostedFile("annexe.pdf", len(infected), infected),),
        type_pj=("99_SE",),
    )
    bodies = actes_submit.SubmittedBodies(await works.body(PDF), (await works.body(infected),))
    acte = await actes_submit.submit(works.deps, works.people["A"], submission, bodies)
    await actes_send.analyse(works.deps, acte)
    assert await works.acte_status(acte) == -1
    message = await last_message(works, acte)
    assert message.startswith(f"Virus détecté : l'antivirus a trouvé « {FOUND_MARK} » dans le fichier 99_SE-")
    assert [(one.position, one.verdict, one.data["found"]) for one in await reports(works, acte)] == [
        (0, "passed", ""),
        (1, "passed", ""),
        (2, "refused", FOUND_MARK),
    ]
    assert not await works.value("select count(*) from job where kind = 'actes.package'")


async def test_an_act_waits_for_an_antivirus_that_is_stopped_then_leaves(works: Plant, clamd: Clamd) -> None:
    clamd.stop()
    acte = await works.submit_acte()
    async with working(works):
        await until(lambda: has_waited(works), "tried, and to be tried again")
        assert await works.acte_life(acte) == [1]
        clamd.start()
        await until(lambda: is_sent(works, acte), "left once the antivirus is back")
    assert len(works.prefecture.parcels) == 1
    assert [one.verdict for one in await reports(works, acte)] == ["passed", "passed"]


async def has_waited(works: Plant) -> bool:
    query = "select last_error = 'ANTIVIRUS_INDISPONIBLE' and state = 'ready' from job where kind = 'actes.analyse'"
    return bool(await works.value(query))


async def is_sent(works: Plant, acte: ActeId) -> bool:
    return await works.acte_status(acte) == 3


async def test_an_act_turned_to_an_error_while_it_is_looked_at_stays_one(works: Plant, clamd: Clamd) -> None:
    acte = await works.submit_acte()
    clamd.pause()
    looking = asyncio.create_task(actes_send.analyse(works.deps, acte))
    try:
        async with works.deps.transaction("system") as connection:
            await connection.execute("update acte_transaction set status = -1 where id = $1", acte)
    finally:
        clamd.resume()
    await looking
    assert await works.acte_status(acte) == -1
    assert not await works.value("select count(*) from job where kind = 'actes.package'")


async def test_limits_of_the_antivirus_are_for_the_operator_not_for_the_client(works: Plant) -> None:
    acte = await works.submit_acte(pdf=small_pdf(bytes(6 << 20)))
    with pytest.raises(Temporary) as caught:
        await actes_send.analyse(works.deps, acte)
    assert caught.value.code == "ANTIVIRUS_LIMITE"
    assert await works.acte_life(acte) == [1]


async def test_without_antivirus_nothing_is_looked_at(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path) as works:
        acte, _ = await works.packaged_acte(pdf=PDF + EICAR)
        assert await reports(works, acte) == []
