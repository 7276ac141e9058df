"""Every input that is kept goes through its target within the limits: seeds, and what once failed."""

import time

import pytest

from tests.fuzz.corpus import KEPT, kept_inputs
from tests.fuzz.limits import Exceeded, run_limited
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_is_kept_is_read_within_the_limits(name: str) -> None:
    inputs = list(kept_inputs(name))
    assert inputs
    for path in inputs:
        try:
            run_limited(TARGETS[name].one, path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: {type(error).__name__} {error}") from error


def test_every_folder_has_its_target() -> None:
    assert {path.name for path in KEPT.iterdir()} == set(TARGETS)


def test_what_takes_too_long_or_too_much_is_a_failure() -> None:
    with pytest.raises(Exceeded, match="processor"):
        run_limited(lambda _: _spend(1.2), b"")
    with pytest.raises(Exceeded, match="memory"):
        run_limited(lambda _: _hold(264 << 20), b"")


def _spend(seconds: float) -> None:
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


def _hold(size: int) -> None:
    assert len(b"x" * size) == size
