"""A command run in the test's own process sets logging up for the whole of it: undone when the test ends."""

import logging
import sys
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Restore structlog and the root logger when a test changed them."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), list(root.handlers), root.level
    yield
    if structlog.get_config() == before:
        return
    structlog.configure(**before)
    for handler in root.handlers[:]:
        if handler not in handlers and type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    root.setLevel(level)
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "tdt"]:
        for value in vars(module).values():
            if isinstance(value, structlog._config.BoundLoggerLazyProxy):
                vars(value).pop("bind", None)  # where it keeps the logger that the command made
