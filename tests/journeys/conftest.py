"""One sandbox for the journeys that do not break it."""

from collections.abc import Iterator

import pytest

from tests.journeys.running import Sandbox, fresh


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with fresh() as running:
        yield running
