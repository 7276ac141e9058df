"""What asyncpg asks PostgreSQL about its own types, asked once in a process and not by each connection."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg

BUILT_IN = 16_384
"""Types below have the same number in all databases of one version of PostgreSQL, and never change."""

_known: dict[tuple[object, ...], Any] = {}


class Connection(asyncpg.Connection):  # type: ignore[misc]  # the driver carries no types
    """One that asks nothing about the arrays, ranges … that another one has asked about.

    The question costs PostgreSQL 20 ms, two or three times for a new connection: much when all of them are opened again
    after an outage. asyncpg has no setting for it (MagicStack/asyncpg#1272), hence a private method of it; that it is
    still the one asyncpg calls is tested.
    """

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> tuple[Any, Any]:
        wanted = tuple(sorted(typeoids))
        key = (self.get_server_version(), wanted)
        if key in _known:
            return _known[key], SimpleNamespace(name="known")  # a name: no statement was replaced by the question
        found: tuple[Any, Any] = await super()._introspect_types(typeoids, timeout)
        if max(wanted) < BUILT_IN:
            _known[key] = found[0]
        return found
