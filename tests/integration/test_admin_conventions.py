"""`tdt admin conventions`: what an operator records, asks, and sees waiting."""

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.deps import utc_now
from tdt.domain.calendar import paris_date
from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.postgres import TestDatabase

ROOT = ("admin", "conventions")
DATES = ("--signed-on", "2026-01-01", "--ends-on", "2026-12-31")


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path, '[conventions]\noperators = ["Nous"]\nrequired = true\n')


def trace(terminal: Terminal, tag: str) -> list[dict[str, object]]:
    rows = asyncio.run(terminal.query("select data from audit where tag = $1 order by id", tag))
    return [json.loads(row["data"]) for row in rows]


def test_a_convention_its_avenant_its_pdf_and_its_verdicts(terminal: Terminal, tmp_path: Path) -> None:
    town = open_town(terminal)
    to = ("--authority", town, "--module", "actes")

    def verdict(day: str, *more: object) -> tuple[str, str]:
        found = terminal.rows(*ROOT, "verdict", *to, "--day", day, *more)
        return found["outcome"], found["clause"]

    assert verdict("2026-06-01") == ("held", "Aucune convention de télétransmission n'est enregistrée.")
    pdf = tmp_path / "c.pdf"
    pdf.write_bytes(b"%PDF-1.4 convention")
    create = (*ROOT, "create", *to, "--reference", "C-1", *DATES)
    terminal.run(*create, "--operator", "nous", "--state-party", "Préfecture", "--domain", "1", "--pdf", pdf)
    [row] = terminal.rows(*ROOT, "list", "--authority", town)
    assert (row["reference"], row["last_day"], row["pdf"], row["domains"]) == ("C-1", "2026-12-31", True, ["1"])
    assert "déjà une convention de cette référence" in terminal.run(*create, code=1)
    number = row["id"]
    assert verdict("2025-12-31", "--domain", "1")[1] == "Convention C-1 : elle ne commence que le 01/01/2026."
    assert verdict("2026-06-01", "--domain", "1")[0] == "allowed"
    assert verdict("2026-06-01", "--domain", "3") == ("held", "Convention C-1 : elle ne couvre pas la nature 3.")
    assert verdict("2026-12-31", "--domain", "1")[0] == "warned"
    assert verdict("2027-01-01", "--domain", "1")[0] == "held"

    amend = (*ROOT, "amend", number, "--reference", "A-1", "--signed-on", "2026-11-01", "--effective-on")
    assert "avant le début" in terminal.run(*amend, "2020-01-01", code=1)
    terminal.run(*amend, "2027-01-01", "--ends-on", "2027-06-30", "--operator", "Eux", "--pdf", pdf)
    assert "déjà un avenant" in terminal.run(*amend, "2027-01-01", code=1)
    assert verdict("2027-01-01", "--domain", "1")[1].endswith("elle désigne un autre opérateur, « Eux ».")
    [row] = terminal.rows(*ROOT, "list")
    assert (row["last_day"], row["avenants"]) == ("2027-06-30", ["A-1 (au 2027-01-01)"])
    [avenant] = asyncio.run(terminal.query("select id from convention_avenant"))
    for target, more in ((tmp_path / "1.pdf", ()), (tmp_path / "2.pdf", ("--avenant", avenant["id"]))):
        terminal.run(*ROOT, "pdf", number, "--to", target, *more)
        assert target.read_bytes() == pdf.read_bytes()
    other = tmp_path / "other.pdf"
    other.write_bytes(b"%PDF-1.4 " + bytes(500_000))  # too large for a row: through the spool
    for more in ((), ("--avenant", avenant["id"])):
        assert "enregistré" in terminal.run(*ROOT, "attach", number, "--pdf", other, *more)
        terminal.run(*ROOT, "pdf", number, "--to", tmp_path / "4.pdf", *more)
        assert (tmp_path / "4.pdf").read_bytes() == other.read_bytes()
    attached = trace(terminal, "cli:convention:document")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    assert [one["after"]["pdf_sha256"] for one in attached] == [digest] * 2  # type: ignore[index]
    assert "n'existe pas" in terminal.run(*ROOT, "attach", number, "--pdf", pdf, "--avenant", 999, code=1)
    shown = terminal.rows(*ROOT, "show", number)
    assert (shown["reference"], shown["ends_on"], shown["domains"], shown["pdf"]) == ("C-1", "2026-12-31", ["1"], True)
    assert [(one["id"], one["ends_on"], one["domains"]) for one in shown["avenants"]] == [
        (avenant["id"], "2027-06-30", None)
    ]
    assert "A-1" in terminal.run(*ROOT, "show", number)
    assert "Aucun PDF" in terminal.run(*ROOT, "pdf", number, "--to", tmp_path / "3", "--avenant", 999, code=1)

    terminal.run(*ROOT, "modify", number, "--no-end", "--domain", "2")
    [changed] = trace(terminal, "cli:convention:modify")
    assert (changed["before"], changed["after"]) == (
        {"ends_on": "2026-12-31", "domains": ["1"]},
        {"ends_on": None, "domains": ["2"]},
    )
    assert trace(terminal, "cli:convention:create")[0]["after"]["operator"] == "nous"  # type: ignore[index]
    assert len(trace(terminal, "cli:convention:amend")) == 1
    both = terminal.run(*ROOT, "modify", number, "--all-domains", "--domain", "2", code=2)
    assert "pas les deux" in both
    terminal.run(*ROOT, "modify", number, "--all-domains")
    assert terminal.rows(*ROOT, "show", number)["domains"] == []
    assert verdict("2026-06-01", "--nature", "6")[0] == "allowed"
    amend_all = (*ROOT, "amend", number, "--reference", "A-2", "--signed-on", "2026-11-01", "--effective-on")
    refusals = (
        ((*ROOT, "modify", number, "--domain", "1,2"), "Domaine inconnu pour ce module : 1,2."),
        ((*ROOT, "verdict", *to, "--domain", "PES_PJ"), "Domaine inconnu"),
        ((*ROOT, "suspend", *to, "--reason", "x", "--domain", "7"), "Domaine inconnu"),
        ((*amend_all, "2027-01-01", "--domain", "delibs"), "Domaine inconnu"),
        ((*ROOT, "show", 999), "n'existe pas"),
        ((*ROOT, "modify", 999, "--no-end"), "n'existe pas"),
        ((*ROOT, "modify", number, "--ends-on", "2025-01-01"), "La fin est avant le début."),
        ((*ROOT, "create", "--authority", 999, "--module", "actes", "--reference", "x", *DATES), "Aucune collectivité"),
        ((*ROOT, "create", *to, "--reference", " ", *DATES), "La référence est obligatoire."),
    )
    for words, message in refusals:
        assert message in terminal.run(*words, code=1)
    text = tmp_path / "c.txt"
    text.write_text("convention")
    assert "doit être un PDF" in terminal.run(*ROOT, "attach", number, "--pdf", text, code=1)


def test_a_suspension_is_recorded_shown_and_lifted(terminal: Terminal) -> None:
    town = open_town(terminal)
    to = ("--authority", town, "--module", "helios")
    suspend = (*ROOT, "suspend", *to, "--reason")
    assert "raison est obligatoire" in terminal.run(*suspend, " ", code=1)
    terminal.run(*suspend, "Bascule", "--starts-on", paris_date(utc_now()) - timedelta(days=1))
    [row] = terminal.rows(*ROOT, "suspensions")
    assert (row["module"], row["reason"], row["ends_on"]) == ("helios", "Bascule", None)
    assert terminal.rows(*ROOT, "verdict", *to)["clause"] == "Télétransmission suspendue : Bascule"
    terminal.run(*ROOT, "lift", row["id"])
    [row] = terminal.rows(*ROOT, "suspensions", "--authority", town)
    assert row["ends_on"] == str(paris_date(utc_now()) - timedelta(days=1))
    assert "déjà terminée" in terminal.run(*ROOT, "lift", row["id"], code=1)
    assert terminal.rows(*ROOT, "held") == []
