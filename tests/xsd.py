"""The ministry's official XSD, read from the shared reference when it is there, and the count of what it judged.

The schema is not ours and is not in the repository: the tests that use it look for it in `$TDT_SHARED` (default:
`shared` beside the repository) and go without when it is absent. The end of every test run says which of the two
happened: `official XSD: N checks` or `official XSD: absent`. A test that compares messages with the schema calls
`record_xsd_check(n)` with the number of messages judged.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

_ROOT = Path(__file__).resolve().parent.parent
_checks = 0


def shared_directory() -> Path:
    """Where the shared reference is expected; it may not exist."""
    return Path(os.environ.get("TDT_SHARED") or _ROOT.parent / "shared")


@cache
def official_actes_xsd() -> etree.XMLSchema | None:
    """The official schema of ACTES (state of 2017), None where it is absent."""
    path = shared_directory() / "data/actes/xsd/actes-2017-typologie/actesv1_1.xsd"
    return etree.XMLSchema(etree.parse(str(path))) if path.is_file() else None


def record_xsd_check(n: int = 1) -> None:
    """Count n messages that the official schema has judged."""
    global _checks  # noqa: PLW0603
    _checks += n


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the run is spread over processes, hand the count of this one to the one that writes the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["xsd_checks"] = _checks


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the count of a process of the run."""
    record_xsd_check(getattr(node, "workeroutput", {}).get("xsd_checks", 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end of the run whether the official schema took part."""
    present = official_actes_xsd() is not None
    terminalreporter.write_line(f"official XSD: {_checks} checks" if present else "official XSD: absent")
