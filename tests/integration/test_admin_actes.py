"""`tdt admin actes`: what an operator does by hand, with its trace."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.postgres import TestDatabase

ROOT = ("admin", "actes")
INSERT = """
    with way as (insert into route (name, kind, transport, settings) values ('x', 'actes', 'https', '{}') returning id),
    sent as (insert into acte_envelope (authority_id, route_id, name, archive_name)
        select $1, id, 'e.xml', 'a.tar.gz' from way returning id),
    acte as (insert into acte_transaction (authority_id, envelope_id, type, number, unique_id, status, submitted_at)
        select $1, id, 1, 'N1', 'U1', 3, now() - interval '6 hours' from sent returning id)
    insert into acte_workflow (authority_id, transaction_id, status, at)
    select $1, id, 3, now() - interval '5 hours' from acte returning transaction_id as id"""


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def ask(terminal: Terminal, query: str, *values: object) -> list[dict[str, object]]:
    return asyncio.run(terminal.query(query, *values))


def test_given_up_and_put_again(terminal: Terminal) -> None:
    town = open_town(terminal)
    (row,) = ask(terminal, INSERT, town)
    acte = row["id"]
    (line,) = terminal.rows(*ROOT, "unanswered")
    assert (line["id"], line["unique_id"], line["type"]) == (acte, "U1", 1)
    assert terminal.rows(*ROOT, "unanswered", "--hours", 5.5) == []
    assert terminal.run(*ROOT, "give-up", acte) == f"La transaction {acte} a été passée en erreur.\n"
    assert "est à l'état -1" in terminal.run(*ROOT, "give-up", acte, code=1)
    assert "ACTE_PEUT_ETRE_ENVOYE" in terminal.run(*ROOT, "put-again", acte, code=1)
    words = terminal.run(*ROOT, "put-again", acte, "--to", "1")
    assert words == f"La transaction {acte} a été passée manuellement en posté\n"
    assert [row["kind"] for row in ask(terminal, "select kind from job")] == ["actes.analyse"]
    traces = ask(terminal, "select tag, data from audit where tag like 'cli:acte:%' order by id")
    assert [row["tag"] for row in traces] == ["cli:acte:give_up", "cli:acte:put_again"]
    told = json.loads(str(traces[1]["data"]))
    assert (told["before"], told["after"]) == ({"status": -1}, {"status": 1})
    assert told["operator"]


def test_an_archiving_is_corrected(terminal: Terminal) -> None:
    town = open_town(terminal)
    (row,) = ask(terminal, INSERT, town)
    acte = row["id"]
    assert "Impossible de changer" in terminal.run(*ROOT, "correct-sae", acte, 13, code=1)
    ask(terminal, "update acte_transaction set status = 12 where id = $1 returning id", acte)
    assert terminal.run(*ROOT, "correct-sae", acte, 13) == "Le status de la transaction a été modifiée\n"
    assert ask(terminal, "select status from acte_transaction") == [{"status": 13}]
    assert "n'existe pas" in terminal.run(*ROOT, "correct-sae", 999999, 13, code=1)
