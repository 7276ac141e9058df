"""The checklist of a collectivité that opens: each item, done, to be watched, missing."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tdt.domain.authorities import Module
from tdt.domain.conventions import Outcome, Verdict
from tdt.domain.onboarding import Bearer, Facts, ModuleFacts, State, Way, Who, checklist, is_complete

TODAY = date(2026, 6, 1)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
GOOD = ModuleFacts(
    Verdict(Outcome.ALLOWED, "en vigueur"),
    Way("Préfecture", False),
    (Bearer("Logiciel", LATER, ""), Bearer("Agent", LATER, "pas RGS")),
    tested=True,
)
READY = Facts(
    active=True,
    closed_on=None,
    siren="552100554",
    nature=31,
    department="034",
    district="3",
    email="mairie@exemple.fr",
    p_dest="VHPCE31",
    sirets=1,
    classification_on=date(2026, 1, 2),
    modules={Module.ACTES: GOOD, Module.HELIOS: GOOD, Module.MAIL: GOOD},
)
CODES = [
    *(("EN_SERVICE", None), ("SIREN", None), ("LIEU", None), ("NATURE", None), ("EMAIL", None)),
    *((code, Module.ACTES) for code in ("CONVENTION", "ROUTE", "CERTIFICAT", "CLASSIFICATION", "ESSAI")),
    *((code, Module.HELIOS) for code in ("CONVENTION", "ROUTE", "CERTIFICAT", "P_DEST", "SIRET", "ESSAI")),
    ("MODULE", Module.MAIL),
]


def only(facts: Facts) -> list[tuple[str, Module | None, State, str, Who | None]]:
    """What is to be done: code, module, state, detail, who must act."""
    nothing = (State.DONE, State.NOT_APPLICABLE)
    found = [one for one in checklist(facts, TODAY) if one.state not in nothing]
    assert all(one.remedy and one.who for one in found)
    return [(one.code, one.module, one.state, one.detail, one.who) for one in found]


def test_a_collectivite_that_has_everything() -> None:
    items = checklist(READY, TODAY)
    assert [(one.code, one.module) for one in items] == CODES
    assert {one.state for one in items[:-1]} == {State.DONE}
    assert (items[-1].state, items[-1].detail) == (State.NOT_APPLICABLE, "Rien ne part vers l'État.")
    assert is_complete(items)
    assert next(one.detail for one in items if one.code == "CERTIFICAT") == "Logiciel, jusqu'au 01/01/2027"
    assert next(one.detail for one in items if one.code == "NATURE") == "Commune"


@pytest.mark.parametrize(
    ("changes", "code", "state", "who"),
    [
        ({"active": False}, "EN_SERVICE", State.MISSING, Who.OPERATOR),
        ({"closed_on": TODAY}, "EN_SERVICE", State.MISSING, Who.OPERATOR),
        ({"siren": "552100555"}, "SIREN", State.MISSING, Who.OPERATOR),
        ({"district": "9"}, "LIEU", State.MISSING, Who.OPERATOR),
        ({"nature": 1}, "NATURE", State.MISSING, Who.OPERATOR),
        ({"email": ""}, "EMAIL", State.WARNING, Who.ADMINISTRATOR),
        ({"classification_on": None}, "CLASSIFICATION", State.MISSING, Who.ADMINISTRATOR),
        ({"p_dest": ""}, "P_DEST", State.MISSING, Who.OPERATOR),
        ({"sirets": 0}, "SIRET", State.WARNING, Who.OPERATOR),
        ({"modules": {}}, "MODULES", State.MISSING, Who.OPERATOR),
    ],
)
def test_what_the_collectivite_lacks(changes: dict[str, object], code: str, state: State, who: Who) -> None:
    facts = replace(READY, **changes)  # type: ignore[arg-type]
    [found] = only(facts)
    assert (found[0], found[2], found[4]) == (code, state, who)
    assert is_complete(checklist(facts, TODAY)) is (state is State.WARNING)


@pytest.mark.parametrize(
    ("changes", "code", "state", "detail"),
    [
        ({"verdict": Verdict(Outcome.WARNED, "bientôt")}, "CONVENTION", State.WARNING, "bientôt"),
        ({"verdict": Verdict(Outcome.HELD, "finie")}, "CONVENTION", State.MISSING, "finie"),
        ({"way": None}, "ROUTE", State.MISSING, "Aucune route aujourd'hui."),
        ({"way": Way("Essai", True)}, "ROUTE", State.WARNING, "« Essai », une route d'essai."),
        ({"bearers": ()}, "CERTIFICAT", State.MISSING, "Aucun compte actif n'a le droit de télétransmettre."),
        ({"bearers": (Bearer("Agent", LATER, "pas RGS"),)}, "CERTIFICAT", State.MISSING, "Agent : pas RGS"),
        (
            {"bearers": (Bearer("Agent", datetime(2026, 5, 31, tzinfo=UTC), "pas RGS"),)},
            "CERTIFICAT",
            State.MISSING,
            "Agent : son certificat s'est terminé le 31/05/2026",
        ),
        (
            {"bearers": (Bearer("Agent", None, "non enregistré"),)},
            "CERTIFICAT",
            State.MISSING,
            "Agent : non enregistré",
        ),
        (
            {"bearers": (Bearer("Agent", datetime(2026, 6, 9, 22, tzinfo=UTC), ""),)},
            "CERTIFICAT",
            State.WARNING,
            "Agent, jusqu'au 10/06/2026",
        ),
        ({"tested": False}, "ESSAI", State.MISSING, "Aucun envoi d'essai n'a encore reçu de réponse."),
    ],
)
def test_what_a_module_lacks(changes: dict[str, object], code: str, state: State, detail: str) -> None:
    facts = replace(READY, modules={Module.ACTES: replace(GOOD, **changes)})  # type: ignore[arg-type]
    [found] = only(facts)
    assert found[:4] == (code, Module.ACTES, state, detail)


def test_an_answer_in_production_is_worth_a_test() -> None:
    facts = replace(READY, modules={Module.HELIOS: replace(GOOD, tested=False, in_production=True)})
    assert only(facts) == []


def test_a_module_that_is_not_in_service_asks_for_nothing() -> None:
    items = checklist(replace(READY, modules={Module.ACTES: GOOD}, p_dest="", sirets=0), TODAY)
    closed = [(one.module, one.detail) for one in items if one.state is State.NOT_APPLICABLE]
    assert closed == [(module, "Ce module n'est pas en service.") for module in (Module.HELIOS, Module.MAIL)]
    assert is_complete(items)
