"""What leaves is valid whatever the texts, and says what was asked."""

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tdt.domain.actes.envelope import (
    ANSWERS,
    build_acte,
    build_answer,
    build_cancellation,
    build_classification_request,
    build_envelope,
    valid_return_address,
)
from tdt.domain.actes.grammar import check_message
from tdt.domain.actes.model import ActeData, Emitter, Piece
from tdt.domain.actes.reading import attribute, child, children, text_of
from tdt.domain.actes.text import to_latin1_subject
from tdt.domain.xml import parse_tree
from tests.xsd import official_actes_xsd, record_xsd_check

PROLOG = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<actes:'
FORM = "034-123456782-20250612-2025_031-DE-1-1_0.xml"


def _acte(subject: str = "Objet", classif: tuple[int, ...] = (3, 1), annexes: tuple[Piece, ...] = ()) -> ActeData:
    return ActeData(
        number="2025_031",
        decision_date=date(2025, 6, 12),
        nature_code=1,
        classif=classif,
        classification_date=date(2019, 4, 18),
        subject=subject,
        document=Piece("99_DE-034-123456782-20250612-2025_031-DE-1-1_1.pdf"),
        annexes=annexes,
    )


def _emitter(**changes: str) -> Emitter:
    values: dict[str, str] = {"referent_name": "Service des assemblées", "referent_email": "a@commune.test"} | changes
    return Emitter("123456782", "034", "3", 31, return_addresses=("actes@tdt.test",), **values)


def _valid(data: bytes) -> None:
    assert data.startswith(PROLOG)
    assert check_message(data) == []
    xsd = official_actes_xsd()
    if xsd is not None:
        xsd.assertValid(parse_tree(data))
        record_xsd_check()


def test_an_acte_says_everything() -> None:
    annexes = (Piece("a.pdf", "-----BEGIN PKCS7-----\nx\n-----END PKCS7-----"), Piece("b.png"))
    data = build_acte(_acte("Acquisition de l’îlot – été", (7, 10, 2), annexes))
    _valid(data)
    assert "<actes:Objet>Acquisition de l'îlot - été</actes:Objet>".encode("latin-1") in data
    root = parse_tree(data)
    assert attribute(root, "Date") == "2025-06-12"
    assert attribute(root, "NumeroInterne") == "2025_031"
    assert [attribute(child(root, f"CodeMatiere{n}"), "CodeMatiere") for n in range(1, 5)] == ["7", "10", "2", ""]
    assert attribute(child(root, "Annexes"), "Nombre") == "2"
    sent = list(children(child(root, "Annexes"), "Annexe"))
    assert [text_of(child(annexe, "NomFichier")) for annexe in sent] == ["a.pdf", "b.png"]
    assert text_of(child(sent[0], "Signature")).startswith("-----BEGIN PKCS7-----\nx")
    assert text_of(child(root, "DocumentPapier")) == "N"


def test_an_envelope_says_everything() -> None:
    data = build_envelope(_emitter(referent_telephone="0400000000"), [FORM])
    _valid(data)
    root = parse_tree(data)
    identity = child(child(root, "Emetteur"), "IDCL")
    names = ("SIREN", "Departement", "Arrondissement", "Nature")
    assert [attribute(identity, name) for name in names] == ["123456782", "034", "3", "31"]
    referent = child(child(root, "Emetteur"), "Referent")
    values = [text_of(child(referent, name)) for name in ("Nom", "Telephone", "Email")]
    assert values == ["Service des assemblées", "0400000000", "a@commune.test"]
    assert text_of(child(root, "AdressesRetour")) == "actes@tdt.test"
    assert text_of(child(root, "FormulairesEnvoyes")) == FORM


def test_a_referent_that_the_schema_refuses_is_left_out() -> None:
    data = build_envelope(_emitter(referent_name=" ", referent_email="o'neil+actes@commune.test"), [FORM])
    _valid(data)
    assert b"Referent" not in data


