"""`tdt schemas`: an operator installs, puts in force, looks at and compares, at a terminal."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.commands import Terminal, open_terminal
from tests.dgfip_flows import sample as pes
from tests.postgres import TestDatabase
from tests.schema_sets import as_directory, as_tar, as_zip, small_set


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


def test_sets_come_and_go(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.rows("schemas", "list") == []
    assert "Rien." in terminal.run("schemas", "list")
    first = as_tar(small_set("01"), tmp_path / "schemas_pes_v5.29.tar.gz")
    assert "Le jeu 5.29 est installé (2 schémas)" in terminal.run("schemas", "add", first)
    second = terminal.rows("schemas", "add", as_directory(small_set("01", "02"), tmp_path / "jeu"), "--name", "5.30")
    assert (second["name"], second["active"], second["files"], second["periods"]) == ("5.30", False, 2, [])
    assert "--name" in terminal.run("schemas", "add", as_zip(small_set("03"), tmp_path / "jeu.zip"), code=1)
    bad = as_zip({"../PES_Aller.xsd": b""}, tmp_path / "bad_9.9.zip")
    assert terminal.run("schemas", "add", bad, code=1).startswith("SCHEMAS_REFUSES : Jeu de schémas refusé")
    active = terminal.rows("schemas", "activate", "5.29")
    assert active["active"] is True
    later = terminal.rows("schemas", "activate", "5.30", "--from", "2099-01-01", "--until", "2099-12-31")
    assert (later["active"], later["periods"]) == (False, [{"from": "2099-01-01", "to": "2100-01-01"}])
    assert "2099-01-01 → 2099-12-31" in terminal.run("schemas", "list")
    shown = terminal.rows("schemas", "show", "5.29")
    assert shown["roots"] == ["{http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/aller}PES_Aller"]
    assert shown["bytes"] == sum(map(len, small_set("01").values()))
    assert "ne porte ce nom" in terminal.run("schemas", "show", "1.0", code=1)
    assert terminal.rows("schemas", "deactivate", "5.30", "--from", "2099-06-01")["periods"][0]["to"] == "2099-06-01"
    assert "désactivez-le" in terminal.run("schemas", "remove", "5.30", code=1)
    terminal.run("schemas", "deactivate", "5.30")
    assert terminal.rows("schemas", "remove", "5.30") == {"name": "5.30", "removed": True}
    assert [row["name"] for row in terminal.rows("schemas", "list")] == ["5.29"]
    rows = asyncio.run(terminal.query("select tag, data from audit where tag like 'cli:schemas:%' order by id"))
    assert json.loads(rows[0]["data"])["after"]["name"] == "5.29"
    assert len(rows) == 7


def test_a_file_of_the_disk_is_compared(terminal: Terminal, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_bytes(pes())
    bad.write_bytes(pes().replace(b"<Piece>", b"\n<Piece>").replace(b'<NatPce V="01"/>', b'<NatPce V="99"/>'))
    assert "Aucun schéma de la DGFiP n'est en vigueur" in terminal.run("schemas", "check", good)
    terminal.run("schemas", "add", as_zip(small_set(), tmp_path / "a.zip"), "--name", "5.30")
    terminal.run("schemas", "activate", "5.30")
    assert terminal.run("schemas", "check", good).strip() == "Conforme au schéma 5.30."
    told = terminal.run("schemas", "check", bad, code=1)
    assert "ligne 3 : La valeur de NatPce n'est pas admise : « 99 »." in told
    assert "(dépense, bordereau 12 de 2026, pièce 345) [XSD_VALEUR, refus : flux]" in told
    assert "    attendu : une valeur parmi 01" in told
    assert "    remède : Corriger cette valeur dans le logiciel" in told
    data = json.loads(terminal.run("schemas", "check", bad, "--json", code=1))
    assert (data["verdict"], data["findings"][0]["line"]) == ("refused", 3)
    (tmp_path / "no.xml").write_bytes(b"<a>")
    assert "n'est pas du XML bien formé" in terminal.run("schemas", "check", tmp_path / "no.xml", code=1)
    assert "Numéro de transaction invalide" in terminal.run("schemas", "recheck", 12, code=1)
