"""`tdt admin users` and `services`: an operator opens accounts without SQL, every change leaves its trace."""

import asyncio
import json
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.commands import Terminal, open_terminal
from tests.integration.test_admin_authorities import open_town
from tests.postgres import TestDatabase
from tests.wire.administration import hash_of, make_certificate

USERS, SERVICES = ("admin", "users"), ("admin", "services")
PERSON = ("--name", "Dupré", "--givenname", "Zoé", "--email", "zoe@exemple.fr")


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "certificat.pem"
    path.write_bytes(make_certificate("Zoé Dupré"))
    return path


def trace(terminal: Terminal, tag: str) -> list[dict[str, object]]:
    rows = asyncio.run(terminal.query("select data from audit where tag = $1 order by id", tag))
    return [json.loads(row["data"]) for row in rows]


def open_account(terminal: Terminal, town: int, pem: Path, *more: object) -> int:
    words = (*USERS, "create", "--authority", town, "--certificate", pem, *PERSON, *more)
    found: int = terminal.rows(*words)["id"]
    return found


def test_the_first_super_administrator_is_single(terminal: Terminal, pem: Path, tmp_path: Path) -> None:
    created = terminal.rows(*USERS, "first-sadm", "--certificate", pem, *PERSON)
    assert (created["role"], created["active"], created["certificate"]) == ("SADM", True, hash_of(pem.read_bytes()))
    assert created["authority_id"] is None
    other = tmp_path / "autre.pem"
    other.write_bytes(make_certificate("Autre"))
    refusal = terminal.run(*USERS, "first-sadm", "--certificate", other, *PERSON, code=1)
    assert "Un super administrateur actif existe déjà" in refusal
    assert terminal.rows(*USERS, "create", "--role", "SADM", "--certificate", other, *PERSON)["role"] == "SADM"
    terminal.run(*USERS, "suspend", created["id"])
    assert [one["active"] for one in terminal.rows(*USERS, "list", "--role", "SADM")] == [False, True]


def test_an_account_is_created_modified_suspended(terminal: Terminal, pem: Path) -> None:
    town = open_town(terminal, "552100554", "--module", "actes", "--module", "helios")
    account = open_account(terminal, town, pem, "--permission", "actes=RW")
    shown = terminal.rows(*USERS, "show", account)
    assert (shown["permissions"], shown["has_password"]) == (["actes=RW", "helios=NONE"], False)
    assert terminal.run(*USERS, "certificate", "export", account) == pem.read_text()
    changed = terminal.rows(*USERS, "modify", account, "--permission", "helios=CS", "--telephone", "01")
    assert (changed["permissions"], changed["name"]) == (["actes=RW", "helios=CS"], "Dupré")
    assert trace(terminal, "cli:account:modify")[0]["after"] == {
        "telephone": "01",
        "permissions": {"actes": "RW", "helios": "CS"},
    }
    assert trace(terminal, "cli:account:modify")[0]["operator"]
    assert terminal.rows(*USERS, "suspend", account)["active"] is False
    assert terminal.rows(*USERS, "list", "--active") == []
    assert terminal.rows(*USERS, "resume", account)["active"] is True
    assert terminal.rows(*USERS, "list", "--authority", town, "--valid", "--name", "DUP")[0]["id"] == account
    assert "Dupré" in terminal.run(*USERS, "list")
    other = pem.parent / "autre.pem"
    other.write_bytes(make_certificate("Autre"))
    for words, message in (
        ((*USERS, "show", 999), "Erreur lors de la modification de l'utilisateur"),
        ((*USERS, "modify", account, "--email", "nul"), "adresse électronique valide"),
        ((*USERS, "create", "--certificate", other, *PERSON), "authority_id est obligatoire"),
        ((*USERS, "create", "--authority", town, *PERSON), "Le certificat utilisateur est obligatoire"),
        ((*USERS, "create", "--authority", town, "--certificate", pem, *PERSON), "mêmes informations"),
    ):
        assert message in terminal.run(*words, code=1)
    assert "MODULE=DROIT" in terminal.run(*USERS, "modify", account, "--permission", "actes=TOUT", code=2)
    broken = pem.parent / "rien.pem"
    broken.write_text("rien")
    refusal = terminal.run(*USERS, "certificate", "replace", account, broken, code=1)
    assert "Impossible de lire le certificat" in refusal


