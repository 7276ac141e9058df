"""What a test run proves in numbers, told at its end: `rights: N cells, M endpoints` and the like."""

from typing import Any

import pytest

_lines: list[str] = []


def tell(line: str) -> None:
    """Say this at the end of the run."""
    _lines.append(line)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the run is spread over processes, hand what was told here to the one that writes the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["told"] = _lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of the run told."""
    _lines.extend(getattr(node, "workeroutput", {}).get("told", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what the tests told."""
    for line in _lines:
        terminalreporter.write_line(line)
