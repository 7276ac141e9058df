"""`tdt admin breakers`: who does not answer and what waits for it, closed and opened by hand, each change audited."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.integration.test_admin_helios import add
from tests.postgres import TestDatabase

ROOT = ("admin", "breakers")
HELD = "LIAISON_SUSPENDUE : La DGFiP ne répond pas en ce moment"


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def ask(terminal: Terminal, query: str, *values: object) -> list[dict[str, Any]]:
    return asyncio.run(terminal.query(query, *values))


def wait_behind(terminal: Terminal, route: int, town: int, digest: str, error: str) -> None:
    """A flow of this route whose sending waits for an hour, for that reason."""
    flow = add(terminal, town, 2, digest)
    ask(terminal, "update helios_transaction set route_id = $2 where id = $1", flow, route)
    ask(
        terminal,
        """insert into job (kind, object_id, attempts, last_error, run_at)
        values ('helios.transmit', $1, 2, $2, now() + interval '1 hour')""",
        flow,
        error,
    )


@pytest.fixture
def route(terminal: Terminal) -> int:
    """A route to the DGFiP; its breaker is open, one flow waits behind it and one for something else."""
    town = open_town(terminal)
    add(terminal, town, 3, "aa")
    [row] = ask(terminal, "select id from route where kind = 'helios'")
    wait_behind(terminal, row["id"], town, "bb", HELD)
    wait_behind(terminal, row["id"], town, "cc", "FENETRE_TRANSMISSION : plus tard")
    ask(
        terminal,
        """insert into breaker (remote, route_id, failures, opened_at, probe_at, last_error) values
        ('helios', $1, 5, now() - interval '1 hour', now() + interval '1 hour', 'liaison impossible'),
        ('reception', $1, 2, null, null, 'délai')""",
        row["id"],
    )
    return int(row["id"])


def test_they_are_listed_with_what_waits_behind_them(terminal: Terminal, route: int) -> None:
    helios, reception = terminal.rows(*ROOT, "list")
    told = ("remote", "route", "name", "state", "failures", "waiting", "announced", "error")
    [name] = [row["name"] for row in ask(terminal, "select name from route where id = $1", route)]
    assert [helios[one] for one in told] == ["helios", route, name, "open", 5, 1, False, "liaison impossible"]
    assert [reception[one] for one in told] == ["reception", route, name, "closed", 2, 0, False, "délai"]
    assert helios["since"] and helios["next_try"] and reception["since"] is reception["next_try"] is None
    columns, *lines = terminal.run(*ROOT, "list").splitlines()
    assert columns.split()[:5] == ["remote", "route", "name", "state", "failures"]
    assert [line.split()[0] for line in lines] == ["helios", "reception"]
    assert f"helios {name} ne répond pas depuis 60 min : ce qui doit y aller attend (1)" in terminal.run(
        "status", "--no-servers", code=1
    )


def test_closed_and_opened_by_hand(terminal: Terminal, route: int) -> None:
    assert terminal.run(*ROOT, "close", "helios", "--route", route) == (
        "Le disjoncteur est fermé ; 1 travail(aux) repris.\n"
    )
    soon = "select last_error from job where kind = 'helios.transmit' and run_at <= now()"
    assert [row["last_error"] for row in ask(terminal, soon)] == [HELD]
    said = terminal.run(*ROOT, "open", "helios", "--route", route, "--reason", "bascule de nuit")
    assert said == "Le disjoncteur est ouvert : rien ne sera tenté jusqu'à « tdt admin breakers close ».\n"
    [shown] = [one for one in terminal.rows(*ROOT, "list") if one["remote"] == "helios"]
    assert (shown["state"], shown["error"], shown["next_try"]) == ("forced", "bascule de nuit", None)
    for remote in ("antivirus", "mail"):
        terminal.run(*ROOT, "open", remote)
        assert "0 travail(aux)" in terminal.run(*ROOT, "close", remote)
    audited = ask(terminal, "select tag, data from audit where tag like '%breaker%' order by id")
    assert [row["tag"].rpartition(":")[2] for row in audited] == ["close", "open", "open", "close", "open", "close"]
    closed = json.loads(audited[0]["data"])
    assert (closed["before"]["open"], closed["after"]["open"], bool(closed["operator"])) == (True, False, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("close", "helios"), "REFUS : Ce distant a un disjoncteur par route : précisez --route."),
        (("open", "reception", "--route", 1), "REFUS : La réception garde son propre rythme"),
        (("close", "reception"), "REFUS : Ce distant a un disjoncteur par route : précisez --route."),
        (("close", "mail", "--route", 1), "REFUS : Ce distant n'a qu'un disjoncteur : il n'a pas de route."),
        (("open", "antivirus", "--route", 1), "REFUS : Ce distant n'a qu'un disjoncteur : il n'a pas de route."),
        (("close", "helios", "--route", 999), "REFUS : Cette route n'existe pas"),
        (("open", "actes", "--route", 1), "REFUS : Cette route n'existe pas, ou n'est pas de ce module"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    terminal: Terminal, route: int, words: tuple[object, ...], said: str
) -> None:
    known = "select remote, route_id, opened_at, forced from breaker order by 1, 2"
    before = ask(terminal, known)
    given = [route if word == 1 else word for word in words]
    assert terminal.run(*ROOT, *given, code=1).startswith(said)
    assert ask(terminal, known) == before
    assert ask(terminal, "select from audit where tag like '%breaker%'") == []


def test_what_is_no_remote_is_a_fault_of_the_command(terminal: Terminal) -> None:
    said = terminal.run(*ROOT, "close", "fax", code=2)
    assert "fax" in said and "antivirus" in said
    assert terminal.run(*ROOT, "list") == "Rien.\n" and terminal.rows(*ROOT, "list") == []
