"""Balances: every status is counted once, both sides are compared, each contradiction is named."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tdt.domain import balance as b
from tdt.domain.actes.model import ActeStatus
from tdt.domain.balance import Bucket, FaultCode, Side, bucket_of
from tdt.domain.balance_flows import Event, Flow, RouteMove, Row, count_movements, find_faults, in_order, tally_recorded
from tdt.domain.balance_text import write_not_due
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import RouteId
from tdt.domain.routes import RouteKind

ACTES, HELIOS = RouteKind.ACTES, RouteKind.HELIOS
START = datetime(2026, 11, 24, 23, tzinfo=UTC)
END = START + timedelta(days=1)
ROUTE, OTHER = RouteId(1), RouteId(2)

BUCKETS = {
    ACTES: {
        "held": {1, 2, 17, 18},
        "awaited": {3, 9},
        "acknowledged": {0, 4, 5, 11, 12, 13, 14, 15, 19, 20, 22},
        "letters": {7, 8, 21},
        "refused": {10},
    },
    HELIOS: {
        "held": {1, 2, 13, 14},
        "awaited": {3, 7},
        "acknowledged": {4, 5, 8, 9, 10, 11, 19, 20, 21, 22, 23},
        "anomalies": {6},
        "without_answer": {24},
    },
}
BY_SENDING = {
    ACTES: {-1: ("refused", "anomalies"), 6: ("refused", "acknowledged"), 16: ("refused", "acknowledged")},
    HELIOS: {-1: ("refused", "anomalies"), 0: ("refused", "anomalies")},
}


@pytest.mark.parametrize("module", [ACTES, HELIOS])
def test_every_status_is_counted_once(module: RouteKind) -> None:
    statuses = set(map(int, ActeStatus if module is ACTES else HeliosStatus))
    wanted = {status: (name, name) for name, each in BUCKETS[module].items() for status in each}
    wanted |= BY_SENDING[module]
    assert set(wanted) == statuses and sum(map(len, BUCKETS[module].values())) + len(BY_SENDING[module]) == len(wanted)
    for status, (unsent, sent) in wanted.items():
        assert (bucket_of(module, status, False), bucket_of(module, status, True)) == (unsent, sent), status
        assert bucket_of(module, status, True, letter=True) is Bucket.LETTER
    assert set(b.OPEN[module]) == BUCKETS[module]["held"] | BUCKETS[module]["awaited"]
    assert set(b.SENDING_COUNTS[module]) == set(BY_SENDING[module])


def test_both_equations_and_both_sides() -> None:
    tally = Counter({"held:1": 2, "acknowledged:4": 3, "awaited:3": 1, "anomalies:-1": 1, "letters:7": 5})
    side = Side(tally, tally.copy())
    assert [(one, two) for _, one, two in side.equations] == [(7, 7), (5, 5)]
    assert side.balanced and not side.is_idle
    lost = Side(tally, tally - Counter({"awaited:3": 1}))
    assert [(one, two) for _, one, two in lost.equations] == [(7, 6), (5, 4)] and not lost.balanced
    assert not Side(tally, tally - Counter({"letters:7": 1})).balanced
    assert not Side(tally, tally - Counter({"acknowledged:4": 1}) + Counter({"acknowledged:5": 1})).balanced
    assert Side(Counter({"acknowledged:4": 3}), Counter({"acknowledged:4": 3})).is_idle


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def life(*steps: tuple[float, int], module: RouteKind = ACTES, status: int | None = None) -> Flow:
    """A flow of this life, whose attempt was accepted when it left and whose answer came when it says so."""
    sources = [None, *(target for _, target in steps)]
    events = tuple(Event(at(hours), source, target) for source, (hours, target) in zip(sources, steps, strict=False))
    sent = tuple(one.at for one in events if one.target == 3)
    answers = frozenset(one.at for one in events if one.target in (4, 6, 8))
    return Flow(12, module, Row(steps[-1][1] if status is None else status, ROUTE), events, sent, answers)


WHOLE = ((1, 1), (2, 2), (3, 3), (4, 4))


def faults(flow: Flow) -> list[str]:
    return [one.code for one in find_faults(flow, END)]


def test_what_adds_up_has_no_fault() -> None:
    for module in (ACTES, HELIOS):
        for length in range(1, 5):
            assert faults(life(*WHOLE[:length], module=module)) == []
    assert faults(life(*WHOLE, (30, 5))) == []  # closed the day after
    assert faults(life((30, 1), (31, 2))) == []  # not yet deposited that day
    assert faults(life((1, 1), (2, -1))) == []
    assert faults(Flow(12, ACTES, Row(4, ROUTE, origin="s2low"))) == []


@pytest.mark.parametrize("module", [ACTES, HELIOS])
def test_each_contradiction_is_named(module: RouteKind) -> None:
    whole = life(*WHOLE, module=module)
    sent = life(*WHOLE[:3], module=module)
    assert faults(replace(whole, row=None)) == [FaultCode.MISSING]
    assert faults(replace(whole, row=Row(-1, ROUTE))) == [FaultCode.STATUS]
    assert faults(replace(sent, accepted=())) == [FaultCode.WITHOUT_ATTEMPT]
    assert faults(replace(life(*WHOLE[:2], module=module), accepted=(at(3),))) == [FaultCode.ACCEPTED]
    assert faults(replace(whole, answers=frozenset())) == [FaultCode.WITHOUT_ANSWER]
    assert faults(replace(whole, answers=frozenset(), answered=(at(4),))) == []
    assert faults(replace(sent, answered=(at(4),))) == [FaultCode.NOT_APPLIED]
    assert faults(replace(sent, answered=(at(40),))) == []  # of another day
    assert faults(Flow(12, module, Row(1, ROUTE))) == [FaultCode.UNRECORDED]


@pytest.mark.parametrize("sent", [3.0, 24.0001])
def test_an_answer_whose_transaction_began_before_that_of_the_sending_is_the_last_move(sent: float) -> None:
    """Even when midnight came between: the answer proves that it had left."""
    moves = [Event(at(1), None, 1), Event(at(2), 1, 2), Event(at(sent), 2, 3), Event(at(2.9999), 3, 4)]
    if sent > 24:
        moves[-1] = replace(moves[-1], at=at(23.9999))
    came = moves[-1].at
    flow = Flow(12, ACTES, Row(4, ROUTE), in_order(moves), (at(sent),), frozenset([came]), (), (), (at(2.5),))
    assert [one.target for one in flow.events] == [1, 2, 3, 4]
    assert [one.at for one in flow.events] == sorted(one.at for one in flow.events)
    assert flow.recorded(END) == flow.found(END) == 4
    assert faults(flow) == faults(replace(flow, answered=(came,))) == []
    # what comes after an answer, and began before it, leaves the answer known by its own instant
    closed = replace(flow, events=in_order([*moves, Event(at(2.8), 4, 5)]), row=Row(5, ROUTE))
    assert flow.recorded(END) == 4 and closed.recorded(END) == 5
    assert faults(closed) == []


def test_movements_and_routes_of_a_day() -> None:
    flow = life(*WHOLE)
    assert count_movements([flow], START, END, OTHER) == {
        ROUTE: Counter({"deposited": 1, "held": 1, "awaited": 1, "acknowledged": 1})
    }
    moved = replace(life(*WHOLE[:3], module=HELIOS), moves=(RouteMove(at(2.5), OTHER, ROUTE),))
    assert tally_recorded([moved], at(2.2), ROUTE) == {OTHER: Counter({"held:2": 1})}
    assert tally_recorded([moved], END, OTHER) == {ROUTE: Counter({"awaited:3": 1})}


def test_the_document_is_canonical() -> None:
    side = Side(Counter({"held:1": 1}), Counter(), Counter({"deposited": 1}), (b.Fault(12, FaultCode.MISSING),))
    heading = b.Heading(
        3, "Nîmes", "123456782", ACTES, ROUTE, "préfecture", True, date(2026, 11, 25), START, END, END, None
    )
    written = b.document(heading, side, {"deposited": 0})
    told = json.loads(written)
    assert written == json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    assert (told["balanced"], told["closing"]["deposited"], told["closing"]["held"]) == (False, 1, 0)
    assert told["faults"][0]["flow"] == "acte:12" and told["starts_at"] == "2026-11-24T23:00:00+00:00"


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2027, 3, 2), "Le 2 mars 2027 n'est pas encore venu."),
        (date(2027, 3, 1), "La journée du 1er mars 2027 n'est pas finie."),
        (date(2027, 2, 28), "Les soldes du 28 février 2027 ne sont pas encore à faire."),
    ],
)
def test_a_day_without_balance_says_why_and_from_when_it_has_one(day: date, why: str) -> None:
    said = write_not_due(day, date(2027, 3, 1), 4, date(2027, 2, 27))
    assert said.startswith(f"{why} ") and said.endswith("le dernier jour à faire, le 27/02/2027.")
    assert f"celui-ci le {day + timedelta(days=1):%d/%m/%Y} à partir de 4 h, heure de Paris" in said
