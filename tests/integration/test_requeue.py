"""`tdt requeue`: what is set aside is seen, and given back one by one or by kind, each with its trace."""

import asyncio
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


def set_aside(terminal: Terminal, town: int, kind: str, number: int, code: str = "ECHEC") -> int:
    [row] = ask(
        terminal,
        """insert into job (kind, authority_id, object_id, state, attempts, takeovers, last_error, code, dead_at)
        values ($2, $1, $3, 'dead', 5, 1, 'Cassé.', $4, now() - interval '1 hour') returning id""",
        town,
        kind,
        number,
        code,
    )
    return int(str(row["id"]))


def test_what_is_set_aside_is_listed_and_replayed_one_by_one(terminal: Terminal) -> None:
    town = open_town(terminal)
    flow = add(terminal, town, 1, "aa")
    first = set_aside(terminal, town, "helios.analyse", flow)
    second = set_aside(terminal, town, "notice.send", 7, "TRAVAILLEUR_TUE")
    listed = terminal.rows("requeue")
    assert [(row["id"], row["kind"], row["flow"], row["code"], row["reason"]) for row in listed] == [
        (first, "helios.analyse", f"helios:{flow}", "ECHEC", "Cassé."),
        (second, "notice.send", "", "TRAVAILLEUR_TUE", "Cassé."),
    ]
    assert [row["id"] for row in terminal.rows("requeue", "--list", "--code", "TRAVAILLEUR_TUE")] == [second]
    [done] = terminal.rows("requeue", first, "--reason", "corrigé")
    assert (done["requeued"], done["flow"]) == (True, f"helios:{flow}")
    [row] = ask(terminal, "select state, attempts, takeovers, code, dead_at from job where id = $1", first)
    assert list(row.values()) == ["ready", 0, 0, "", None]
    [trace] = ask(terminal, "select authority_id, object_id, data::text from audit where tag = 'cli:job:requeue'")
    assert (trace["authority_id"], trace["object_id"]) == (town, first)
    assert '"corrigé"' in str(trace["data"]) and '"dead"' in str(trace["data"])
    assert "n'est pas mis de côté" in terminal.run("requeue", first, code=1)
    assert [row["id"] for row in terminal.rows("requeue")] == [second]


def test_some_are_replayed_by_kind_and_what_is_in_doubt_wants_a_decision(terminal: Terminal) -> None:
    town = open_town(terminal)
    sure, doubt = add(terminal, town, 2, "aa"), add(terminal, town, 2, "bb")
    ask(
        terminal,
        """insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, outcome)
        select $1, route_id, 'helios_transaction', id, 'N', '\\x00', 3, 'uncertain' from helios_transaction
        where id = $2
        returning id""",
        town,
        doubt,
    )
    jobs = [
        set_aside(terminal, town, "helios.transmit", sure),
        set_aside(terminal, town, "helios.transmit", doubt, "ENVOI_INCERTAIN"),
        set_aside(terminal, town, "helios.analyse", sure),
    ]
    told = terminal.run("requeue", "--kind", "helios.transmit", "--json", code=1)
    assert f"tdt release helios:{doubt}" in told
    rows = ask(terminal, "select id, state from job order by id")
    assert [row["state"] for row in rows] == ["ready", "dead", "dead"]
    assert [row["id"] for row in terminal.rows("requeue", "--list")] == jobs[1:]
    assert [row["uncertain"] for row in terminal.rows("requeue")] == [True, False]
