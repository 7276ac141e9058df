"""Creation of an act: every rule of S2LOW by its name, alone and before every rule that comes after it."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pytest

from tdt.domain.actes.model import Classification, Nature, PostedFile, Submission, TypePiece
from tdt.domain.actes.rules import Facts, check_submission
from tdt.domain.errors import Refused

PDF, XML, TEXT = b"%PDF-1.4\n", b'<?xml version="1.0"?><DocumentBudgetaire/>', b"bonjour\n"
TODAY = date(2026, 3, 10)
NATURES = (
    Nature(1, "DE", "Délibérations", (TypePiece("99_DE", "Délibération"), TypePiece("31_DP", "Plan"))),
    Nature(5, "BF", "Documents budgétaires et financiers", (TypePiece("99_BU", "Budget"),)),
)
FACTS = Facts(Classification(date(2019, 4, 18), NATURES), number_taken=False, today=TODAY, archive_limit=10_000)


def file(name: str = "acte.pdf", head: bytes = PDF, size: int = 1000) -> PostedFile:
    return PostedFile(name, size, head)


GOOD = Submission(
    nature_code="1",
    number="2026_017",
    decision_date="2026-03-09",
    subject="Acquisition",
    classif=("3", "1", "", "", ""),
    type_acte="99_DE",
    acte=file(),
    attachments=(file("plan.pdf"),),
    type_pj=("31_DP",),
)
NOT_RECORDED = "Erreur lors de l'enregistrement de la transaction :\n"
ACT = "Erreur de validation du fichier de l'acte :\n"
ANNEX = "Erreur de validation d'un fichier de pièce jointe :\n"
FUTURE = "La date de décision est une date dans le futur"
TAKEN = (
    "Un acte portant le même numéro interne existe déjà dans la base de données.\n"
    "Il faut peut-être ajouter un suffixe au numéro."
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What breaks it: fields of the form, facts; and its words. `with_next`: told together with the next one."""

    name: str
    words: str
    form: dict[str, Any]
    facts: dict[str, Any]
    with_next: bool = False


def rule(name: str, words: str, facts: dict[str, Any] | None = None, with_next: bool = False, **form: Any) -> Rule:
    return Rule(name, words, form, facts or {}, with_next)


RULES = [
    rule("number: its form", "Le numéro n'est pas correct", number="2026-017"),
    rule("decision_date: not in the future", FUTURE, decision_date="2026-03-11"),
    rule("batchfile: an integer", "batchfile n'est pas un entier", batchfile="x"),
    rule("total size", "La taille totale des fichiers est trop importante (max : 100)", {"archive_limit": 100}),
    rule("batchfile: one's own", "Échec de la transaction en mode lot.", batchfile="12"),
    rule("number: not used yet", TAKEN, {"number_taken": True}),
    rule("main file: posted", "Aucun fichier acte n'a été posté ", acte=None),
    rule("main file: received", "Erreur lors de la récéption du fichier : Le fichier semble vide", acte=file(size=0)),
    rule("main file: typologie", "Erreur lors de la réception du fichier acte.pdf : typologie absente", type_acte="0"),
    rule(
        "attachments: received",
        "Erreur lors de la réception du fichier : Le fichier semble vide",
        attachments=(file("plan.pdf", size=0),),
    ),
    rule(
        "attachments: typologie",
        "Erreur lors de la réception du fichier annexe plan.pdf : typologie absente",
        type_pj=(),
    ),
    rule(
        "main file: type",
        ACT + 'Le fichier de l\'acte " acte.pdf " est de type " text/plain ". Fichier PDF ou XML requis.\n',
        with_next=True,
        acte=file(head=TEXT),
    ),
    rule(
        "attachments: type",
        ANNEX + 'Le fichier attaché " plan.pdf " est de type " text/plain ". Fichier PDF, XML, PNG ou JPEG requis.\n',
        attachments=(file("plan.pdf", TEXT),),
    ),
    rule(
        "signatures: text",
        "Erreur lors du traitement de la signature du fichier acte.pdf :\n"
        "La signature doit être au format PKCS#7 texte (PEM).\n",
        acte_signature="0\x82é",
    ),
    rule(
        "classification: two levels",
        NOT_RECORDED + "Les deux premiers niveaux de classification sont obligatoires.",
        classif=("3", ""),
    ),
    rule(
        "nature_code: given and known",
        NOT_RECORDED + "Nature de l'acte doit être présent.\nDescription nature de l'acte doit être présent.\n",
        nature_code="",
    ),
]
FIELDS_TOGETHER = [
    ("nature_code", "", "Nature de l'acte doit être présent.\nDescription nature de l'acte doit être présent.\n"),
    ("subject", "", "Objet de l'acte doit être présent.\n"),
    ("decision_date", "09/03/2026", "Date de la décision doit être présent.\n"),
]


def refusal(rules: list[Rule]) -> str:
    form = {key: value for one in reversed(rules) for key, value in one.form.items()}
    facts = {key: value for one in rules for key, value in one.facts.items()}
    with pytest.raises(Refused) as refused:
        check_submission(replace(GOOD, **form), replace(FACTS, **facts))
    return refused.value.message


def test_nothing_broken_is_accepted() -> None:
    assert check_submission(GOOD, FACTS).number == "2026_017"


@pytest.mark.parametrize("broken", RULES, ids=lambda one: one.name)
def test_each_rule_has_its_words(broken: Rule) -> None:
    assert refusal([broken]) == broken.words


@pytest.mark.parametrize("first", RULES[:-1], ids=lambda one: one.name)
def test_each_rule_comes_before_those_that_follow(first: Rule) -> None:
    followers = RULES[RULES.index(first) + 1 :]
    for number, second in enumerate(followers):
        if set(first.form) & set(second.form):
            continue
        together = first.with_next and number == 0
        assert refusal([first, second]) == first.words + (second.words if together else ""), second.name


def test_missing_fields_are_told_together_in_the_order_of_s2low() -> None:
    form: dict[str, Any] = {name: value for name, value, _ in FIELDS_TOGETHER}
    with pytest.raises(Refused) as refused:
        check_submission(replace(GOOD, **form), replace(FACTS, classification=None))
    words = [words for _, _, words in FIELDS_TOGETHER]
    words.insert(2, "Date classification matières/sous-matières utilisée doit être présent.\n")
    assert refused.value.message == NOT_RECORDED + "".join(words)


BUDGET: dict[str, Any] = {
    "nature_code": "5",
    "classif": ("7", "1"),
    "acte": file("b.xml", XML),
    "type_acte": "99_BU",
    "attachments": (),
    "type_pj": (),
}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"nature_code": "1"}, "Seuls les documents budgétaires et financiers peuvent être au format XML.\n"),
        ({"classif": ("7", "2")}, "Seule la classification 7.1 est autorisée pour la transmission au format XML\n"),
        ({"type_acte": "99BU"}, "Le code de la PJ doit faire 5 caractères\n"),
        ({"acte": file("b.xml", b" " + XML)}, 'Le fichier de l\'acte " b.xml " est de type " text/plain ". '),
    ],
)
def test_an_act_in_xml(form: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        check_submission(replace(GOOD, **{**BUDGET, **form}), FACTS)
    assert refused.value.message.startswith(ACT + words)


def test_what_php_calls_empty_is_not_given() -> None:
    assert check_submission(replace(GOOD, batchfile="0"), FACTS).number == "2026_017"
