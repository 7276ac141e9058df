"""The fixtures of the wire tests; they run on uvloop, as the server does in production."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop

from tests.wire.stack import config, database, pki, provisioned_template, stack

__all__ = ["config", "database", "pki", "provisioned_template", "stack"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """pytest-asyncio asks each folder which loops its tests run on."""
    return {"uvloop": uvloop.new_event_loop}
