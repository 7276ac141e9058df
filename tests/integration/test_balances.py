"""Daily balances: made once and in order, an imbalance is found, named and told, signatures verify."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tdt.domain.calendar import paris_date, paris_hour, paris_midnight
from tests.certificates import TestAuthority
from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import OTHER, open_town
from tests.postgres import TestDatabase


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(
        database, tmp_path, '[mail]\nhost = "127.0.0.1"\nsender = "tdt@x.fr"\noperators = ["ops@x.fr"]\n'
    )


def last_day() -> date:
    """The last day of which balances are due."""
    now = datetime.now(UTC)
    today = paris_date(now)
    return today - timedelta(days=1 if now >= paris_hour(today, 1) else 2)


def ask(terminal: Terminal, query: str, *values: object) -> list[dict[str, Any]]:
    return asyncio.run(terminal.query(query, *values))


ACTE = """
    with way as (
        insert into route (name, kind, transport, settings) values ('prefecture', 'actes', 'https', '{}')
        on conflict (name) do update set name = excluded.name returning id),
    envelope as (insert into acte_envelope (authority_id, route_id, name, archive_name)
        select $1, id, 'E-' || $2::text, 'A-' || $2 from way returning id, route_id),
    acte as (insert into acte_transaction (authority_id, envelope_id, type, number, unique_id, status)
        select $1, id, 1, $2, 'U-' || $2, $3::int from envelope returning id, envelope_id),
    body as (insert into content (authority_id, sha256, size, place, data)
        values ($1, sha256(convert_to($2, 'UTF8')), 3, 'row', 'abc') returning id),
    sent as (insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, outcome,
            started_at, ended_at)
        select $1, route_id, 'acte_envelope', id, 'A-' || $2, '\\x00', 3, 'accepted',
            $4::timestamptz + interval '3 hours',
            $4 + interval '3 hours' from envelope where $3::int in (3, 4)),
    answered as (insert into received (authority_id, route_id, remote_key, name, content_id, state, kind, detail,
            received_at, handled_at)
        select $1, envelope.route_id, $2, 'mail', body.id, 'handled', '1-2', 'U-' || $2, $4 + interval '4 hours',
            $4 + interval '4 hours' from envelope, body where $3 = 4),
    told as (insert into event (authority_id, object_kind, object_id, from_status, to_status, at)
        select $1, 'acte_transaction', acte.id, step.source, step.target, $4 + step.target * interval '1 hour'
        from acte, (values (null::int, 1), (1, 2), (2, 3), (3, 4)) step (source, target) where step.target <= $3)
    select id from acte"""


def add(terminal: Terminal, town: int, number: str, status: int, day: date) -> int:
    """An act deposited on this day at one, and gone on hour by hour to its status, with all that each step writes."""
    [row] = ask(terminal, ACTE, town, number, status, paris_midnight(day) + timedelta(seconds=int(number)))
    return int(str(row["id"]))


def broken(terminal: Terminal, day: date) -> list[str]:
    """What `tdt reconcile` of a day names; it must end in error exactly when it names something."""
    out = terminal.run("reconcile", "--day", day, "--json", code=1)
    return [flow for row in json.loads(out) for flow in row["flows"]]


def test_a_day_is_balanced_once_and_carried_to_the_next(terminal: Terminal) -> None:
    town, day = open_town(terminal), last_day()
    first = day - timedelta(days=1)
    acked, sent, held = (add(terminal, town, str(status), status, first) for status in (4, 3, 2))
    [row] = terminal.rows("reconcile", "--day", first)
    figures = ("deposited", "sent", "held", "refused", "acknowledged", "awaited", "anomalies")
    assert [row[name] for name in figures] == [3, 2, 1, 0, 1, 1, 0]
    assert (row["balanced"], row["flows"], row["signed"], row["fault"]) == (True, [], False, "")
    add(terminal, town, "5", 4, day)
    [row] = terminal.rows("reconcile")
    assert [row[name] for name in figures] == [4, 3, 1, 0, 2, 1, 0]
    terminal.rows("reconcile")
    kept = ask(terminal, "select day, document, sha256 from balance order by day")
    assert [one["day"] for one in kept] == [first, day]
    documents = [json.loads(bytes(one["document"])) for one in kept]
    assert documents[1]["opening"] == documents[0]["closing"]
    assert documents[1]["previous"] == bytes(kept[0]["sha256"]).hex()
    assert documents[1]["movements"]["deposited"] == 1 and documents[1]["movements"]["acknowledged"] == 1
    assert {acked, sent, held}.isdisjoint(documents[1]["faults"])
    assert terminal.rows("reconcile", "--full", "--authority", town)[0]["balanced"]


def lose(terminal: Terminal, acte: int) -> None:
    for query in ("delete from acte_workflow where transaction_id = $1", "delete from acte_transaction where id = $1"):
        ask(terminal, query, acte)


def execute(query: str) -> Callable[[Terminal, int], object]:
    return lambda terminal, acte: ask(terminal, query, acte)


ENVELOPE = "(select envelope_id from acte_transaction where id = $1)"
NO_STEP = "update acte_transaction set status = 2 where id = $1"
CASES: dict[str, tuple[int, Callable[[Terminal, int], object], str]] = {
    "a transaction deleted by hand": (4, lose, "MANQUANTE"),
    "a transaction that waits deleted by hand": (2, lose, "MANQUANTE"),
    "a status changed by hand": (
        4,
        execute("update acte_transaction set status = -1 where id = $1"),
        "ETAT_NON_CONSIGNE",
    ),
    "a sent flow without attempt": (
        3,
        execute(f"delete from attempt where object_id = {ENVELOPE}"),
        "TRANSMISE_SANS_ENVOI",
    ),
    "an attempt accepted without status 3": (
        3,
        lambda terminal, acte: (
            ask(terminal, NO_STEP, acte)
            or ask(
                terminal,
                "delete from event where object_kind = 'acte_transaction' and object_id = $1 and to_status = 3",
                acte,
            )
        ),
        "ACCEPTEE_NON_TRANSMISE",
    ),
    "an AR without mail": (
        4,
        execute("delete from received where detail = (select unique_id from acte_transaction where id = $1)"),
        "ACQUITTEE_SANS_REPONSE",
    ),
    "an answer that was not applied": (
        4,
        lambda terminal, acte: (
            ask(terminal, "update acte_transaction set status = 3 where id = $1", acte)
            or ask(
                terminal,
                "delete from event where object_kind = 'acte_transaction' and object_id = $1 and to_status = 4",
                acte,
            )
        ),
        "REPONSE_NON_APPLIQUEE",
    ),
}


@pytest.mark.parametrize("when", ["on its day", "later"])
def test_each_tampering_makes_an_imbalance_that_names_the_flow(terminal: Terminal, when: str) -> None:
    town, day = open_town(terminal), last_day()
    first = day - timedelta(days=1)
    actes = {
        what: add(terminal, town, str(number), case[0], first) for number, (what, case) in enumerate(CASES.items())
    }
    later = when == "later"
    if later:
        terminal.rows("reconcile", "--day", first)
    for what, (_, tamper, _) in CASES.items():
        tamper(terminal, actes[what])
    named = broken(terminal, day if later else first)
    wanted = {f"acte:{actes[what]} {code}" for what, (_, _, code) in CASES.items()}
    assert set(named) == wanted
    out = terminal.run("reconcile", "--full", "--day", first, "--json", code=1)
    told = {flow for row in json.loads(out) for flow in row["flows"]}
    assert wanted <= told


def test_an_imbalance_is_told_once_and_ends_by_itself(terminal: Terminal) -> None:
    town, day = open_town(terminal), last_day()
    first = day - timedelta(days=2)
    acte = add(terminal, town, "1", 3, first)
    ask(terminal, "update acte_transaction set status = 2 where id = $1", acte)
    for one in (first, first + timedelta(days=1)):
        assert broken(terminal, one) == [f"acte:{acte} ETAT_NON_CONSIGNE"]
    [alert] = ask(terminal, "select kind, since, ended_at, authority_id from alert")
    assert (alert["kind"], alert["since"], alert["ended_at"]) == ("balance", paris_midnight(first), None)
    assert alert["authority_id"] == town
    [mail] = ask(terminal, "select recipient, body from notice")
    assert mail["recipient"] == "ops@x.fr" and f"acte:{acte} : son état n'est pas" in str(mail["body"])
    ask(terminal, "update acte_transaction set status = 3 where id = $1", acte)
    [row] = terminal.rows("reconcile", "--day", day)
    assert row["balanced"]
    [alert] = ask(terminal, "select ended_at from alert")
    assert alert["ended_at"] is not None


def test_what_only_a_full_recount_finds_is_told_too_and_ends_with_the_next_one(terminal: Terminal) -> None:
    town, day = open_town(terminal), last_day()
    acte = add(terminal, town, "1", 4, day - timedelta(days=2))
    terminal.rows("reconcile", "--day", day - timedelta(days=2))
    [audited] = ask(terminal, "select object_id, data from audit where tag = 'cli:balance:make'")
    assert audited["object_id"] == town
    assert json.loads(str(audited["data"]))["after"] == {
        "balanced_on": str(day - timedelta(days=2)),
        "balances": 1,
        "imbalances": 0,
    }
    ask(terminal, "update received set state = 'dismissed' where detail = 'U-1'")
    ask(
        terminal, "update attempt set object_id = -object_id"
    )  # of a finished flow: the daily balances do not look there
    assert terminal.run("reconcile", "--day", day)
    assert ask(terminal, "select from alert") == []
    for _ in range(2):
        out = terminal.run("reconcile", "--full", "--json", code=1)
        assert f"acte:{acte} TRANSMISE_SANS_ENVOI" in [flow for row in json.loads(out) for flow in row["flows"]]
    [alert] = ask(terminal, "select subject, ended_at from alert")
    assert (alert["subject"].split(":")[-1], alert["ended_at"]) == ("full", None)
    [mail] = ask(terminal, "select body from notice")
    assert f"acte:{acte} : elle est passée à « transmis » sans envoi" in str(mail["body"])
    # what the mail and the status tell to type shows it
    told = [line for line in str(mail["body"]).splitlines() if "tdt reconcile" in line]
    pointed = [point["command"] for point in status_points(terminal) if point["code"] == "ALERTE:balance"]
    assert (told, pointed) == (
        [f"Détail : tdt reconcile --full --authority {town} --day {day}"],
        [f"tdt reconcile --full --authority {town}"],
    )
    for command in (told[0].removeprefix("Détail : "), pointed[0]):
        assert f"acte:{acte} TRANSMISE_SANS_ENVOI" in terminal.run(*command.split()[1:], code=1)
    ask(terminal, "update received set state = 'handled' where detail = 'U-1'")
    ask(terminal, "update attempt set object_id = -object_id")
    terminal.rows("reconcile", "--full")
    [alert] = ask(terminal, "select ended_at from alert")
    assert alert["ended_at"] is not None


def status_points(terminal: Terminal) -> Any:
    return json.loads(terminal.run("status", "--no-servers", "--json", code=1))["points"]


def test_a_day_that_is_not_over_is_told_as_such_with_what_is_known_of_it(terminal: Terminal) -> None:
    town, due, today = open_town(terminal), last_day(), paris_date(datetime.now(UTC))
    add(terminal, town, "1", 3, due)
    ask(terminal, MOVED_NOW, town)
    for more in ((), ("--authority", town), ("--full",), ("--json",)):
        said = terminal.run("reconcile", "--day", today, *more, code=1)
        assert said.startswith("REFUS : ") and "n'est pas finie" in said
        assert f"le {today + timedelta(days=1):%d/%m/%Y} à partir de 1 h" in said
        whose = f"la collectivité {town}" if "--authority" in more else "toutes les collectivités"
        assert f"Depuis minuit, pour {whose}" in said
        assert "ACTES : 1 déposé(s), 0 transmis, 0 acquitté(s), 1 refusé(s), 1 réponse(s) attendue(s)" in said
    other = open_town(terminal, OTHER)
    assert "ACTES : 0 déposé(s)" in terminal.run("reconcile", "--day", today, "--authority", other, code=1)
    later = terminal.run("reconcile", "--day", today + timedelta(days=9), code=1)
    assert "n'est pas encore venu" in later and "Depuis minuit" not in later
    assert f"le {today + timedelta(days=10):%d/%m/%Y} à partir de 1 h" in later
    terminal.config.write_text(terminal.config.read_text() + "[balances]\nfrom_hour = 20\n")
    assert "à partir de 20 h" in terminal.run("reconcile", "--day", today, code=1)
    assert ask(terminal, "select from balance") == [], "nothing was made meanwhile"


MOVED_NOW = """
    insert into event (authority_id, object_kind, object_id, from_status, to_status)
    values ($1, 'acte_transaction', 99, null, 1), ($1, 'acte_transaction', 99, 1, -1)"""


def test_a_day_before_the_first_deposit_has_no_balance_and_makes_none(terminal: Terminal) -> None:
    town, due = open_town(terminal), last_day()
    assert "Rien n'a encore été déposé" in terminal.run("reconcile", "--day", due, code=1)
    assert terminal.rows("reconcile") == []  # what a timer types each night
    ask(terminal, "update authority set balanced_on = null")
    first = due - timedelta(days=10)
    add(terminal, town, "1", 4, first)
    for more in ((), ("--authority", town)):
        said = terminal.run("reconcile", "--day", first - timedelta(days=1), *more, code=1)
        assert f"rien n'a été déposé ni reçu avant le {first:%d/%m/%Y}" in said
    assert ask(terminal, "select balanced_on from authority") == [{"balanced_on": None}]
    terminal.rows("reconcile", "--day", first)
    assert terminal.rows("reconcile", "--day", due) == []
    assert "Aucun solde n'est gardé" in terminal.run("reconcile", "--day", due)  # a day without anything


def test_an_idle_collectivite_is_counted_whole_once_only(terminal: Terminal) -> None:
    town, day = open_town(terminal), last_day()
    add(terminal, town, "1", 4, day - timedelta(days=30))
    for one in (day - timedelta(days=1), day):
        terminal.run("reconcile", "--day", one)
    # the first balance is kept, that the next ones are carried on from; nothing is told of the day without anything
    kept = ask(terminal, "select day, ledger from balance")
    assert [(one["day"], one["ledger"]) for one in kept] == [(day - timedelta(days=1), '{"acknowledged:4": 1}')]


def test_what_is_signed_verifies_with_openssl(terminal: Terminal, tmp_path: Path) -> None:
    town, day = open_town(terminal), last_day()
    add(terminal, town, "1", 4, day)
    [row] = terminal.rows("reconcile")
    assert not row["signed"]
    pki = TestAuthority(tmp_path)
    files = pki.client("tdt")
    terminal.config.write_text(
        terminal.config.read_text() + f'[signing]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n',
        encoding="utf-8",
    )
    folder = tmp_path / "soldes"
    [row] = terminal.rows("reconcile", "--save", folder)  # kept unsigned, signed as soon as there is a key
    assert (row["signed"], row["fault"]) == (True, "")
    [document], [signature] = folder.glob("*.json"), folder.glob("*.p7s")
    check: list[str] = [
        "openssl",
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-purpose",
        "any",
        "-CAfile",
        pki.path,
    ]
    names = ["-in", str(signature), "-content", str(document), "-out", str(tmp_path / "out")]
    done = subprocess.run([*check, *names], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_bytes() == document.read_bytes()
    document.write_bytes(document.read_bytes().replace(b'"sent":1', b'"sent":2'))
    assert subprocess.run([*check, *names], capture_output=True, check=False).returncode != 0
    [row] = terminal.rows("certificates", "--kind", "signing")
    assert "signing.certificate" in row["where"]
    ask(terminal, "update balance set document = document || ' '")
    out = terminal.run("reconcile", "--json", code=1)
    assert json.loads(out)[0]["fault"] == "le document a changé"
