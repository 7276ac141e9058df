"""SIREN, SIRET, départements and arrondissements, natures."""

import csv
import os
from pathlib import Path

import pytest

from tdt.domain.siren import is_siren, is_siret
from tdt.domain.territory import DISTRICTS, NATURES, is_district, nature_label

SHARED = Path(os.environ.get("TDT_SHARED") or Path(__file__).parents[3] / "shared") / "data/actes/referentiels"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("732829320", True),
        ("552100554", True),
        ("000000000", True),
        ("732829321", False),
        ("73282932", False),
        ("7328293200", False),
        ("73282932a", False),
        ("73282932²", False),
        ("", False),
    ],
)
def test_a_siren_has_nine_digits_that_check(text: str, expected: bool) -> None:
    assert is_siren(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("73282932000074", True),
        ("73282932000075", False),
        ("35600000000048", True),
        ("35600000049837", True),  # La Poste: the sum of its digits
        ("35600000049838", False),
        ("732829320", False),
        ("٧٣٢٨٢٩٣٢٠٠٠٠٧٤", False),
    ],
)
def test_a_siret_has_fourteen_digits_that_check(text: str, expected: bool) -> None:
    assert is_siret(text) is expected


def test_a_district_belongs_to_its_department() -> None:
    assert len(DISTRICTS) == 103
    assert is_district("034", "3")
    assert is_district("02A", "4")
    assert not any((is_district("034", "9"), is_district("34", "3"), is_district("034", ""), is_district("034", "12")))


def test_types_are_cut_after_forty_characters() -> None:
    assert nature_label(31) == "31 - Commune"
    assert nature_label(12) == "12 - Établissements publics locaux d'enseigne..."


def test_the_tables_are_those_of_the_ministry() -> None:
    if not SHARED.exists():
        pytest.skip(f"reference tables: absent ({SHARED})")

    def table(name: str) -> list[dict[str, str]]:
        with (SHARED / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    assert {int(row["code"]) for row in table("natures-collectivite.csv")} == set(NATURES)
    assert {(row["departement"], row["code"]) for row in table("arrondissements.csv")} == {
        (department, district) for department, districts in DISTRICTS.items() for district in districts
    }
