"""The modules that take longest begin first: one that began last would keep one process at work, the others idle."""

import pytest

FIRST = (
    "tests/wire/test_rights.py",
    "tests/journeys/test_sandbox.py",
    "tests/journeys/test_big_flow.py",
    "tests/wire/test_isolation.py",
    "tests/integration/test_queue.py",
    "tests/journeys/test_rabbitmq.py",
    "tests/faults/test_many_answers.py",
    "tests/faults/test_acte_histories.py",
    "tests/faults/test_helios_collect.py",
    "tests/wire/test_processes_children.py",
    "tests/faults/test_budgets.py",
    "tests/integration/test_systemd.py",
)
"""Each for 15 seconds or more, the longest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by module; the order within a module, and of the others, stays."""
    ranks = {name: rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(FIRST)))
