"""`tdt admin routes windows`: what an operator limits, sees and lifts."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase

ROOT = ("admin", "routes", "windows")
ROUTE = ("admin", "routes", "create", "--kind", "actes", "--transport", "https", "--set", "url=https://localhost/")


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def test_windows_are_added_listed_and_removed(terminal: Terminal) -> None:
    terminal.run(*ROUTE, "--name", "Ministère")
    [route] = [row["id"] for row in terminal.rows("admin", "routes", "list")]
    assert terminal.rows(*ROOT, "list", route) == []
    days = ("--day", 1, "--day", 5, "--from-hour", 8, "--to-hour", 18, "--from", "2026-01-01")
    assert "enregistrée" in terminal.run(*ROOT, "add", route, "--rate", 1000, *days, "--reason", "heures ouvrées")
    terminal.run(*ROOT, "add", route, "--rate", 0, "--from", "2020-07-14T22:30", "--until", "2020-07-15")
    terminal.run(*ROOT, "add", route, "--rate", 5)
    old, week, now = terminal.rows(*ROOT, "list", route)
    assert (old["bytes_per_hour"], old["starts_at"], old["ends_at"], old["now"]) == (
        0, "2020-07-14 22:30:00+02:00", "2020-07-15 00:00:00+02:00", False,
    )  # fmt: skip
    assert (week["days"], week["hours"], week["reason"], week["starts_at"]) == (
        [1, 5], "8-18", "heures ouvrées", "2026-01-01 00:00:00+01:00",
    )  # fmt: skip
    assert (now["ends_at"], now["now"], now["days"], now["hours"]) == (None, True, [], "0-24")
    assert "heures ouvrées" in terminal.run(*ROOT, "list", route)
    assert "Le débit" in terminal.run(*ROOT, "add", route, "--rate", -1, code=1)
    assert "n'existe pas" in terminal.run(*ROOT, "add", 999, "--rate", 1, code=1)
    terminal.run(*ROOT, "remove", now["id"])
    assert "n'existe pas" in terminal.run(*ROOT, "remove", now["id"], code=1)
    assert [row["id"] for row in terminal.rows(*ROOT, "list", route)] == [old["id"], week["id"]]
    rows = asyncio.run(terminal.query("select tag, data from audit where tag like 'cli:route:window%' order by id"))
    assert [row["tag"].rpartition("-")[2] for row in rows] == ["add", "add", "add", "remove"]
    added, removed = json.loads(rows[2]["data"]), json.loads(rows[3]["data"])
    assert added["after"] == removed["before"]
