"""An archive holds exactly what its envelope and its messages name."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.envelope import build_acte, build_classification_request, build_envelope
from tdt.domain.actes.model import ActeData, Emitter, Piece
from tdt.domain.actes.naming import classification_request_name, document_name, message_name
from tdt.domain.actes.package import check_entries
from tests.xsd import shared_directory

ACT = "034-123456782-20260309-2026_017-DE"
MESSAGE = message_name(ACT, "1-1")
DOCUMENTS = [document_name("99_DE", ACT, "1-1", n, "pdf") for n in (1, 2, 3)]


def _acte(documents: list[str]) -> bytes:
    annexes = tuple(Piece(name) for name in documents[1:])
    day = date(2026, 3, 9)
    return build_acte(ActeData("2026_017", day, 1, (7, 5), day, "Objet", Piece(documents[0]), annexes))


def _envelope(*forms: str) -> bytes:
    return build_envelope(Emitter("123456782", "034", "3", 31, return_addresses=("a@tdt.test",)), forms)


def test_a_whole_package() -> None:
    assert check_entries(_envelope(MESSAGE), {MESSAGE: _acte(DOCUMENTS)}, DOCUMENTS) == []
    request = classification_request_name("034", "123456782")
    assert check_entries(_envelope(request), {request: build_classification_request(None)}, []) == []


@pytest.mark.parametrize(
    ("present", "fault"),
    [
        (DOCUMENTS[:2], f"Le fichier {DOCUMENTS[2]} est annoncé mais absent"),
        ([*DOCUMENTS, "a.pdf"], "Le fichier a.pdf est présent mais n'est pas annoncé"),
        ([*DOCUMENTS, DOCUMENTS[0]], f"Le fichier {DOCUMENTS[0]} apparaît plusieurs fois"),
        ([*DOCUMENTS, "a.pdf"], "Le nom du fichier a.pdf n'est pas correct"),
    ],
)
def test_documents_missing_orphan_repeated_or_badly_named(present: list[str], fault: str) -> None:
    assert fault in check_entries(_envelope(MESSAGE), {MESSAGE: _acte(DOCUMENTS)}, present)


def test_messages_missing_orphan_or_badly_named() -> None:
    acte = _acte(DOCUMENTS)
    other = message_name(ACT, "6-1")
    faults = check_entries(_envelope(MESSAGE, other), {MESSAGE: acte}, DOCUMENTS)
    assert faults == [f"Le message {other} est annoncé mais absent"]
    assert check_entries(_envelope("a.xml"), {MESSAGE: acte}, DOCUMENTS) == [
        "Le message a.xml est annoncé mais absent",
        f"Le message {MESSAGE} est présent mais n'est pas annoncé",
    ]
    assert check_entries(_envelope("a.xml"), {"a.xml": acte}, DOCUMENTS) == [
        "Le nom du message a.xml n'est pas correct"
    ]


def test_the_number_of_annexes() -> None:
    acte = _acte(DOCUMENTS).replace(b'Nombre="2"', b'Nombre="3"')
    faults = check_entries(_envelope(MESSAGE), {MESSAGE: acte}, DOCUMENTS)
    assert faults == [f"Le message {MESSAGE} annonce 3 annexes et en nomme 2"]


def test_unreadable_xml() -> None:
    assert check_entries(b"<a", {}, [])[0].startswith("Enveloppe illisible : ")
    assert check_entries(_envelope(MESSAGE), {MESSAGE: b"<a"}, [])[0].startswith(f"Message {MESSAGE} illisible : ")


@given(st.sets(st.sampled_from(DOCUMENTS), min_size=1), st.sets(st.sampled_from(DOCUMENTS)))
def test_a_package_is_whole_when_and_only_when_the_sets_are_equal(named: set[str], present: set[str]) -> None:
    faults = check_entries(_envelope(MESSAGE), {MESSAGE: _acte(sorted(named))}, sorted(present))
    assert (faults == []) == (named == present)


def test_the_shared_packages_are_whole() -> None:
    for folder in sorted((shared_directory() / "data/actes/worked-example").glob("*")):
        files = {path.name: path for path in folder.iterdir() if path.suffix in (".xml", ".pdf")}
        envelopes = [name for name in files if name.startswith("EACT--123456782--")]
        if envelopes and "23-acte-budgetaire" not in folder.name:
            messages = {name: path.read_bytes() for name, path in files.items() if name.endswith("_0.xml")}
            documents = [name for name in files if name not in messages and name not in envelopes]
            assert check_entries(files[envelopes[0]].read_bytes(), messages, documents) == [], folder
