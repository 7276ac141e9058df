"""Budgets: the seal, what they say, what refuses them. Ours, and the worked example where the reference is present."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from tdt.domain.actes.budget import (
    Budget,
    BudgetFacts,
    BudgetUnreadable,
    NotBudget,
    check_budget,
    check_carrier,
    section_of,
    summary,
)
from tdt.domain.actes.budget_reading import BudgetReader
from tdt.domain.errors import Refused
from tdt.simulators.prefecture_acte import sealed as sealed_for_the_simulator
from tests.budgets import LINES, SIREN, budget, minified, official_schema, sealed
from tests.xsd import record_xsd_check, shared_directory

FACTS = BudgetFacts(SIREN, 5, (7, 1), date(2026, 3, 9))
EXAMPLE = "data/actes/worked-example/23-acte-budgetaire"


def read_budget(data: bytes, indented: bool = False) -> Budget:
    reader = BudgetReader(indented)
    reader.feed(data)
    return reader.close()


def refusal(read: Budget, facts: BudgetFacts = FACTS) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        check_budget("99_BU.xml", read, facts)
    assert refused.value.message.startswith("Enveloppe invalide : ")
    assert len(refused.value.message) < 400
    assert "La collectivité doit" in refused.value.message
    return refused.value.code, refused.value.message


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_sealed_budget_passes(step: int) -> None:
    reader, data = BudgetReader(), sealed(budget())
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    read = reader.close()
    assert read.sealed_as == "written"
    check_budget("99_BU.xml", read, FACTS)


def test_what_it_says() -> None:
    read = summary(read_budget(sealed(budget())))
    totals = {(one["section"], one["sens"]): one for one in read.pop("totaux")}  # type: ignore[attr-defined]
    assert totals[("fonctionnement", "depenses")]["montants"] == {
        "MtBudgPrec": "1000.00",
        "MtPropNouv": "1200.00",
        "MtPrev": "1200.00",
    }
    assert totals[("fonctionnement", "recettes")]["montants"]["MtPrev"] == "1200.00"
    assert totals[("investissement", "depenses")]["montants"]["MtPrev"] == "300"
    assert totals[("investissement", "recettes")]["lignes"] == 1
    assert len(totals) == 4
    seal = read.pop("scellement")
    assert isinstance(seal, dict) and (seal["date"], seal["forme"]) == ("2026-03-10T09:30:00", "written")
    assert read == {
        "collectivite": "COMMUNE D'ÉTÉ & Cie",
        "siren": SIREN,
        "siret": f"{SIREN}00010",
        "etablissement": "COMMUNE D'ÉTÉ & Cie",
        "code_budget": "00",
        "budget_annexe": False,
        "nomenclature": "M57-M57_A",
        "exercice": "2026",
        "nature_decision": {"code": "01", "label": "Budget primitif"},
        "numero_decision": "",
        "date_decision": "2026-03-09",
        "projet": False,
        "schema": "100",
        "outils": [{"outil": "DSC_COMMON", "version": "30"}, {"outil": "REMAT", "version": "4_2026"}],
        "lignes": len(LINES),
        "lignes_de_total": 0,
        "montants_illisibles": 0,
    }


def test_lines_of_total_are_not_added_and_what_cannot_be_told_stays_unknown() -> None:
    lines = [
        ("60612", "D", {"MtReal": "1.005"}),
        ("60", "D", {"MtReal": "99", "OpBudg": "T"}),
        ("", "D", {"MtReal": "99", "Groupe": "GDEPFONC"}),
        ("471", "", {"MtReal": "2"}),
        ("60613", "D", {"MtReal": "beaucoup"}),
    ]
    read = read_budget(sealed(budget(decision="10", lines=lines)))
    assert (read.lines, read.total_lines, read.unread_amounts) == (3, 2, 1)
    assert read.totals[("fonctionnement", "depenses")].amounts == {"MtReal": Decimal("1.005")}
    assert read.totals[("inconnue", "inconnu")].amounts == {"MtReal": Decimal(2)}
    check_budget("cfu.xml", read, FACTS)
    assert summary(read)["nature_decision"] == {"code": "10", "label": "Compte financier unique"}


@pytest.mark.parametrize(
    ("nomenclature", "account", "section"),
    [
        ("M57-M57_A", "60612", "fonctionnement"),
        ("M14-M14_COM_SUP3500", "7788", "fonctionnement"),
        ("M4-M43_D", "2158", "investissement"),
        ("M49-M49_D", "1641", "investissement"),
        ("M52-M52", "018", "investissement"),
        ("M57-M57", "002", "fonctionnement"),
        ("M57-M57", "001", "investissement"),
        ("M57-M57", "4581", "investissement"),
        ("M57-M57", "481", "investissement"),
        ("M57-M57", "411", "inconnue"),
        ("M57-M57", "", "inconnue"),
        ("M21-M21", "60612", "inconnue"),
        ("M22-M22", "2158", "inconnue"),
        ("", "60612", "inconnue"),
    ],
)
def test_sections(nomenclature: str, account: str, section: str) -> None:
    assert section_of(nomenclature, account) == section


def test_a_budget_without_seal() -> None:
    code, message = refusal(read_budget(budget()))
    assert code == "BUDGET_NON_SCELLE"
    assert "n'est pas scellé" in message


@pytest.mark.parametrize(
    "alter",
    [
        lambda data: data.replace(b'V="1200.10"', b'V="1200.11"', 1),
        lambda data: data.replace(b"</Budget>", b"<!-- --> x</Budget>"),
        lambda data: data.replace(b'09:30:00"/>', b'09:30:00"/>cach\xe9'),
        lambda data: data.replace(b'md5="', b'md5="0'),
        lambda data: data.replace(b'sha1="', b'sha1="0'),
        lambda data: data.replace(b'IdPost V="034000"', b'IdPost V="034001"'),
    ],
)
@pytest.mark.parametrize("indented", [False, True])
def test_an_altered_budget(alter: Callable[[bytes], bytes], indented: bool) -> None:
    altered = alter(sealed(budget()))
    assert altered != sealed(budget())
    read = read_budget(altered, indented)
    assert read.sealed_as is None
    code, message = refusal(read)
    assert code == "BUDGET_ALTERE"
    assert "sceller à nouveau" in message


@pytest.mark.parametrize(
    "data",
    [
        sealed(budget()),
        minified(sealed(budget())),
        budget(),
        sealed(budget()).replace(b'V="1200.10"', b'V="1200.11"', 1),
        sealed(budget()).replace(b"</Budget>", b"<!-- vu -->\n</Budget>"),
        sealed(budget()).replace(b"</Budget>", b"  </Budget>"),
    ],
)
def test_the_simulated_ministry_judges_seals_alike(data: bytes) -> None:
    """It was written apart, with libxml2's canonical form."""
    ours = [read_budget(data, indented).sealed_as is not None for indented in (False, True)]
    assert any(ours) == sealed_for_the_simulator(etree.fromstring(data))


