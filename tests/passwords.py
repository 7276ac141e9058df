"""Passwords cost almost nothing in the process of the tests, which hash some on every start of a server.

What argon2 costs in production is for the tests of passwords themselves (`real_cost`), and the programs that the tests
start have it too.
"""

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from tdt import passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
REAL = passwords._hasher


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """The cost of every hash made and checked here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", CHEAP)
        yield


@pytest.fixture
def real_cost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The cost that production has; the hash that stands for an unknown account is made again with it."""
    monkeypatch.setattr(passwords, "_hasher", REAL)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()
