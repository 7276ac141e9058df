"""Every status of both models has a maximum age, or says why it has none."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tdt.config import Actes, Config, Watchdog
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import MOVES as ACTE_MOVES
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.status import MOVES as HELIOS_MOVES
from tdt.domain.late_text import write_late
from tdt.domain.limits import (
    ACTES,
    AWAITED,
    FINAL,
    HELIOS,
    NO_WORK,
    RULES,
    TOLD_ELSEWHERE,
    Item,
    Late,
    instants_before,
    why,
)

NOW = datetime(2026, 11, 26, 21, tzinfo=UTC)


@pytest.mark.parametrize("status", list(ActeStatus))
def test_every_status_of_an_acte_has_a_limit_or_a_reason(status: ActeStatus) -> None:
    _check(ACTES[status], moves=status in ACTE_MOVES)


@pytest.mark.parametrize("status", list(HeliosStatus))
def test_every_status_of_a_pes_has_a_limit_or_a_reason(status: HeliosStatus) -> None:
    _check(HELIOS[status], moves=status in HELIOS_MOVES)


def _check(limit: Late | str, *, moves: bool) -> None:
    """What may still move is never called final; what is final has no limit."""
    if isinstance(limit, Late):
        assert moves
        assert limit in Config().ages or limit in TOLD_ELSEWHERE
    else:
        assert limit.endswith(".")
        assert not (moves and limit == FINAL)


@pytest.mark.parametrize("kind", list(Late))
def test_every_rule_says_who_must_act_and_what_to_do_and_has_a_default(kind: Late) -> None:
    rule = RULES[kind]
    assert rule.what and rule.who and rule.todo.endswith(".")
    assert kind in Config().ages or kind in TOLD_ELSEWHERE


def test_zero_is_never_but_what_is_set_aside_stands_still_at_once() -> None:
    never = Watchdog(**{field.name: 0.0 for field in msgspec.structs.fields(Watchdog)})
    assert dict(Config(watchdog=never, actes=Actes(unanswered_hours=0)).ages) == {Late.JOB_DEAD: timedelta()}


def test_an_age_is_an_instant_before() -> None:
    assert instants_before({Late.SPOOL: timedelta(hours=1)}, NOW) == {Late.SPOOL: NOW - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("kind", "error", "told"),
    [
        (Late.ACTE_WAITING, "CONVENTION_RETENUE : Convention C-1 : close.", "retenu : Convention C-1 : close."),
        (Late.ACTE_WAITING, "INDISPONIBLE", "un service nécessaire ne répond pas (le journal dit lequel : job.failed)"),
        (Late.ACTE_WAITING, None, NO_WORK),
        (Late.ACTE_WAITING, "", "pas encore essayé"),
        (Late.JOB_DEAD, "ECHEC : Cassé.", "ECHEC : Cassé."),
        (Late.ACTE_UNANSWERED, "", AWAITED),
        (Late.LISTENER, "", "aucun processus de travail ne la relève"),
    ],
)
def test_why_is_told_in_french(kind: Late, error: str | None, told: str) -> None:
    assert why(Item(kind, "actes:1", NOW, error=error), {}).startswith(told)


def test_the_silence_of_a_route_explains_the_silence_of_the_ministry() -> None:
    item = Item(Late.ACTE_UNANSWERED, "actes:1", NOW, route_id=3)
    assert "« préfecture » n'est plus relevée" in why(item, {3: "préfecture"})
    assert why(item, {4: "autre"}) == AWAITED


def test_one_mail_tells_all_that_is_late_for_one_rule() -> None:
    numbers = range(150)
    items = [(Item(Late.ACTE_WAITING, f"actes:{one}", NOW, 1, "Ville", "N-1", route="r"), "x") for one in numbers]
    text = write_late(Late.ACTE_WAITING, items, "https://tdt.example")
    assert text.title == "Acte qui ne part pas vers la préfecture (150)"
    assert "    - actes:0, N-1, Ville, depuis le 26/11/2026 22:00, route r, x\n" in text.body
    assert "et 50 autres" in text.body and "actes:149" not in text.body
