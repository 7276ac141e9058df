"""Budgets in XML through the analysis: a sealed one leaves unchanged; the others turn to -1, with cause and remedy."""

import io
import random
import tarfile
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tdt.db.acte_reports import Report, list_reports
from tdt.db.classifications import insert_classification
from tdt.db.content import insert_small
from tdt.domain.actes.budget_reading import BudgetReader
from tdt.domain.actes.model import PostedFile, Submission
from tdt.domain.ids import ActeId
from tdt.flows import actes_send, actes_submit
from tests.budgets import budget, minified, official_schema, sealed
from tests.faults.plant import Plant
from tests.pdf_files import PDF
from tests.unit.actes.mails import xml
from tests.xsd import record_xsd_check

XML = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n'
CLASSIFICATION = xml(
    "RetourClassification",
    "",
    "<actes:DateClassification>2026-03-02</actes:DateClassification><actes:NaturesActes>"
    '<actes:NatureActe actes:CodeNatureActe="5" actes:Libelle="Documents budgétaires" actes:TypeAbrege="BF">'
    '<actes:TypePJNatureActe actes:CodeTypePJ="99_BU" actes:Libelle="Budget"/>'
    '<actes:TypePJNatureActe actes:CodeTypePJ="70_DE" actes:Libelle="Délibération"/>'
    "</actes:NatureActe></actes:NaturesActes>",
)


async def submit(works: Plant, act: bytes, *annexes: bytes) -> ActeId:
    """Post a budget with annexes, as the API does."""
    async with works.deps.transaction("system") as connection:
        authority = works.people["A"].user.authority_id
        assert authority is not None
        held = await insert_small(connection, authority, CLASSIFICATION)
        await insert_classification(connection, authority, date(2026, 3, 2), held)
    submission = Submission(
        nature_code="5",
        number="BP2026",
        decision_date="2026-03-09",
        subject="Budget primitif",
        classif=("7", "1"),
        type_acte="99_BU",
        acte=PostedFile("DOCBUDG.xml", len(act), act[:4096]),
        attachments=tuple(PostedFile(f"{n}", len(data), data[:4096]) for n, data in enumerate(annexes)),
        type_pj=("70_DE",) * len(annexes),
    )
    bodies = actes_submit.SubmittedBodies(await works.body(act), tuple([await works.body(one) for one in annexes]))
    return await actes_submit.submit(works.deps, works.people["A"], submission, bodies)


async def analysed(works: Plant, act: bytes, *annexes: bytes) -> tuple[int, str, list[Report]]:
    """Status, last words of the workflow and reports after the analysis."""
    acte = await submit(works, act, *annexes)
    await actes_send.analyse(works.deps, acte)
    words = await works.value("select message from acte_workflow where transaction_id = $1 order by id desc", acte)
    async with works.deps.transaction("system") as connection:
        reports = await list_reports(connection, acte)
    return await works.acte_status(acte), words, [one for one in reports if one.aspect == "budget"]


async def test_a_sealed_budget_leaves_as_it_was_sealed(works: Plant, tmp_path: Path) -> None:
    data = sealed(budget())
    acte = await submit(works, data, PDF)
    await actes_send.analyse(works.deps, acte)
    envelope = await works.envelope_of(acte)
    await actes_send.package(works.deps, envelope)
    await actes_send.transmit(works.deps, envelope)
    [(_, archive)] = works.prefecture.parcels
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: read.read() for member in tar if (read := tar.extractfile(member)) is not None}
    assert files["99_BU-034-123456782-20260309-BP2026-BF-1-1_1.xml"] == data
    assert len(files) == 4
    for version in ("docbudg-v5.12-full", "docbudg-v5.17"):
        schema = official_schema(version, tmp_path)
        if schema is not None:
            schema.assertValid(etree.fromstring(data))
            record_xsd_check()


