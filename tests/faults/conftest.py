"""The fixture of the tests of faults."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.plant import Plant, plant
from tests.postgres import TestDatabase
from tests.wire.stack import config, pki, stack

__all__ = ["config", "pki", "stack", "works"]


@pytest.fixture
async def works(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    """The pipeline, with nothing broken yet."""
    async with plant(database, tmp_path) as running:
        yield running
