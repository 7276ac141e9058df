"""Which files of a reception directory are taken now, and in which order."""

from datetime import UTC, datetime, timedelta

import pytest

from tdt.domain.helios.reception import AGAIN, DOUBT, Memory, choose, in_turn, is_unfinished

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_only_what_does_not_change_is_taken() -> None:
    before = {"a": 10, "b": 10, "gone": 3}
    after = {"a": 10, "b": 11, "new": 5}
    assert choose(before, after, Memory(), NOON) == ["a"]


def test_sizes_that_are_not_told_are_those_of_a_list_at_rest() -> None:
    assert choose({"a": -1}, {"a": -1, "b": -1}, Memory(), NOON) == ["a"]


def test_what_failed_comes_last() -> None:
    listing = dict.fromkeys("abc", 1)
    memory = Memory(late={"a", "absent"})
    memory.forget_gone(listing.keys())
    assert memory.late == {"a"}
    assert in_turn(listing, memory) == choose(listing, listing, memory, NOON) == ["b", "c", "a"]
    memory.taken["b"] = (1, NOON)
    assert in_turn(listing, memory) == ["c", "a", "b"]


@pytest.mark.parametrize(("name", "size"), [("vide.xml", 0), ("ACK.xml.part", 7), ("x.FILEPART", 7), (".ACK.xml", 7)])
def test_what_is_in_doubt_is_taken_after_an_hour_without_change(name: str, size: int) -> None:
    memory, listing = Memory(), {name: size}
    assert choose(listing, listing, memory, NOON) == []
    assert choose(listing, listing, memory, NOON + DOUBT - SECOND) == []
    assert choose(listing, listing, memory, NOON + DOUBT) == [name]
    # it went on growing meanwhile
    grown = {name: size + 1}
    if size:
        assert choose(grown, grown, memory, NOON + DOUBT) == []
        assert choose(grown, grown, memory, NOON + DOUBT + DOUBT) == [name]
    else:
        assert choose(grown, grown, memory, NOON + DOUBT) == [name]
    # gone and come back: another file
    memory.forget_gone(set())
    assert choose(listing, listing, memory, NOON + DOUBT + DOUBT) == []


def test_what_stays_there_is_not_fetched_at_each_look() -> None:
    listing = {"a": 10}
    memory = Memory(taken={"a": (10, NOON)})
    assert choose(listing, listing, memory, NOON + AGAIN - SECOND) == []
    assert choose(listing, listing, memory, NOON + AGAIN) == ["a"]
    assert choose({"a": 11}, {"a": 11}, memory, NOON) == ["a"]
    memory.forget_gone(set())
    assert choose(listing, listing, memory, NOON) == ["a"]


@pytest.mark.parametrize("name", ["ACK.xml", "a.party.xml", "PES2R_DEP_P.xml", "x.ocr", "tmp", "été 1.xml"])
def test_ordinary_names(name: str) -> None:
    assert not is_unfinished(name)