async def test_its_report_says_what_it_holds(works: Plant) -> None:
    status, _, [report] = await analysed(works, sealed(budget()), PDF)
    assert (status, report.position, report.verdict) == (1, 1, "passed")
    assert report.data["exercice"] == "2026"
    totals: Any = report.data["totaux"]
    assert totals[0] == {
        "section": "fonctionnement",
        "sens": "depenses",
        "lignes": 2,
        "montants": {"MtBudgPrec": "1000.00", "MtPropNouv": "1200.00", "MtPrev": "1200.00"},
    }


async def test_one_that_was_laid_out_otherwise_passes_and_the_report_says_so(works: Plant) -> None:
    status, _, [report] = await analysed(works, minified(sealed(budget())))
    seal: Any = report.data["scellement"]
    assert (status, seal["forme"]) == (1, "indented")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (budget(), "BUDGET_NON_SCELLE"),
        (sealed(budget()).replace(b'V="1200.10"', b'V="1200.11"', 1), "BUDGET_ALTERE"),
        (sealed(budget(siret="98765432400010")), "BUDGET_ETRANGER"),
        (sealed(budget(exercice="2010")), "BUDGET_EXERCICE"),
        (sealed(budget(decision="99")), "BUDGET_DECISION"),
        (XML + b"<autre/>", "BUDGET_ILLISIBLE"),
        (sealed(budget())[:-9], "BUDGET_ILLISIBLE"),
    ],
)
async def test_the_others_turn_to_error_with_cause_and_remedy(works: Plant, data: bytes, code: str) -> None:
    status, words, [report] = await analysed(works, data, PDF)
    assert (status, report.verdict, report.data["code"]) == (-1, "refused", code)
    assert words == report.data["message"]
    assert words.startswith("Enveloppe invalide : ")
    assert "La collectivité doit" in words


async def test_xml_annexes_of_a_budget_in_pdf_are_judged_when_they_are_budgets(works: Plant) -> None:
    status, words, reports = await analysed(works, PDF, sealed(budget()), XML + b"<autre/>", budget())
    assert [(one.position, one.verdict) for one in reports] == [(2, "passed"), (3, "not_applicable"), (4, "refused")]
    assert (status, "n'est pas scellé" in words) == (-1, True)


async def test_beside_a_budget_in_xml_all_is_pdf_also_when_it_did_not_come_by_the_form(works: Plant) -> None:
    acte = await submit(works, sealed(budget()), PDF)
    await works.fetch("update acte_file set mimetype = 'image/png' where transaction_id = $1 and position = 2", acte)
    await actes_send.analyse(works.deps, acte)
    words = await works.value("select message from acte_workflow where transaction_id = $1 order by id desc", acte)
    assert "Les pièces jointes doivent être au format PDF avec un acte au format XML : 70_DE-" in words


async def test_xml_of_another_matiere_does_not_leave(works: Plant) -> None:
    acte = await submit(works, sealed(budget()))
    await works.fetch("update acte_transaction set classif = $2 where id = $1", acte, [7, 2])
    await actes_send.analyse(works.deps, acte)
    async with works.deps.transaction("system") as connection:
        [report] = await list_reports(connection, acte)
    assert (report.verdict, report.data["code"]) == ("refused", "BUDGET_NATURE")
    assert await works.acte_status(acte) == -1


def test_the_memory_of_a_reading_does_not_grow_with_the_budget() -> None:
    """12 MB of lines, read within less than the file: no tree is built."""
    chance = random.Random(1)
    line = '<LigneBudget><Nature V="60612"/><CodRD V="D"/><MtPrev V="%d.%02d"/><OpBudg V="0"/></LigneBudget>'
    whole = budget().partition(b"<LigneBudget>")[0]
    reader = BudgetReader()
    tracemalloc.start()
    try:
        reader.feed(whole)
        for _ in range(120):
            reader.feed("".join(line % (chance.randrange(10**6), 7) for _ in range(1000)).encode())
        reader.feed(b"</Budget></DocumentBudgetaire>")
        read = reader.close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read.lines == 120_000
    assert peak < 4 << 20
