"""Every code of the DGFiP is explained, by the code and by docs/errors.md in the same words; nothing else is."""

import csv
from pathlib import Path

import pytest

from tdt.domain.helios.anomalies import ANOMALIES, NUMBERS, SCHEMA_REFUSAL, explain
from tdt.domain.helios.news import Side
from tdt.domain.helios.observations import OBSERVATIONS
from tdt.domain.helios.remedies import WHO, Remedy
from tests.unit.helios.samples import SHARED

ERRORS = Path(__file__).parents[3] / "docs" / "errors.md"


def rows(title: str, columns: int) -> list[tuple[str, ...]]:
    """The rows of a section of docs/errors.md that have so many columns, headings left out."""
    section = ERRORS.read_text(encoding="utf-8").partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in section.splitlines() if "|" in line
    ]
    return [row for row in cells if len(row) == columns and row[0].startswith("`")]


def row(code: str, told: Remedy, *label: str) -> tuple[str, ...]:
    return (f"`{code}`", *label, told.cause, told.who, told.remedy)


def test_the_documentation_says_what_the_code_says() -> None:
    told = {**ANOMALIES, **NUMBERS, "Erreur de validation XSD en boite 1": SCHEMA_REFUSAL}
    assert rows("What the DGFiP says of a PES", 4) == [row(code, one) for code, one in told.items()]
    observations = rows("What the trésorerie says of a mandat or of a titre", 5)
    assert observations == [row(one.code, one.told, one.label) for one in OBSERVATIONS.values()]


def test_somebody_acts_on_each() -> None:
    told = [*ANOMALIES.values(), *NUMBERS.values(), *(one.told for one in OBSERVATIONS.values())]
    assert len(told) == 34 + 3 + 54
    assert {one.who for one in told} <= set(WHO)
    assert all(one.cause.endswith(".") and one.remedy and not one.remedy.endswith(".") for one in told)


def test_the_codes_are_those_of_the_schemas() -> None:
    table = SHARED / "tables" / "code_lists.tsv"
    if not table.exists():
        pytest.skip(f"reference tables: absent ({SHARED})")
    with table.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {code for _, _, of, code, _ in lines if of == "TNumAnoAck"} == set(ANOMALIES)
    for side, where in ((Side.DEPENSE, "CommunDepense_Retour"), (Side.RECETTE, "CommunRecette_Retour")):
        official = {code: label for _, file_, of, code, label in lines if of == "TObsEtat" and where in file_}
        assert official == {code: one.label for (of_, code), one in OBSERVATIONS.items() if of_ is side}


@pytest.mark.parametrize(
    ("code", "label", "expected"),
    [
        ("ERREUR_AUTRE", "1971 - Compte fonction présent à tort", NUMBERS["1971"]),
        ("ERREUR_DOUBLON_PJ", "1984 - L'identifiant", NUMBERS["1984"]),
        ("", "2559 - Le code service", NUMBERS["2559"]),
        ("ERREUR_AUTRE", "1972 - Autre chose", ANOMALIES["ERREUR_AUTRE"]),
        ("ERREUR_AUTRE", "Le compte 1971 - fonction", ANOMALIES["ERREUR_AUTRE"]),
        ("ERREUR_AUTRE", "… (Boite 1) : Erreur de validation XSD en boite 1 [(1,1) x] ", SCHEMA_REFUSAL),
        ("ERREUR_PJ", "", ANOMALIES["ERREUR_PJ"]),
        ("ERREUR_DE_DEMAIN", "Mystère", None),
        ("", "Mystère", None),
    ],
)
def test_what_says_more_comes_first(code: str, label: str, expected: Remedy | None) -> None:
    assert explain(code, label) == expected
