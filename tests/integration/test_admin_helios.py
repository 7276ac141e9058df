"""`tdt admin helios`: what an operator sees and does by hand, with its trace."""

import asyncio
from pathlib import Path

import pytest

from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.postgres import TestDatabase

ROOT = ("admin", "helios")
INSERT = """
    with way as (
        insert into route (name, kind, transport, settings) values ('dgfip', 'helios', 'ftp_gateway', '{}')
        on conflict (name) do update set name = excluded.name returning id),
    body as (insert into content (authority_id, sha256, size, place, data)
        values ($1, decode($3, 'hex'), 3, 'row', 'abc') returning id),
    flow as (insert into helios_transaction
            (authority_id, route_id, siren, filename, content_id, sha1, size, status, transmitted_name, xml_nomfic,
            submitted_at)
        select $1, way.id, '123456782', 'f.xml', body.id, decode($3, 'hex'), 3, $2, 'PESALR2_' || $3, 'N1',
            now() - interval '6 hours' from way, body returning id)
    insert into helios_workflow (authority_id, transaction_id, status, at)
    select $1, id, step.status, now() - step.since
    from flow, (values (1, interval '6 hours'), ($2::int, interval '5 hours')) step (status, since)
    returning transaction_id as id"""


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def ask(terminal: Terminal, query: str, *values: object) -> list[dict[str, object]]:
    return asyncio.run(terminal.query(query, *values))


def add(terminal: Terminal, town: int, status: int, digest: str) -> int:
    """A flow that was posted once (an agent wanted it to leave), and is in this status today."""
    row, _ = ask(terminal, INSERT, town, status, digest * 32)
    return int(str(row["id"]))


def test_the_list_and_its_filters(terminal: Terminal) -> None:
    town = open_town(terminal)
    sent, waiting, done = (add(terminal, town, status, digest) for status, digest in ((3, "aa"), (2, "bb"), (8, "cc")))
    ask(
        terminal,
        """insert into job (kind, authority_id, object_id, state, last_error) values ($1, $2, $3, 'dead', 'X')
        returning id""",
        "helios.transmit",
        town,
        waiting,
    )
    first, second = terminal.rows(*ROOT, "list")
    assert (first["id"], first["status"], first["route"], first["work"]) == (sent, 3, "dgfip", None)
    assert (second["id"], second["label"]) == (waiting, "En attente de transmission. Fichier valide.")
    assert (second["work"], second["last_error"]) == ("dead", "X")

    def ids(*words: object) -> list[int]:
        return [row["id"] for row in terminal.rows(*ROOT, "list", *words)]

    assert ids("--state", 8) == [done]
    assert ids("--older-than", 4, "--state", 3) == [sent]
    assert ids("--older-than", 5.5) == []
    assert ids("--set-aside") == [waiting]
    assert ids("--authority", town, "--route", "dgfip", "--limit", 1) == [sent]
    assert ids("--route", "autre") == ids("--authority", town + 1) == []
    assert "7 n'est pas un état" not in terminal.run(*ROOT, "list", "--state", 7)
    assert "99 n'est pas un état" in terminal.run(*ROOT, "list", "--state", 99, code=2)
    assert terminal.rows(*ROOT, "show", sent)["flow"] == f"helios:{sent}"
    assert terminal.run(*ROOT, "show", sent) == terminal.run("flow", f"helios:{sent}")


def test_moves_ask_for_a_reason_and_a_confirmation(terminal: Terminal) -> None:
    town = open_town(terminal)
    flow = add(terminal, town, 3, "aa")
    assert "--reason" in terminal.run(*ROOT, "resend", flow, code=2)
    told = terminal.run(*ROOT, "resend", flow, "--reason", "essai", code=1)
    assert "en doublon" in told and "Renvoyer le flux" in told
    assert ask(terminal, "select status from helios_transaction") == [{"status": 3}]
    told = terminal.run(*ROOT, "resend", flow, "--reason", "essai", "--yes")
    assert told == f"Transaction {flow} remise dans la file d'attente, à l'identique : essai\n"
    assert [row["kind"] for row in ask(terminal, "select kind from job")] == ["helios.transmit"]
    assert "PES_MOUVEMENT_REFUSE" in terminal.run(*ROOT, "release", flow, "--reason", "x", "--yes", code=1)
    ask(terminal, "update job set state = 'dead' returning id")
    terminal.run(*ROOT, "release", flow, "--reason", "panne finie", "--yes")
    assert ask(terminal, "select state from job") == [{"state": "ready"}]
    assert "aucun de ses envois" in terminal.run(*ROOT, "release", flow, "--received", "--reason", "x", code=1)
    terminal.run(*ROOT, "set-error", flow, "--reason", "abandon")
    terminal.run(*ROOT, "repost", flow, "--reason", "reprise")
    assert ask(terminal, "select status, xml_nomfic from helios_transaction") == [{"status": 1, "xml_nomfic": None}]
    tags = ask(terminal, "select tag from audit where tag like 'cli:helios:%' order by id")
    assert [row["tag"] for row in tags] == [
        f"cli:helios:{move}" for move in ("resend", "release", "set_error", "repost")
    ]
    # in French, a line each, with the time of Paris
    assert "traitement repris par l'exploitant : panne finie" in terminal.run(*ROOT, "show", flow)