def test_passwords_never_stand_on_the_command_line_nor_in_the_audit(terminal: Terminal, pem: Path) -> None:
    town = open_town(terminal)
    secret = pem.parent / "secret"
    secret.write_text("sésame-ouvre-toi\n")
    account = open_account(terminal, town, pem, "--login", "zoe", "--password-file", secret)
    twin = terminal.rows(
        *USERS, "create", "--authority", town, "--clone-of", account, *PERSON, "--login", "b", "--password-file", secret
    )
    assert twin["same_certificate"] == [account]

    def stored(number: int) -> str | None:
        rows = asyncio.run(terminal.query("select password_hash from account where id = $1", number))
        found: str | None = rows[0]["password_hash"]
        return found

    assert PasswordHasher().verify(stored(account) or "", "sésame-ouvre-toi")
    secret.write_text("autre\n")
    assert terminal.rows(*USERS, "password", account, "--password-file", secret)["has_password"] is True
    assert PasswordHasher().verify(stored(account) or "", "autre")
    secret.write_text("\n")
    assert "vide" in terminal.run(*USERS, "password", account, "--password-file", secret, code=1)
    everything = json.dumps([trace(terminal, tag) for tag in ("cli:account:create", "cli:account:modify")])
    assert "changed" in everything
    assert not any(word in everything for word in ("argon2", "autre", "ouvre-toi"))
    # without a login it could not be told from the other one that holds the certificate
    assert "mêmes informations" in terminal.run(*USERS, "password", twin["id"], "--erase", code=1)
    own = pem.parent / "sien.pem"
    own.write_bytes(make_certificate("Le sien"))
    terminal.run(*USERS, "certificate", "replace", twin["id"], own, "--alone")
    erased = terminal.rows(*USERS, "password", twin["id"], "--erase")
    assert (erased["login"], erased["has_password"]) == (None, False)


def test_a_certificate_is_replaced_for_all_that_share_it_or_for_one(terminal: Terminal, pem: Path) -> None:
    town = open_town(terminal)
    secret = pem.parent / "secret"
    secret.write_text("x\n")
    shared = ("--login", "a", "--password-file", secret)
    first = open_account(terminal, town, pem, *shared)
    clone = (*USERS, "create", "--authority", town, "--clone-of", first, *PERSON, "--login", "b")
    second = terminal.rows(*clone, "--password-file", secret)["id"]
    new = pem.parent / "nouveau.pem"
    new.write_bytes(make_certificate("Nouveau"))
    changed = terminal.rows(*USERS, "certificate", "replace", first, new)
    assert sorted(one["id"] for one in changed) == sorted([first, second])
    assert terminal.rows(*USERS, "certificate", "replace", second, pem, "--alone") == [{"id": second}]
    assert terminal.rows(*USERS, "show", second)["certificate"] == hash_of(pem.read_bytes())
    assert terminal.rows(*USERS, "show", first)["certificate"] == hash_of(new.read_bytes())


def test_services_their_tree_and_their_members(terminal: Terminal, pem: Path) -> None:
    town = open_town(terminal)
    account = open_account(terminal, town, pem)
    create = (*SERVICES, "create", "--authority", town, "--name")
    terminal.run(*create, "Direction")
    [top] = terminal.rows(*SERVICES, "list", "--authority", town)
    terminal.run(*create, "Budget", "--parent", top["id"])
    under = next(one for one in terminal.rows(*SERVICES, "list", "--authority", town) if one["name"] == "Budget")
    assert under["parent_id"] == top["id"]
    assert "ajouté" in terminal.run(*SERVICES, "add", under["id"], account)
    members = next(one for one in terminal.rows(*SERVICES, "list", "--authority", town) if one["name"] == "Budget")
    assert members["members"] == [f"{account} Zoé Dupré"]
    for words, message in (
        ((*create, "Budget"), "existe déjà"),
        ((*create, ""), "obligatoire"),
        ((*SERVICES, "move", top["id"], "--parent", under["id"]), "ne peut être rattaché"),
        ((*SERVICES, "delete", under["id"]), "n'est pas vide"),
        ((*SERVICES, "delete", 999), "Accès refusé"),
        ((*SERVICES, "add", under["id"], 999), "Accès refusé"),
    ):
        assert message in terminal.run(*words, code=1), words
    assert "retiré" in terminal.run(*SERVICES, "remove", under["id"], account)
    assert "modifié" in terminal.run(*SERVICES, "move", under["id"])
    assert "supprimé" in terminal.run(*SERVICES, "delete", under["id"])
    assert [one["name"] for one in terminal.rows(*SERVICES, "list", "--authority", town)] == ["Direction"]
    tags = asyncio.run(terminal.query("select tag from audit where tag like 'cli:service:%' order by id"))
    assert [row["tag"].rpartition(":")[2] for row in tags] == [
        "create",
        "create",
        "add_member",
        "remove_member",
        "move",
        "delete",
    ]


def test_a_service_is_renamed_and_no_two_have_one_name(terminal: Terminal) -> None:
    town = open_town(terminal)
    for name in ("Secrétariat", "Finances"):
        terminal.run(*SERVICES, "create", "--authority", town, "--name", name)
    service = terminal.rows(*SERVICES, "list", "--authority", town)[0]["id"]
    assert "existe déjà" in terminal.run(*SERVICES, "rename", service, "--name", "Secrétariat", code=1)
    assert "obligatoire" in terminal.run(*SERVICES, "rename", service, "--name", "", code=1)
    terminal.run(*SERVICES, "rename", service, "--name", "Comptabilité")
    assert [one["name"] for one in terminal.rows(*SERVICES, "list", "--authority", town)] == [
        "Comptabilité",
        "Secrétariat",
    ]
    [change] = trace(terminal, "cli:service:rename")
    assert (change["before"], change["after"]) == ({"name": "Finances"}, {"name": "Comptabilité"})
