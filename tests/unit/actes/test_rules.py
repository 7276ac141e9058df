"""The checks of a submission, in S2LOW's order and words."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.actes.model import Classification, Nature, PostedFile, Submission, TypePiece
from tdt.domain.actes.rules import (
    AnalysedFile,
    CheckedFile,
    Facts,
    check_analysis,
    check_archive_size,
    check_submission,
    find_nature,
)
from tdt.domain.errors import Refused

PDF = b"%PDF-1.4\n"
XML = b'<?xml version="1.0"?><DocumentBudgetaire/>'
TODAY = date(2025, 6, 16)
DELIBERATION = Nature(1, "DE", "Délibérations", (TypePiece("99_DE", "Délibération"), TypePiece("31_DP", "Plan")))
BUDGET = Nature(5, "BF", "Documents budgétaires et financiers", (TypePiece("99_BU", "Budget"),))
CLASSIFICATION = Classification(date(2019, 4, 18), (DELIBERATION, BUDGET))
FACTS = Facts(CLASSIFICATION, number_taken=False, today=TODAY, archive_limit=157286400)
NOT_RECORDED = "Erreur lors de l'enregistrement de la transaction :\n"


def _file(name: str = "acte.pdf", head: bytes = PDF, size: int = 1000) -> PostedFile:
    return PostedFile(name, size, head)


GOOD = Submission(
    nature_code="1",
    number="2025_031",
    decision_date="2025-06-12",
    subject="Acquisition",
    classif=("3", "1", "", "", ""),
    type_acte="99_DE",
    acte=_file(),
    attachments=(_file("plan.pdf"), _file("photo.jpg", b"\xff\xd8\xff\xe0")),
    type_pj=("31_DP", "31_DP"),
    acte_signature="SIGNATURE\r\n\n",
    attachment_signatures=("", "S2\n"),
)


def _refused(changes: Mapping[str, object], facts: Facts = FACTS) -> str:
    with pytest.raises(Refused) as refused:
        check_submission(replace(GOOD, **changes), facts)  # type: ignore[arg-type]
    return refused.value.message


def _refusal(facts: Facts = FACTS, **changes: object) -> str:
    return _refused(changes, facts)


def test_a_good_submission_is_read() -> None:
    acte = check_submission(GOOD, FACTS)
    assert (acte.number, acte.decision_date, acte.nature) == ("2025_031", date(2025, 6, 12), DELIBERATION)
    assert (acte.classif, acte.classification_date) == ((3, 1), date(2019, 4, 18))
    assert (acte.subject, acte.type_acte, acte.acte_mime) == ("Acquisition", "99_DE", "application/pdf")
    assert acte.acte_signature == "SIGNATURE"
    assert acte.attachments == (CheckedFile("31_DP", "application/pdf"), CheckedFile("31_DP", "image/jpeg", "S2"))
    assert not acte.document_papier


def test_dates_and_levels_are_read_as_s2low_reads_them() -> None:
    acte = check_submission(replace(GOOD, decision_date="2025-6-1", classif=("07", "10", "2", "", "4")), FACTS)
    assert acte.decision_date == date(2025, 6, 1)
    assert acte.classif == (7, 10, 2)
    assert check_submission(replace(GOOD, decision_date="2025-06-16"), FACTS).decision_date == TODAY


@pytest.mark.parametrize("number", ["", "a", "abc", "_A", "A_", "A-B", "A B", "A" * 16, "É", "A\n", "٣"])
def test_numbers(number: str) -> None:
    assert _refusal(number=number) == "Le numéro n'est pas correct"


@pytest.mark.parametrize("number", ["A", "1", "A_B", "0" * 15, "2025__1"])
def test_good_numbers(number: str) -> None:
    assert check_submission(replace(GOOD, number=number), FACTS).number == number


def test_a_decision_of_tomorrow() -> None:
    assert _refusal(decision_date="2025-06-17") == "La date de décision est une date dans le futur"


def test_the_total_size() -> None:
    facts = replace(FACTS, archive_limit=2999)
    assert _refusal(facts) == "La taille totale des fichiers est trop importante (max : 2999)"
    assert check_submission(GOOD, replace(FACTS, archive_limit=3000))


def test_a_number_already_taken() -> None:
    assert _refusal(replace(FACTS, number_taken=True)) == (
        "Un acte portant le même numéro interne existe déjà dans la base de données.\n"
        "Il faut peut-être ajouter un suffixe au numéro."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"acte": None}, "Aucun fichier acte n'a été posté "),
        ({"acte": _file(size=0)}, "Erreur lors de la récéption du fichier : Le fichier semble vide"),
        ({"acte": _file("")}, "Erreur lors de la récéption du fichier : Aucun fichier n'a été présenté"),
        ({"type_acte": ""}, "Erreur lors de la réception du fichier acte.pdf : typologie absente"),
        ({"type_acte": "0"}, "Erreur lors de la réception du fichier acte.pdf : typologie absente"),
        (
            {"attachments": (_file("a.pdf", size=0),)},
            "Erreur lors de la réception du fichier : Le fichier semble vide",
        ),
        ({"type_pj": ("31_DP",)}, "Erreur lors de la réception du fichier annexe photo.jpg : typologie absente"),
        ({"type_pj": ("", "31_DP")}, "Erreur lors de la réception du fichier annexe plan.pdf : typologie absente"),
    ],
)
def test_what_stops_at_once(changes: dict[str, object], message: str) -> None:
    assert _refused(changes) == message


ACTE_FAULT = "Erreur de validation du fichier de l'acte :\n"
ANNEX_FAULT = "Erreur de validation d'un fichier de pièce jointe :\n"
ONE_PDF: dict[str, object] = {"attachments": (_file("a.pdf"),)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"acte": _file("dossier/note.txt", b"bonjour")},
            ACTE_FAULT + 'Le fichier de l\'acte " note.txt " est de type " text/plain ". Fichier PDF ou XML requis.\n',
        ),
        (
            {"acte": _file("b.xml", XML), **ONE_PDF},
            ACTE_FAULT + "Seuls les documents budgétaires et financiers peuvent être au format XML.\n",
        ),
        (
            {"acte": _file("b.xml", XML), "nature_code": "5", **ONE_PDF},
            ACTE_FAULT + "Seule la classification 7.1 est autorisée pour la transmission au format XML\n",
        ),
        ({"type_acte": "99_de"}, ACTE_FAULT + "Le code de la PJ doit faire 5 caractères\n"),
        ({"type_pj": ("31_DP", "31_DPP")}, ANNEX_FAULT + "Le code de la PJ doit faire 5 caractères\n"),
        (
            {"attachments": (_file("a.zip", b"PK\x03\x04"),), "type_acte": "9"},
            ACTE_FAULT
            + "Le code de la PJ doit faire 5 caractères\n"
            + ANNEX_FAULT
            + 'Le fichier attaché " a.zip " est de type " application/zip ". '
            "Fichier PDF, XML, PNG ou JPEG requis.\n",
        ),
    ],
)
def test_faults_of_files_come_together(changes: dict[str, object], message: str) -> None:
    assert _refused(changes) == message


def test_a_missing_typologie_hides_the_faults_of_files() -> None:
    changes = {"acte": _file("n.txt", b"bonjour"), "type_pj": ()}
    expected = "Erreur lors de la réception du fichier annexe plan.pdf : typologie absente"
    assert _refused(changes) == expected


BUDGET_FORM: dict[str, object] = {
    "nature_code": "5",
    "classif": ("7", "1"),
    "acte": _file("b.xml", XML),
    "type_acte": "99_BU",
}


def test_a_budget_in_xml_is_accepted_with_pdf_annexes() -> None:
    assert check_submission(replace(GOOD, **BUDGET_FORM, **ONE_PDF), FACTS).acte_mime == "text/xml"  # type: ignore[arg-type]


@pytest.mark.parametrize("head", [b"\xff\xd8\xff\xe0", XML])
def test_beside_a_budget_in_xml_annexes_are_pdf(head: bytes) -> None:
    annexes = {"attachments": (_file("a.pdf"), _file("b", head))}
    assert _refused({**BUDGET_FORM, **annexes}) == (
        ANNEX_FAULT + "Les pièces jointes doivent être au format PDF avec un acte au format XML\n"
    )


@pytest.mark.parametrize("classif", [(), ("3",), ("3", ""), ("3", "0"), ("", "1"), ("x", "1"), ("3", "1.5")])
def test_two_levels_are_mandatory(classif: tuple[str, ...]) -> None:
    assert _refusal(classif=classif) == (
        NOT_RECORDED + "Les deux premiers niveaux de classification sont obligatoires."
    )


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"subject": ""}, "Objet de l'acte doit être présent.\n"),
        ({"subject": "x" * 500}, "Le champ Objet de l'acte est trop long (499 caractères maxi autorisés).\n"),
        ({"decision_date": ""}, "Date de la décision doit être présent.\n"),
        ({"decision_date": "12/06/2025"}, "Date de la décision doit être présent.\n"),
        ({"decision_date": "2025-02-30"}, "Date de la décision doit être présent.\n"),
        ({"nature_code": "9"}, "Description nature de l'acte doit être présent.\n"),
        ({"nature_code": "01"}, "Description nature de l'acte doit être présent.\n"),
        (
            {"nature_code": "", "subject": "", "decision_date": "x"},
            "Nature de l'acte doit être présent.\nDescription nature de l'acte doit être présent.\n"
            "Objet de l'acte doit être présent.\nDate de la décision doit être présent.\n",
        ),
        (
            {"broadcast_emails": ("a" * 512, "b" * 511)},
            "Le champ Liste des destinataires de la notification est trop long (1023 caractères maxi autorisés).\n",
        ),
    ],
)
def test_mandatory_fields_and_lengths_come_last_and_together(changes: dict[str, object], lines: str) -> None:
    assert _refused(changes) == NOT_RECORDED + lines


def test_an_act_needs_a_classification() -> None:
    assert _refusal(replace(FACTS, classification=None), subject="") == (
        NOT_RECORDED + "Objet de l'acte doit être présent.\n"
        "Date classification matières/sous-matières utilisée doit être présent.\n"
    )


def test_the_longest_subject() -> None:
    assert check_submission(replace(GOOD, subject="é" * 499), FACTS)


def test_the_order_of_the_checks() -> None:
    everything_wrong: dict[str, object] = {
        "number": "é", "decision_date": "2026-01-01", "acte": None, "type_acte": "", "classif": (), "subject": "",
    }  # fmt: skip
    facts = replace(FACTS, number_taken=True, archive_limit=1)
    seen = [_refused(everything_wrong, facts)]
    for key, value in (("number", "A"), ("decision_date", "")):
        everything_wrong[key] = value
        seen.append(_refused(everything_wrong, facts))
    facts = replace(facts, archive_limit=10**9)
    seen.append(_refused(everything_wrong, facts))
    facts = replace(facts, number_taken=False)
    steps: list[tuple[str, object]] = [
        ("acte", None), ("acte", _file()), ("type_acte", "99_DE"), ("classif", ("1", "1")),
    ]  # fmt: skip
    for name, correction in steps:
        everything_wrong[name] = correction
        seen.append(_refused(everything_wrong, facts))
    assert [text[:40] for text in seen] == [
        "Le numéro n'est pas correct",
        "La date de décision est une date dans le",
        "La taille totale des fichiers est trop i",
        "Un acte portant le même numéro interne e",
        "Aucun fichier acte n'a été posté ",
        "Erreur lors de la réception du fichier a",
        "Erreur lors de l'enregistrement de la tr",
        "Erreur lors de l'enregistrement de la tr",
    ]
    assert seen[-2].endswith("sont obligatoires.")
    assert "Objet" in seen[-1]


def test_national_natures_are_known_without_classification() -> None:
    assert find_nature("4", None) == Nature(4, "CC", "Contrats, conventions et avenants")
    assert find_nature("1", CLASSIFICATION) is DELIBERATION
    assert find_nature("2", CLASSIFICATION) == Nature(2, "AR", "Actes réglementaires")
    assert find_nature("7", CLASSIFICATION) is None


TEXTS = st.text(max_size=30)
FILES = st.builds(PostedFile, TEXTS, st.integers(0, 10**9), st.binary(max_size=40) | st.just(PDF))


@given(
    st.builds(
        Submission,
        nature_code=TEXTS | st.just("1"),
        number=TEXTS | st.just("A1"),
        decision_date=TEXTS | st.just("2025-06-01"),
        subject=TEXTS,
        classif=st.tuples() | st.tuples(TEXTS, TEXTS, TEXTS) | st.just(("1", "1")),
        type_acte=TEXTS | st.just("99_DE"),
        acte=st.none() | FILES,
        attachments=st.lists(FILES, max_size=3).map(tuple),
        type_pj=st.lists(TEXTS | st.just("99_DE"), max_size=3).map(tuple),
    )
)
def test_any_form_is_accepted_or_refused(submission: Submission) -> None:
    try:
        acte = check_submission(submission, FACTS)
    except Refused as refused:
        assert refused.message
    else:
        assert len(acte.classif) >= 2
        assert len(acte.attachments) == len(submission.attachments)


PDF_FILE = AnalysedFile("99_DE-x_1.pdf", "99_DE", "application/pdf")


def _analysis(*files: AnalysedFile, nature: int = 1, classification: Classification = CLASSIFICATION) -> str:
    try:
        check_analysis(nature, files, classification)
    except Refused as refused:
        return refused.message
    return ""


def test_the_analysis_accepts_the_typologies_of_the_nature() -> None:
    assert _analysis(PDF_FILE, AnalysedFile("31_DP-x_2.png", "31_DP", "image/png")) == ""
    assert _analysis(replace(PDF_FILE, code_pj="10_DE", name="10_DE-x_1.pdf")) == (
        "Enveloppe invalide : La typologie 10_DE n'est pas permise sur le fichier 10_DE-x_1.pdf"
    )
    assert _analysis(PDF_FILE, nature=5).startswith("Enveloppe invalide : La typologie 99_DE")
    assert _analysis(PDF_FILE, nature=6).startswith("Enveloppe invalide : La typologie 99_DE")


def test_the_analysis_refuses_formats_and_absent_typologies() -> None:
    assert _analysis(replace(PDF_FILE, mime="text/plain")) == (
        "Enveloppe invalide : Le format text/plain du fichier 99_DE-x_1.pdf n'est pas autorisé"
    )
    assert _analysis(replace(PDF_FILE, code_pj="")) == (
        "Enveloppe invalide : La typologie est absente sur le fichier 99_DE-x_1.pdf"
    )


def test_a_nature_without_typologie_allows_any() -> None:
    old = Classification(date(2017, 1, 1), (Nature(1, "DE", "Délibérations"), BUDGET))
    assert _analysis(PDF_FILE, classification=old) == ""


def test_the_size_of_the_archive() -> None:
    check_archive_size(10, 10)
    with pytest.raises(Refused) as refused:
        check_archive_size(11, 10)
    assert refused.value.message == (
        "Enveloppe invalide : La taille de l'archive est trop élevée, 11 octets (maximum 10 octets autorisés)"
    )
