"""The decisions of a breaker, in a table and in any order of events."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdt.domain.breaker import (
    LEASE,
    Breaker,
    Go,
    Rules,
    Sign,
    Wait,
    ask,
    begin,
    fail,
    leave,
    read_sign,
    spread,
    succeed,
)
from tdt.domain.errors import Permanent, Refused, Temporary, Uncertain

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
RULES = Rules(3, 60 * SECOND, 300 * SECOND)


def opened() -> Breaker:
    found = Breaker()
    for _ in range(RULES.failures):
        found = fail(found, NOW, RULES, False, "liaison impossible")
    return found


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    two = fail(fail(Breaker(), NOW, RULES, False, "a"), NOW, RULES, False, "b")
    assert ask(two, NOW, RULES) == Go() and not two.is_open
    assert ask(fail(succeed(two), NOW, RULES, False, "c"), NOW, RULES) == Go(), "one that succeeds begins the row anew"
    three = fail(two, NOW, RULES, False, "c")
    assert (three.opened_at, three.last_error, three.state(NOW)) == (NOW, "c", "open")
    assert ask(three, NOW, RULES) == Wait(NOW + RULES.first, RULES.first)


def test_one_at_a_time_tries_and_each_failure_makes_the_pause_longer_up_to_the_longest() -> None:
    breaker, now, pauses, looks = opened(), NOW, [], []
    for _ in range(5):
        assert breaker.probe_at is not None
        pauses.append((breaker.probe_at - now) / SECOND)
        now = breaker.probe_at
        assert ask(breaker, now, RULES) == Go(probe=True)
        breaker = begin(breaker, now)
        waits = ask(breaker, now, RULES)
        assert isinstance(waits, Wait) and waits.at == now + LEASE and breaker.state(now) == "half-open"
        looks.append(waits.over / SECOND)
        breaker = fail(breaker, now, RULES, True, "encore")
    assert pauses == [60, 120, 240, 300, 300]
    assert looks == [60, 180, 300, 300, 300], "those that wait look again over as long as it has lasted"
    assert breaker.opened_at == NOW, "it has been open since its first failure"


def test_a_probe_whose_process_died_is_made_again() -> None:
    probed = begin(opened(), NOW + RULES.first)
    assert ask(probed, NOW + RULES.first + LEASE, RULES) == Go(probe=True)


def test_a_late_failure_of_another_time_moves_nothing() -> None:
    before = opened()
    after = fail(before, NOW + 10 * SECOND, RULES, False, "tard")
    assert (after.probe_at, after.probes) == (before.probe_at, before.probes)


def test_what_an_operator_opened_no_success_closes() -> None:
    forced = Breaker(opened_at=NOW, forced=True)
    for breaker in (forced, succeed(forced)):
        assert ask(breaker, NOW + timedelta(days=3), RULES) == Wait(
            NOW + timedelta(days=3) + RULES.longest, RULES.longest
        )


SIGNS = [
    (None, Sign.ANSWERED),
    (Temporary("liaison", details={"error": "ConnectionRefusedError", "of_remote": True}), Sign.FAILED),
    (Temporary("refusé", details={"reply": "550 no such directory"}), Sign.ANSWERED),
    (Temporary("refusé", details={"reply": "530 login incorrect"}), Sign.FAILED),
    (Temporary("refusé", details={"reply": "421 closing"}), Sign.FAILED),
    (Temporary("HTTP", details={"status": 403}), Sign.ANSWERED),
    (Temporary("HTTP", details={"status": 503}), Sign.FAILED),
    (Permanent("destinataire", details={"reply": "550 unknown"}), Sign.ANSWERED),
    (Temporary("réglage", code="REGLAGE", details={"error": "FileNotFoundError"}), Sign.NOTHING),
    (Temporary("disque", details={"error": "No space left on device"}), Sign.NOTHING),
    (Uncertain("perdue", details={"of_remote": True}), Sign.FAILED),
    (Uncertain("ambiguë", details={"status": 502}), Sign.FAILED),
    (Uncertain("ambiguë", details={"status": 202}), Sign.NOTHING),
    (Uncertain("inattendue", details={"reply": "250 what"}), Sign.NOTHING),
    (Uncertain("taille"), Sign.NOTHING),
    (Refused("contenu"), Sign.NOTHING),
    (ValueError(), Sign.NOTHING),
]


@pytest.mark.parametrize(("error", "sign"), SIGNS)
def test_what_an_end_says_of_the_remote(error: BaseException | None, sign: Sign) -> None:
    assert read_sign(error) is sign


def test_those_that_wait_look_again_after_the_probe_and_not_together() -> None:
    looks = [spread(Wait(NOW, RULES.longest), number) for number in range(300)]
    assert len(set(looks)) == 300 and all(NOW < one <= NOW + RULES.longest for one in looks)


@dataclass(slots=True)
class World:
    """A remote, up or down, and the tries that have begun and not ended."""

    breaker: Breaker = field(default_factory=Breaker)
    now: datetime = NOW
    running: list[bool] = field(default_factory=list)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ask", "fail", "answer", "doubt", "die"]), st.integers(0, 400)), max_size=60)
)
def test_in_any_order_no_two_probes_at_once_and_an_answer_always_lets_all_go(events: list[tuple[str, int]]) -> None:
    world, leased = World(), NOW
    for what, seconds in events:
        world.now += seconds * SECOND
        if what == "ask":
            answer = ask(world.breaker, world.now, RULES)
            if isinstance(answer, Wait):
                assert world.breaker.is_open and world.now < answer.at <= world.now + max(RULES.longest, LEASE)
                continue
            assert answer.probe is world.breaker.is_open
            if answer.probe:
                assert not (any(world.running) and world.now < leased), "one probe at a time"
                world.breaker, leased = begin(world.breaker, world.now), world.now + LEASE
            world.running.append(answer.probe)
        elif world.running:
            probe = world.running.pop(0)
            if what == "fail":
                world.breaker = fail(world.breaker, world.now, RULES, probe, "x")
            elif what == "answer":
                world.breaker = succeed(world.breaker)
                assert ask(world.breaker, world.now, RULES) == Go()
            elif what == "doubt" and probe:
                world.breaker = leave(world.breaker, world.now, RULES)
    later = world.now + RULES.longest + LEASE
    assert isinstance(ask(world.breaker, later, RULES), Go), "never stuck: someone may always try it in the end"