def test_a_comment_or_the_case_of_the_digests_alters_nothing() -> None:
    data = sealed(budget()).replace(b"<Budget>", b"<Budget><!-- vu -->")
    seal = etree.fromstring(data).find("{*}Scellement")
    assert seal is not None
    md5 = seal.get("md5", "").encode()
    assert read_budget(data.replace(md5, md5.lower())).sealed_as == "written"


def test_a_budget_laid_out_otherwise_after_its_sealing_passes_as_totem_would_write_it() -> None:
    data = minified(sealed(budget()))
    assert read_budget(data).sealed_as is None
    read = read_budget(data, indented=True)
    assert read.sealed_as == "indented"
    check_budget("99_BU.xml", read, FACTS)
    assert read_budget(sealed(budget()), indented=True).sealed_as == "indented"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (budget(siret="98765432400010"), "BUDGET_ETRANGER"),
        (budget(exercice="2028"), "BUDGET_EXERCICE"),
        (budget(exercice="2020"), "BUDGET_EXERCICE"),
        (budget(exercice="26"), "BUDGET_EXERCICE"),
        (budget(decision="04"), "BUDGET_DECISION"),
        (budget(decision=""), "BUDGET_DECISION"),
    ],
)
def test_a_budget_that_is_not_the_one_of_the_act(data: bytes, code: str) -> None:
    assert refusal(read_budget(sealed(data)))[0] == code


@pytest.mark.parametrize("exercice", ["2021", "2025", "2026", "2027"])
@pytest.mark.parametrize("decision", ["01", "02", "03", "09", "10"])
def test_budgets_of_the_years_around(exercice: str, decision: str) -> None:
    check_budget("99_BU.xml", read_budget(sealed(budget(exercice=exercice, decision=decision))), FACTS)


def test_without_idcoll_the_schema_is_content_and_so_are_we() -> None:
    data = budget().replace(f'<IdColl V="{SIREN}00010"/>'.encode(), b"")
    read = read_budget(sealed(data))
    assert read.siren == ""
    check_budget("99_BU.xml", read, FACTS)


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.4",
        sealed(budget())[:-20],
        b"<!DOCTYPE a []>" + budget().partition(b"?>")[2],
        budget().replace(b"</EnTeteDocBudgetaire>", b"</EnTeteDocBudgetaire><EnTeteDocBudgetaire/>"),
        budget().replace(b"<NatCEPL", b'<IdColl V="1"/><NatCEPL'),
        sealed(sealed(budget())),
        sealed(budget()).replace(b'09:30:00"/>', b'09:30:00"><a/></Scellement>'),
        sealed(budget()).replace(b'09:30:00"/>', b'09:30:00">a</Scellement>'),
    ],
)
def test_what_cannot_be_read(data: bytes) -> None:
    with pytest.raises(BudgetUnreadable):
        read_budget(data)


@pytest.mark.parametrize("data", [b"<a/>", b"<DocumentBudgetaire/>", b"<DocumentBudgetaire xmlns='urn:autre'/>"])
def test_other_xml(data: bytes) -> None:
    with pytest.raises(NotBudget):
        read_budget(data)


@pytest.mark.parametrize(("nature", "classif"), [(1, (7, 1)), (5, (7, 2)), (5, (1, 1)), (None, (7, 1))])
def test_the_act_around(nature: int | None, classif: tuple[int, ...]) -> None:
    with pytest.raises(Refused) as refused:
        check_carrier(BudgetFacts(SIREN, nature, classif, None))
    assert refused.value.code == "BUDGET_NATURE"


def test_the_worked_example_passes_sealed_and_not_unsealed() -> None:
    folder = shared_directory() / EXAMPLE
    if not folder.is_dir():
        return
    read = read_budget(next(folder.glob("99_BU*.xml")).read_bytes())
    assert read.sealed_as == "written"
    check_budget("99_BU.xml", read, BudgetFacts(SIREN, 5, (7, 1), date(2025, 4, 10)))
    unsealed = read_budget((folder / "DOCBUDG-non-scelle.xml").read_bytes())
    assert refusal(unsealed)[0] == "BUDGET_NON_SCELLE"


@pytest.mark.parametrize("version", ["docbudg-v5.12-full", "docbudg-v5.17"])
def test_ours_are_valid_for_the_state(version: str, tmp_path: Path) -> None:
    schema = official_schema(version, tmp_path)
    if schema is None:
        return
    for data in (budget(), sealed(budget()), minified(sealed(budget()))):
        schema.assertValid(etree.fromstring(data))
        record_xsd_check()
