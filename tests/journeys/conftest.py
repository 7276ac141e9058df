"""One sandbox for the journeys that do not break it: it starts once for all that follow one another in a process."""

from collections.abc import Iterator

import pytest

from tests.journeys.running import Sandbox, fresh


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Sandbox]:
    with fresh() as running:
        yield running
