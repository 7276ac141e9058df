"""What a test run proves in numbers, told at its end: `rights: N cells, M endpoints` and the like."""

import pytest

_lines: list[str] = []


def tell(line: str) -> None:
    """Say this at the end of the run."""
    _lines.append(line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what the tests told."""
    for line in _lines:
        terminalreporter.write_line(line)
