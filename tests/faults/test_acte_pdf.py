"""PDFs that cannot be read, in the analysis of an act; and those that no child survives."""

import io
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest

from tdt.config import Documents
from tdt.db.acte_reports import Report, list_reports
from tdt.documents.child import Children, Limits
from tdt.domain.errors import Temporary
from tdt.domain.ids import ActeId
from tdt.flows import actes_send
from tests.faults.plant import BIG_PDF, Plant, plant
from tests.pdf_files import PDF
from tests.postgres import TestDatabase


async def reports(works: Plant, acte: ActeId) -> list[Report]:
    async with works.deps.transaction("system") as connection:
        return [one for one in await list_reports(connection, acte) if one.aspect == "pdf"]


async def last_message(works: Plant, acte: ActeId) -> str:
    query = "select message from acte_workflow where transaction_id = $1 order by id desc limit 1"
    return str(await works.value(query, acte))


def locked(user: str) -> bytes:
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(PDF)) as pdf:
        pdf.save(target, encryption=pikepdf.Encryption(owner="proprietaire", user=user))
    return target.getvalue()


async def test_a_readable_one_has_its_report(works: Plant) -> None:
    acte, _ = await works.packaged_acte(pdf=BIG_PDF)
    [report] = await reports(works, acte)
    assert (report.position, report.verdict, report.data["pages"]) == (1, "passed", 1)


@pytest.mark.parametrize(
    ("pdf", "words"),
    [
        (locked("secret"), "est un PDF protégé par un mot de passe"),
        (locked(""), "est un PDF verrouillé"),
        (BIG_PDF[:-5000], "est un PDF endommagé ou incomplet"),
    ],
    ids=["password", "restricted", "cut"],
)
async def test_one_that_is_not_readable_ends_the_act_with_its_remedy(works: Plant, pdf: bytes, words: str) -> None:
    acte = await works.submit_acte(pdf=pdf)
    await actes_send.analyse(works.deps, acte)
    assert await works.acte_life(acte) == [1, -1]
    message = await last_message(works, acte)
    assert message.startswith("Enveloppe invalide : Le fichier 99_DE-034-123456782-20260309-2026_017-DE-1-1_1.pdf ")
    assert words in message
    assert "Enregistrez-le" in message
    [report] = await reports(works, acte)
    assert report.verdict == "refused"


async def test_one_that_is_too_much_for_children_waits_then_is_refused(database: TestDatabase, tmp_path: Path) -> None:
    async with plant(database, tmp_path, documents=Documents(seconds=0.001)) as works:
        acte = await works.submit_acte()
        for tries in (1, 2):
            with pytest.raises(Temporary) as caught:
                await actes_send.analyse(works.deps, acte)
            assert caught.value.code == "CONTROLE_INTERROMPU"
            [report] = await reports(works, acte)
            assert (report.verdict, report.data["tries"], report.data["cause"]) == ("pending", tries, "time")
            assert await works.acte_life(acte) == [1]
        await actes_send.analyse(works.deps, acte)
        assert await works.acte_life(acte) == [1, -1]
        assert "n'a pas pu être contrôlé après 3 essais : il demande trop de temps." in await last_message(works, acte)
        [report] = await reports(works, acte)
        assert (report.verdict, report.data["code"]) == ("refused", "CONTROLE_IMPOSSIBLE")


async def test_one_that_a_child_survives_in_the_end_passes(works: Plant) -> None:
    acte = await works.submit_acte()
    short = Children(1, Limits(memory_bytes=1 << 28, seconds=0.001))
    try:
        with pytest.raises(Temporary):
            await actes_send.analyse(replace(works.deps, children=short), acte)
    finally:
        await short.close()
    await actes_send.analyse(works.deps, acte)
    [report] = await reports(works, acte)
    assert (report.verdict, await works.acte_life(acte)) == ("passed", [1])
