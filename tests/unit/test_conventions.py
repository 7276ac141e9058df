"""Conventions: what is in force on a day, and the verdict before a transmission."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tdt.domain.authorities import Module
from tdt.domain.conventions import (
    LOOK_AGAIN,
    Avenant,
    Convention,
    Dossier,
    Outcome,
    Policy,
    Suspension,
    Verdict,
    hold,
    is_domain,
    judge,
    terms_on,
)
from tdt.domain.ids import AuthorityId

START, END = date(2026, 1, 1), date(2027, 12, 31)
DAY = timedelta(days=1)
US = Policy(frozenset({"Syndicat des Sables"}))
SIGNED = Convention(
    1,
    AuthorityId(1),
    Module.ACTES,
    "C-1",
    date(2025, 12, 1),
    START,
    END,
    "tdt",
    "Préfecture de l'Hérault",
    "SYNDICAT  DES SABLES",
    frozenset({"1", "2"}),
)


def ask(day: date, wanted: set[str] | None = None, *suspensions: Suspension, **changes: object) -> Verdict:
    convention = replace(SIGNED, **changes)  # type: ignore[arg-type]
    return judge(Dossier((convention,), suspensions), {"1"} if wanted is None else wanted, day, US)


def avenant(effective: date, **changes: object) -> Avenant:
    return Avenant(7, "A-1", effective - DAY, effective, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("day", "outcome", "clause"),
    [
        (START - DAY, Outcome.HELD, "Convention C-1 : elle ne commence que le 01/01/2026."),
        (START, Outcome.ALLOWED, "Convention C-1 : en vigueur jusqu'au 31/12/2027."),
        (END - timedelta(days=30), Outcome.ALLOWED, "Convention C-1 : en vigueur jusqu'au 31/12/2027."),
        (END - timedelta(days=29), Outcome.WARNED, "Convention C-1 : elle se termine le 31/12/2027."),
        (END, Outcome.WARNED, "Convention C-1 : elle se termine le 31/12/2027."),
        (END + DAY, Outcome.HELD, "Convention C-1 : elle s'est terminée le 31/12/2027."),
    ],
)
def test_from_its_first_day_to_its_last(day: date, outcome: Outcome, clause: str) -> None:
    found = ask(day)
    assert (found.outcome, found.clause, found.convention_id) == (outcome, clause, 1)
    assert found.changes_on == (START if day < START else None)


def test_only_the_domains_that_it_covers() -> None:
    day = date(2026, 6, 1)
    assert ask(day, {"3"}).clause == "Convention C-1 : elle ne couvre pas la nature 3."
    assert ask(day, {"1", "4", "3"}).clause == "Convention C-1 : elle ne couvre pas la nature 3, 4."
    assert ask(day, {"PES_PJ"}, module=Module.HELIOS).clause == "Convention C-1 : elle ne couvre pas le domaine PES_PJ."
    for wanted in (set[str](), {"1"}, {"1", "2"}):
        assert ask(day, wanted).outcome is Outcome.ALLOWED
    assert ask(day, {"3"}, domains=frozenset()).outcome is Outcome.ALLOWED


@pytest.mark.parametrize(
    ("module", "name", "known"),
    [
        (Module.ACTES, "1", True),
        (Module.ACTES, "6", True),
        (Module.ACTES, "7", False),
        (Module.ACTES, "1,2", False),
        (Module.ACTES, "PES_PJ", False),
        (Module.HELIOS, "PES_DepenseAller", True),
        (Module.HELIOS, "PES_", False),
        (Module.HELIOS, "1", False),
        (Module.MAIL, "1", False),
    ],
)
def test_the_names_of_domains(module: Module, name: str, known: bool) -> None:
    assert is_domain(module, name) is known


def test_a_suspension_holds_whatever_the_convention_says() -> None:
    first, last = date(2026, 6, 1), date(2026, 6, 10)
    dated = Suspension(3, Module.ACTES, first, last, "maintenance")
    for day, held in ((first - DAY, False), (first, True), (last, True), (last + DAY, False)):
        assert ask(day, None, dated).held is held
    found = ask(last, None, dated)
    assert found.clause == "Télétransmission suspendue jusqu'au 10/06/2026 : maintenance"
    assert (found.suspension_id, found.changes_on) == (3, last + DAY)
    endless = replace(dated, ends_on=None)
    assert ask(END, None, endless).clause == "Télétransmission suspendue : maintenance"
    assert ask(END, None, endless).changes_on is None
    partial = replace(dated, domains=frozenset({"2"}))
    assert [ask(first, wanted, partial).held for wanted in ({"1"}, {"2"}, {"1", "2"}, set[str]())] == [
        False,
        True,
        True,
        False,
    ]
    assert judge(Dossier((), (dated,)), {"1"}, first, Policy()).held


def test_an_avenant_that_changes_the_operator_at_midnight() -> None:
    change = date(2026, 7, 1)
    away = {"avenants": (avenant(change, operator="Autre opérateur"),)}
    assert ask(change - DAY, **away).outcome is Outcome.ALLOWED  # type: ignore[arg-type]
    found = ask(change, **away)  # type: ignore[arg-type]
    assert found.clause == "Convention C-1 : elle désigne un autre opérateur, « Autre opérateur »."
    assert (found.held, found.avenant_id) == (True, 7)
    # the other way round: ours from that day on, and it is looked at again at that moment
    coming = {"operator": "Autre opérateur", "avenants": (avenant(change, operator="Syndicat des sables"),)}
    before = ask(change - DAY, **coming)  # type: ignore[arg-type]
    assert (before.held, before.changes_on) == (True, change)
    assert not ask(change, **coming).held  # type: ignore[arg-type]
    last_second = datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC)
    assert hold(before, last_second).details["retry_at"] == datetime(2026, 6, 30, 22, 0, tzinfo=UTC)


def test_operators_are_compared_only_when_the_platform_has_a_name() -> None:
    other = Dossier((replace(SIGNED, operator="Agglomération"),))
    day = date(2026, 6, 1)
    assert judge(other, {"1"}, day, US).held
    assert not judge(other, {"1"}, day, Policy()).held
    assert not judge(replace(other, group="AGGLOMÉRATION"), {"1"}, day, US).held
    assert not judge(Dossier((replace(SIGNED, operator=""),)), {"1"}, day, US).held


def test_avenants_take_effect_in_their_order_each_replacing_what_it_says() -> None:
    first, second = date(2026, 3, 1), date(2026, 9, 1)
    convention = replace(
        SIGNED,
        avenants=(
            Avenant(2, "A-2", second, second, ends_on=date(2028, 6, 30), domains=frozenset({"3"})),
            Avenant(1, "A-1", first, first, device="autre", state_party="Préfecture du Gard"),
        ),
    )
    assert terms_on(convention, first - DAY).avenant_id is None
    between, after = terms_on(convention, second - DAY), terms_on(convention, second)
    assert (between.device, between.ends_on, between.domains) == ("autre", END, frozenset({"1", "2"}))
    assert (after.device, after.state_party, after.ends_on) == ("autre", "Préfecture du Gard", date(2028, 6, 30))
    assert (after.domains, after.avenant_id) == (frozenset({"3"}), 2)


def test_a_convention_interrupted_before_its_avenant_holds_in_between() -> None:
    back = END + timedelta(days=10)
    later = {"avenants": (avenant(back, ends_on=back + timedelta(days=365)),)}
    assert ask(END, **later).outcome is Outcome.WARNED  # type: ignore[arg-type]
    held = ask(back - DAY, **later)  # type: ignore[arg-type]
    assert (held.held, held.changes_on) == (True, back)
    assert ask(back, **later).outcome is Outcome.ALLOWED  # type: ignore[arg-type]
    extended = {"avenants": (avenant(END + DAY, ends_on=END + timedelta(days=365)),)}
    assert ask(END, **extended).outcome is Outcome.ALLOWED  # type: ignore[arg-type]


def test_any_convention_that_covers_the_flow_lets_it_go() -> None:
    old = replace(SIGNED, ends_on=date(2026, 5, 31))
    new = replace(SIGNED, id=2, reference="C-2", starts_on=date(2026, 6, 10), ends_on=None)
    dossier = Dossier((old, new))
    found = judge(dossier, {"1"}, date(2026, 6, 5), US)
    assert (found.held, found.convention_id, found.changes_on) == (True, 2, date(2026, 6, 10))
    found = judge(dossier, {"1"}, date(2026, 6, 10), US)
    assert (found.outcome, found.convention_id, found.clause) == (Outcome.ALLOWED, 2, "Convention C-2 : en vigueur.")


def test_without_any_convention_the_platform_decides() -> None:
    warned = judge(Dossier(), {"1"}, START, Policy())
    assert (warned.outcome, warned.convention_id) == (Outcome.WARNED, None)
    assert judge(Dossier(), {"1"}, START, Policy(required=True)).held


def test_a_held_flow_is_looked_at_again_within_the_hour_whatever_happens() -> None:
    now = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
    assert hold(Verdict(Outcome.HELD, "x"), now).details["retry_at"] == now + LOOK_AGAIN
    assert hold(Verdict(Outcome.HELD, "x", changes_on=date(2027, 1, 1)), now).details["retry_at"] == now + LOOK_AGAIN
    assert hold(Verdict(Outcome.HELD, "x", changes_on=date(2026, 5, 1)), now).details["retry_at"] == now
