"""Names and labels towards the DGFiP."""

from datetime import UTC, date, datetime

import pytest

from tdt.domain.calendar import paris_date
from tdt.domain.helios.naming import is_ocre, is_own_file, p_msg, passtrans_name, transmitted_name
from tdt.domain.helios.returns import read_name


@pytest.mark.parametrize(
    ("number", "end"), [(1, "_001.xml"), (42, "_042.xml"), (999, "_999.xml"), (1000, "_1000.xml"), (2045, "_2045.xml")]
)
def test_transmitted_name(number: int, end: str) -> None:
    assert transmitted_name("123456782", date(2026, 3, 2), number) == "PESALR2_123456782_260302" + end


def test_transmitted_name_of_the_paris_day() -> None:
    almost_midnight = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert transmitted_name("123456782", paris_date(almost_midnight), 1) == "PESALR2_123456782_270101_001.xml"


@pytest.mark.parametrize(("siren", "number"), [("12345678", 1), ("12345678x", 1), ("123456782\n", 1), ("123456782", 0)])
def test_transmitted_name_refuses(siren: str, number: int) -> None:
    with pytest.raises(ValueError, match="SIREN"):
        transmitted_name(siren, date(2026, 3, 2), number)


def test_labels() -> None:
    label = p_msg("401", "034012", "00")
    assert label == "PES#401#034012#00"
    name = passtrans_name("VHPCE11", "THELPES2", label, "ab" * 20)
    assert name == "VHPCE11%%THELPES2%%PES#401#034012#00%%" + "ab" * 20
    assert is_own_file(name)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("PESALR2_123456782_260302_001.xml", True),
        ("034012_260302101500-ACK-0001.xml", False),
        ("PES2R_DEP_P_401_00_034012_20260303_20260303_20260303020000.xml", False),
        ("pes%%essai.xml", False),
    ],
)
def test_is_own_file(name: str, own: bool) -> None:
    assert is_own_file(name) is own


@pytest.mark.parametrize(
    ("name", "ocre"), [("a.ocr", True), ("a.OCRE", True), ("a.ocre.xml", False), ("a.ocres", False), ("ocre", False)]
)
def test_is_ocre(name: str, ocre: bool) -> None:
    assert is_ocre(name) is ocre
    assert (read_name(name) is not None) is ocre
