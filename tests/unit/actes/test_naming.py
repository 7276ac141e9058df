"""Names of ACTES: the examples of the norm, and what is built is read back."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes import naming

DEPARTMENTS = st.sampled_from(["001", "034", "02A", "02B", "971"])
SIRENS = st.from_regex(r"[0-9]{9}", fullmatch=True).filter(str.isascii)
NUMBERS = st.text("ABCXYZ0123456789_", min_size=1, max_size=15)
NATURES = st.sampled_from(["DE", "AR", "AI", "CC", "BF", "AU"])
CODES = st.sampled_from(["1-1", "2-2", "3-4", "6-1"])
SERIALS = st.integers(0, 10**9)
ACT = "034-123456782-20250612-2025_031-DE"


def test_the_names_of_an_act() -> None:
    act = naming.unique_id("034", "123456782", date(2025, 6, 12), "2025_031", "DE")
    assert act == ACT
    assert naming.message_name(act, "1-1") == f"{ACT}-1-1_0.xml"
    assert naming.document_name("99_DE", act, "1-1", 1, "pdf") == f"99_DE-{ACT}-1-1_1.pdf"
    envelope = naming.envelope_name("EACT", "123456782", date(2025, 6, 16), 1)
    assert envelope == "EACT--123456782--20250616-1.xml"
    assert naming.archive_name("TDT", envelope) == "TDT-EACT--123456782--20250616-1.tar.gz"


def test_a_classification_request_has_no_act() -> None:
    name = naming.classification_request_name("034", "123456782")
    assert name == "034-123456782----7-1_0.xml"
    assert naming.read_message_name(name) == naming.MessageName("034", "123456782", "", "", "", "7-1", 0)


@pytest.mark.parametrize(
    ("name", "code", "serial"),
    [
        ("044-214400152----1-3_1.xml", "1-3", 1),
        ("034-123456782-20250612-2025_031-AI-1-3_0.xml", "1-3", 0),
        ("044-214400152-20181106-TEST_DGCL_4-DE-6-2_105279.xml", "6-2", 105279),
        ("02A-123456782----7-2_7.xml", "7-2", 7),
    ],
)
def test_names_of_the_ministry(name: str, code: str, serial: int) -> None:
    parts = naming.read_message_name(name)
    assert parts is not None
    assert (parts.code, parts.serial) == (code, serial)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "EACT--123456782--20250616-1.xml",
        "20-123456782-20250612-1-DE-1-1_0.xml",
        f"{ACT}-1-1_0.xml\n",
        f"../{ACT}-1-1_0.xml",
        f"{ACT}-8-1_0.xml",
        f"{ACT}-1-1_" + "9" * 5000 + ".xml",
        "034-١٢٣٤٥٦٧٨٩-20250612-1-DE-1-1_0.xml",
    ],
)
def test_what_is_no_message_name(name: str) -> None:
    assert naming.read_message_name(name) is None


@pytest.mark.parametrize(
    ("received", "envelope"),
    [
        ("ANO_EACT--123456782--20250616-1.xml", "EACT--123456782--20250616-1.xml"),
        ("ANO_TDT-EACT--123456782--20250616-1.tar.gz", "EACT--123456782--20250616-1.xml"),
        ("TDT-TACT--123456782--20250616-12.tar.gz", "TACT--123456782--20250616-12.xml"),
    ],
)
def test_the_envelope_that_an_anomaly_refuses(received: str, envelope: str) -> None:
    assert naming.refused_envelope(received) == envelope


@given(DEPARTMENTS, SIRENS, st.dates(), NUMBERS, NATURES)
def test_a_unique_id_is_read_back(department: str, siren: str, day: date, number: str, nature: str) -> None:
    parts = naming.read_unique_id(naming.unique_id(department, siren, day, number, nature))
    assert parts == naming.UniqueId(department, siren, day.isoformat().replace("-", ""), number, nature)


@given(DEPARTMENTS, SIRENS, st.dates(), NUMBERS, NATURES, CODES, SERIALS)
def test_a_message_name_is_read_back(
    department: str, siren: str, day: date, number: str, nature: str, code: str, serial: int
) -> None:
    name = naming.message_name(naming.unique_id(department, siren, day, number, nature), code, serial)
    compact = day.isoformat().replace("-", "")
    assert naming.read_message_name(name) == naming.MessageName(
        department, siren, compact, number, nature, code, serial
    )
    assert naming.read_document_name(name.replace(".xml", ".pdf")) is not None


@given(st.text("ABCXYZ0123456789_", min_size=5, max_size=5), NUMBERS, CODES, SERIALS)
def test_a_document_name_is_read_back(code_pj: str, number: str, code: str, serial: int) -> None:
    act = naming.unique_id("034", "123456782", date(2025, 6, 12), number, "DE")
    name = naming.document_name(code_pj, act, code, serial, "pdf")
    assert naming.read_document_name(name) == naming.DocumentName(code_pj, act, code, serial, "pdf")


@given(st.sampled_from(["EACT", "TACT"]), SIRENS, st.dates(), SERIALS)
def test_an_envelope_name_is_read_back(application: str, siren: str, day: date, serial: int) -> None:
    name = naming.envelope_name(application, siren, day, serial)
    assert naming.read_envelope_name(name) == naming.EnvelopeName(
        application, siren, day.isoformat().replace("-", ""), serial
    )
    assert naming.refused_envelope("ANO_" + name) == name
    assert naming.refused_envelope("ANO_" + naming.archive_name("TDT", name)) == name


@given(st.text())
def test_any_text_is_read_without_error(name: str) -> None:
    naming.read_message_name(name)
    naming.read_document_name(name)
    naming.read_envelope_name(name)
    naming.read_unique_id(name)
    naming.refused_envelope(name)
