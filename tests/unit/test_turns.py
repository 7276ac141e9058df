"""Turns between collectivités, as a function: a model of one line, served one job at a time."""

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId
from tdt.domain.turns import SCALE, SHARES, Known, Look, Standing, check_weight, next_turns, turns_of


class Model:
    """A line: what waits by turn then number, what is being served, the weights."""

    def __init__(self, weights: dict[str, int]):
        self.weights = weights
        self.waiting: list[tuple[int, int, str]] = []
        self.served: tuple[int, int, str] | None = None
        self.number = 0

    def bring(self, who: str, count: int) -> None:
        present = [*self.waiting, *([self.served] if self.served is not None else [])]
        serving = max([0, *([self.served[0]] if self.served else []), *([self.waiting[0][0]] if self.waiting else [])])
        last = max((turn for turn, _, tenant in present if tenant == who), default=None)
        for turn in next_turns(Standing(serving, last, self.weights[who]), count):
            self.number += 1
            heapq.heappush(self.waiting, (turn, self.number, who))

    def serve(self) -> str | None:
        self.served = heapq.heappop(self.waiting) if self.waiting else None
        return self.served[2] if self.served is not None else None


def test_one_job_waits_for_one_of_the_crowd_at_most() -> None:
    line = Model({"A": 1, "B": 1})
    line.bring("A", 10_000)
    for _ in range(500):
        line.serve()
    line.bring("B", 1)
    assert "B" in [line.serve() for _ in range(2)]


def test_who_weighs_three_has_three_turns_of_four() -> None:
    line = Model({"A": 1, "B": 3})
    line.bring("A", 1000)
    line.bring("B", 1000)
    assert Counter(line.serve() for _ in range(400)) == {"A": 100, "B": 300}


def test_a_collectivite_alone_has_every_turn_in_its_order_and_owes_none() -> None:
    assert next_turns(Standing(7), 3) == [7, 7 + SCALE, 7 + 2 * SCALE]
    assert next_turns(Standing(7, 100, 2), 2) == [100 + SCALE // 2, 100 + SCALE]
    assert next_turns(Standing(10 * SCALE, 3 * SCALE), 1) == [10 * SCALE]


@pytest.mark.parametrize("weight", [0, -1, 101])
def test_weights_have_bounds(weight: int) -> None:
    with pytest.raises(Refused):
        check_weight(weight)
    check_weight(1)
    check_weight(100)


TENANTS = "ABCD"
Moves = st.lists(st.tuples(st.sampled_from(TENANTS), st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=40)
Weights = st.fixed_dictionaries({who: st.integers(1, 5) for who in TENANTS})


@given(Moves, Weights)
def test_nobody_is_passed_more_often_than_the_weights_say(
    moves: list[tuple[str, int, int]], weights: dict[str, int]
) -> None:
    """While somebody's job is the first of its own, each other is served at most as its weight allows, and two more."""
    line = Model(weights)
    passed: dict[str, Counter[str]] = {}
    for who, brought, served in moves:
        line.bring(who, brought)
        for _ in range(served):
            waiting = {tenant for _, _, tenant in line.waiting}
            next_one = line.serve()
            if next_one is None:
                break
            passed.pop(next_one, None)
            for other in waiting - {next_one}:
                passed.setdefault(other, Counter())[next_one] += 1
            for waits, by in passed.items():
                for passer, times in by.items():
                    assert times <= weights[passer] / weights[waits] + 2, (waits, passer)


@given(Moves, Weights)
def test_each_one_s_jobs_are_served_in_their_order_and_all_of_them(
    moves: list[tuple[str, int, int]], weights: dict[str, int]
) -> None:
    line = Model(weights)
    last: dict[str, int] = {}
    for who, brought, served in [*moves, ("A", 0, 5000)]:
        line.bring(who, brought)
        for _ in range(served):
            next_one = line.serve()
            if next_one is None or line.served is None:
                break
            assert line.served[1] > last.get(next_one, -1)
            last[next_one] = line.served[1]
    assert not line.waiting


A, B = AuthorityId(1), AuthorityId(2)
KNOWN = Known({"act-a": A, "act-b": B}, {"siren-a": A, "siren-b": B})


def test_an_answer_takes_a_turn_of_whom_awaits_it_once() -> None:
    looks = [Look(("act-a",), ("siren-a",))] * 3 + [
        Look(("unknown", "act-b"), ("siren-a",)),
        Look(("unknown",)),
        Look(),
    ]
    assert turns_of(looks, KNOWN) == [A, -1 - A, -1 - A, B, None, None]


def test_what_only_names_somebody_takes_no_turn_of_whom_awaits_an_answer() -> None:
    looks = [Look(("forged",), ("siren-a",)), Look((), ("nobody", "siren-b"))]
    assert turns_of(looks, KNOWN) == [-1 - A, -1 - B]


def test_a_forger_who_names_everybody_keeps_an_answer_waiting_for_few_turns() -> None:
    everybody = Known({"act": A}, {str(number): AuthorityId(number) for number in range(1, 5001)})
    forged = turns_of([Look((), (str(1 + number % 5000),)) for number in range(20_000)], everybody)
    line = Model({str(turn): 1 for turn in {*forged, A}})
    for turn in forged:
        line.bring(str(turn), 1)
    for _ in range(1000):
        line.serve()
    [answer] = turns_of([Look(("act",))], everybody)
    line.bring(str(answer), 1)
    assert str(A) in [line.serve() for _ in range(SHARES + 1)]


Clues = st.lists(st.sampled_from(["act-a", "act-b", "siren-a", "siren-b", ""]), max_size=4).map(tuple)


@given(st.lists(st.builds(Look, Clues, Clues), max_size=20))
def test_however_it_is_named_each_thing_awaited_gives_one_turn(looks: list[Look]) -> None:
    turns = turns_of(looks, KNOWN)
    assert len(turns) == len(looks)
    assert turns.count(A) <= 1
    assert turns.count(B) <= 1
    assert all(turn is None or turn in (A, B) or -SHARES <= turn < 0 for turn in turns)
