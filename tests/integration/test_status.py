"""`tdt status` on a real database: well, not well, away; quickly."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.integration.test_admin_helios import add
from tests.postgres import TestDatabase


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def ask(terminal: Terminal, query: str, *values: object) -> list[dict[str, object]]:
    return asyncio.run(terminal.query(query, *values))


ALIVE = """
    with w as (insert into worker (name) values ('w1'))
    insert into watchdog (at, worker, seconds, late, told) values (now(), 'w1', 0.1, '{}', 0)"""
EVENTS = """
    insert into event (authority_id, object_kind, object_id, from_status, to_status)
    select $1, kind, 1, source, target from (values
        ('helios_transaction', null, 1), ('helios_transaction', 2, 3), ('helios_transaction', 3, 8),
        ('acte_transaction', null, 1), ('acte_transaction', null, 7), ('acte_transaction', 1, -1)) as
        e(kind, source, target)
    """


def test_well_then_not(terminal: Terminal) -> None:
    town = open_town(terminal)
    add(terminal, town, 3, "aa")
    ask(terminal, ALIVE)
    ask(terminal, EVENTS, town)
    assert terminal.run("status", "--no-servers").startswith("Tout va bien\n")
    seen = terminal.rows("status", "--no-servers")
    assert seen["well"] and seen["points"] == [] and seen["inside"]["base"]["role"] == "tdt_app"
    days = {one.pop("module"): one for one in seen["inside"]["days"]}
    helios = {"deposited": days["helios"]["deposited"], **{k: days["helios"][k] for k in ("sent", "acknowledged")}}
    assert helios["sent"] == 1 and helios["acknowledged"] == 1 and days["helios"]["awaited"] == 1
    assert days["actes"] == {"deposited": 1, "sent": 0, "acknowledged": 0, "refused": 1, "awaited": 0}
    assert {route["kind"] for route in seen["inside"]["routes"]} >= {"helios"}

    ask(terminal, "insert into job (kind, object_id, state, dead_at) values ('notice.send', 1, 'dead', now())")
    ask(
        terminal,
        """insert into alert (kind, subject, since, data)
        values ('late', 'actes:7', now(), '{"rule": "acte.posted"}')""",
    )
    text = terminal.run("status", "--no-servers", code=1)
    assert text.startswith("2 points demandent une action\n")
    assert "tdt requeue" in text and "tdt flow actes:7" in text
    ask(terminal, "update job set code = 'ENVOI_INCERTAIN' where state = 'dead'")
    text = terminal.run("status", "--no-servers", code=1)  # what `tdt requeue` refuses is not told as its work
    assert "tdt release" in text and "tdt requeue" not in text


def test_servers_that_do_not_answer(terminal: Terminal) -> None:
    ask(terminal, ALIVE)
    terminal.config.write_text(
        f'{terminal.config.read_text()}\n[server]\nhealth = "unix:{terminal.config.parent}/no"\nprocesses = 2\n'
        f'[worker]\nhealth = "127.0.0.1:1"\n[queue]\nurl = "amqp://guest:secret@127.0.0.1:1/"\n'
    )
    text = terminal.run("status", code=1)
    assert text.startswith("4 points demandent une action\n"), text
    assert f"unix:{terminal.config.parent}/no.1 : ne répond pas" in text and "secret" not in text


def test_a_database_that_is_away_is_told_quickly(tmp_path: Path) -> None:
    path = tmp_path / "tdt.toml"
    path.write_text(
        f'[database]\ndsn = "postgresql://tdt_app@127.0.0.1:1/tdt"\n[spool]\ndirectory = "{tmp_path}"\n',
        encoding="utf-8",
    )
    away = Terminal(path, None)  # type: ignore[arg-type]  # there is none
    begun = time.monotonic()
    text = away.run("status", "--no-servers", code=3)
    assert time.monotonic() - begun < 5
    assert "La base de données ne répond pas" in text and "systemctl status postgresql" in text
    seen = json.loads(away.run("status", "--no-servers", "--json", code=3))
    assert seen["points"][0]["code"] == "BASE_ABSENTE" and seen["inside"] is None
    path.write_text("[unknown]\n", encoding="utf-8")
    away.run("status", code=2)


def test_who_does_not_answer_is_told_unless_it_was_announced(terminal: Terminal) -> None:
    add(terminal, open_town(terminal), 4, "aa")
    ask(terminal, ALIVE)
    ask(
        terminal,
        "insert into breaker (remote, failures, opened_at) values ('antivirus', 5, now() - interval '3 hours')",
    )
    ask(
        terminal,
        """with closed as (
            insert into route_window (route_id, bytes_per_hour, starts_at, ends_at)
            select min(id), 0, now() - interval '1 hour', now() + interval '1 hour' from route where kind = 'helios'
            returning route_id)
        insert into breaker (remote, route_id, failures, opened_at) select 'helios', route_id, 5, now() from closed""",
    )
    text = terminal.run("status", "--no-servers", code=1)
    assert text.startswith("1 point demande une action\n  - antivirus ne répond pas depuis 3 h"), text
    assert "tdt admin breakers list" in text and "fermée par une fenêtre, disjoncteur ouvert" in text