def test_a_classification_request_with_and_without_date() -> None:
    for held in (None, date(2019, 4, 18)):
        data = build_classification_request(held)
        _valid(data)
        assert (b"<actes:DateClassification>2019-04-18</actes:DateClassification>" in data) == (held is not None)


ACT = "034-123456782-20250612-2025_031-DE"


@pytest.mark.parametrize("code", ANSWERS)
def test_an_answer_names_the_act_and_the_day_of_the_letter(code: str) -> None:
    names = (
        [] if code in ("3-2", "4-2") else [f"{ACT}-{code}_1.pdf", f"{ACT}-{code}_2.pdf"][: 2 if code == "3-4" else 1]
    )
    data = build_answer(code, ACT, date(2025, 7, 2), [Piece(name) for name in names])
    _valid(data)
    root = parse_tree(data)
    assert (attribute(root, "IDActe"), attribute(root, "DateCourrierPref")) == (ACT, "2025-07-02")
    assert [text_of(node) for node in root.iter("{*}NomFichier")] == names


def test_a_signature_goes_with_the_document_of_an_answer() -> None:
    data = build_answer("4-4", ACT, date(2025, 7, 2), [Piece(f"{ACT}-4-4_1.pdf", "-----BEGIN PKCS7-----\nx")])
    _valid(data)
    assert b"<actes:Signature>-----BEGIN PKCS7-----" in data


def test_a_cancellation_names_the_act() -> None:
    data = build_cancellation(ACT)
    _valid(data)
    assert attribute(parse_tree(data), "IDActe") == ACT


def test_a_single_bad_return_address_makes_the_envelope_invalid() -> None:
    emitter = Emitter("123456782", "034", "3", 31, return_addresses=("actes@tdt.test", "a+b@tdt.test"))
    assert check_message(build_envelope(emitter, [FORM])) != []


@pytest.mark.parametrize(
    ("email", "valid"),
    [
        ("actes@tdt.test", True),
        ("prenom.nom-compose_2@sous-domaine.commune.fr", True),
        ("a+b@tdt.test", False),
        ("o'neil@tdt.test", False),
        ("a@tdt.technology", False),
        ("a@tdt", False),
        ("é@tdt.test", False),
        ("a@tdt.test\n", False),
        (" a@tdt.test", False),
        ("", False),
        ("a" * 250 + "@tdt.test", False),
    ],
)
def test_return_addresses(email: str, valid: bool) -> None:
    assert valid_return_address(email) is valid


@given(st.text(max_size=499))
@example("\x92\x80\x85")
@example("…" * 499)
@example("\U0001d160" * 499)
@example("\r\n\t]]>&amp;<!--")
@settings(max_examples=150)
def test_any_subject_gives_a_valid_message(subject: str) -> None:
    _valid(build_acte(_acte(subject)))


@given(st.text(), st.text(), st.text())
@settings(max_examples=100)
def test_any_referent_gives_a_valid_envelope(name: str, telephone: str, email: str) -> None:
    _valid(build_envelope(_emitter(referent_name=name, referent_telephone=telephone, referent_email=email), [FORM]))


@given(st.text(st.characters(max_codepoint=0xFF, min_codepoint=0xA0), max_size=499))
def test_latin_1_subjects_are_kept_as_they_are(subject: str) -> None:
    assert to_latin1_subject(subject) == subject
    root = parse_tree(build_acte(_acte("x" + subject + "x")))
    assert text_of(child(root, "Objet")) == "x" + subject + "x"


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        ("L’œuvre – 10 € …", "L'oeuvre - 10 euro ..."),
        ("L\x92\x9cuvre", "L'oeuvre"),
        ("e\u0301te\u0301", "été"),
        ("« a »", "« a »"),
        ("a\u202f; b\u200b", "a\u00a0; b"),
        ("日本", "日本"),
        ("l\u2019art\u2006R\u2013123 \u21d2 n\u2044a \u2260 \u2116 1", "l'art R-123 => n/a <> n° 1"),
        ("a\x00\x0b\ufffeb", "ab"),
    ],
)
def test_subjects_in_latin_1(subject: str, written: str) -> None:
    assert to_latin1_subject(subject) == written
