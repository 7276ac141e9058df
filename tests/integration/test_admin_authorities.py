"""`tdt admin groups, authorities, routes`: an operator opens tenants without SQL, every change leaves its trace."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.db.helios import insert_siret as learn_siret
from tdt.db.helios_receptions import list_siret_holders
from tdt.db.pool import GroupScope, transaction
from tdt.deps import utc_now
from tdt.domain.calendar import paris_date
from tdt.domain.ids import AuthorityId, GroupId
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase
from tests.tenants import application

SIREN, OTHER = "552100554", "732829320"
PLACE = ("--nature", 31, "--department", "034", "--district", 3)
ADDRESS = ("--address", "1 rue", "--postal-code", "34000", "--city", "Ville")


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path, '[credentials.prefecture]\nlogin = "x"\n')


def open_town(terminal: Terminal, siren: str = SIREN, *more: object) -> int:
    name = ("--name", f"Commune {siren}", "--siren", siren)
    found: int = terminal.rows("admin", "authorities", "create", *name, *PLACE, *ADDRESS, *more)["id"]
    return found


def trace(terminal: Terminal, tag: str) -> list[dict[str, object]]:
    found = asyncio.run(terminal.query("select data from audit where tag = $1 order by at, id", tag))
    return [json.loads(row["data"]) for row in found]


def test_groups_and_their_siren(terminal: Terminal, tmp_path: Path) -> None:
    group = terminal.rows("admin", "groups", "create", "--name", "L'agglo", "--siren", SIREN)["id"]
    assert terminal.rows("admin", "groups", "list") == [{"id": group, "name": "L_agglo", "active": True}]
    file = tmp_path / "sirens.txt"
    file.write_text(f"{SIREN}\nnul\n{OTHER}\n")
    assert terminal.rows("admin", "groups", "siren", "import", group, file) == [{"siren": OTHER}]
    assert terminal.rows("admin", "groups", "siren", "list", group) == [{"siren": SIREN}, {"siren": OTHER}]
    assert "n'est pas un SIREN" in terminal.run("admin", "groups", "siren", "add", group, "123456789", code=1)
    terminal.run("admin", "groups", "siren", "remove", group, OTHER)
    assert "n'est pas autorisé" in terminal.run("admin", "groups", "siren", "remove", group, OTHER, code=1)
    assert terminal.rows("admin", "groups", "modify", group, "--name", "Agglo")["sirens"] == [SIREN]
    assert terminal.rows("admin", "groups", "suspend", group)["active"] is False
    assert terminal.rows("admin", "groups", "resume", group)["active"] is True
    assert [one["after"] for one in trace(terminal, "cli:group:modify")] == [
        {"name": "Agglo"},
        {"active": False},
        {"active": True},
    ]
    assert trace(terminal, "cli:group:forbid_siren")[0]["before"] == {"siren": OTHER}
    assert trace(terminal, "cli:group:create")[0]["operator"]
    town = open_town(terminal, SIREN, "--group", group)
    assert "Suppression impossible" in terminal.run("admin", "groups", "delete", group, code=1)
    assert "Aucun groupe trouvé" in terminal.run("admin", "groups", "show", 999, code=1)
    empty = terminal.rows("admin", "groups", "create", "--name", "Vide")["id"]
    assert "supprimé" in terminal.run("admin", "groups", "delete", empty)
    assert terminal.rows("admin", "authorities", "show", town)["group"] == group


def test_a_collectivite_is_opened_modified_suspended(terminal: Terminal, tmp_path: Path) -> None:
    pdf = tmp_path / "convention.pdf"
    pdf.write_bytes(b"%PDF-1.4\n")
    town = open_town(terminal, SIREN, "--module", "actes", "--convention-pdf", pdf)
    shown = terminal.rows("admin", "authorities", "show", town)
    assert (shown["modules"], shown["has_convention_pdf"], shown["status"]) == (["actes"], True, "1")
    terminal.run(
        "admin", "authorities", "modify", town, "--module", "actes", "--module", "helios", "--p-dest", "VHPCE31"
    )
    assert trace(terminal, "cli:authority:modify")[0] == {
        "before": {"modules": ["actes"], "p_dest": ""},
        "after": {"modules": ["actes", "helios"], "p_dest": "VHPCE31"},
        "operator": trace(terminal, "cli:authority:modify")[0]["operator"],
    }
    assert terminal.rows("admin", "authorities", "show", town)["weight"] == 1
    assert terminal.rows("admin", "authorities", "weight", town, 3)["weight"] == 3
    assert "de 1 à 100" in terminal.run("admin", "authorities", "weight", town, 0, code=1)
    change = trace(terminal, "cli:authority:weight")[0]
    assert (change["before"], change["after"]) == ({"weight": 1}, {"weight": 3})
    assert terminal.rows("admin", "authorities", "suspend", town)["status"] == "0"
    assert terminal.rows("admin", "authorities", "list")[0]["active"] is False
    assert terminal.rows("admin", "authorities", "resume", town)["status"] == "1"
    assert [one["id"] for one in terminal.rows("admin", "authorities", "list", "--siren", "5521")] == [town]
    assert "Commune 552100554" in terminal.run("admin", "authorities", "list", "--name", "COMMUNE")
    refused = terminal.run("admin", "authorities", "modify", town, "--district", 9, code=1)
    assert "Le code département ou le code arrondissement sont incorrects" in refused
    taken = ("--name", "Autre", "--siren", SIREN, *PLACE, *ADDRESS)
    assert "doit être unique" in terminal.run("admin", "authorities", "create", *taken, code=1)
    assert "Erreur lors de la modification" in terminal.run("admin", "authorities", "suspend", 999, code=1)


def test_a_move_to_another_group_takes_effect_by_itself_and_history_stays(terminal: Terminal) -> None:
    first, second = (terminal.rows("admin", "groups", "create", "--name", name)["id"] for name in ("Un", "Deux"))
    town = open_town(terminal, SIREN, "--group", first)
    today = paris_date(utc_now())
    later = today + timedelta(days=40)
    shown = terminal.rows("admin", "authorities", "move", town, "--group", second, "--on", later)
    assert shown["groups"] == [f"Un (du {today} jusqu'au {later} exclu)", f"Deux (depuis le {later})"]
    assert shown["group"] == first
    assert "dans le passé" in terminal.run("admin", "authorities", "move", town, "--on", "2020-01-01", code=1)
    assert "Aucun groupe" in terminal.run("admin", "authorities", "move", town, "--group", 99, "--on", later, code=1)

    async def seen_by(group: int) -> list[int]:
        scope = GroupScope(GroupId(group))
        async with application(terminal.database.app_dsn) as pool, transaction(pool, scope) as connection:
            return [row["id"] for row in await connection.fetch("select id from authority")]

    assert [asyncio.run(seen_by(group)) for group in (first, second)] == [[town], []]
    # the day comes: nothing but the calendar changes
    shift = "update authority_membership set valid_from = valid_from - $1::int, valid_to = valid_to - $1::int"
    asyncio.run(terminal.query(shift, 40))
    assert [asyncio.run(seen_by(group)) for group in (first, second)] == [[], [town]]
    assert terminal.rows("admin", "authorities", "show", town)["group"] == second
    assert len(trace(terminal, "cli:authority:move")) == 1


def test_a_blocked_siret_attracts_nothing_and_is_not_learnt_again(terminal: Terminal) -> None:
    town = open_town(terminal)
    siret = f"{SIREN}00013"
    assert "n'est pas valide" in terminal.run("admin", "authorities", "siret", "add", town, SIREN + "00014", code=1)
    terminal.run("admin", "authorities", "siret", "add", town, siret)

    async def holders() -> list[tuple[AuthorityId, bool]]:
        async with application(terminal.database.app_dsn) as pool, transaction(pool, "system") as connection:
            await learn_siret(connection, AuthorityId(town), siret)
            return await list_siret_holders(connection, siret)

    assert asyncio.run(holders()) == [(town, False)]
    assert "bloqué" in terminal.run("admin", "authorities", "siret", "block", town, siret)
    assert asyncio.run(holders()) == [(town, True)]
    assert terminal.rows("admin", "authorities", "siret", "list", town) == [{"siret": siret, "blocked": True}]
    terminal.run("admin", "authorities", "siret", "unblock", town, siret)
    assert asyncio.run(holders()) == [(town, False)]
    terminal.run("admin", "authorities", "siret", "remove", town, siret)
    assert terminal.rows("admin", "authorities", "siret", "list", town) == []
    assert "Aucun numéro SIRET" in terminal.run("admin", "authorities", "siret", "remove", town, siret, code=1)


def test_routes_are_recorded_attached_closed(terminal: Terminal) -> None:
    create = ("admin", "routes", "create", "--kind", "actes", "--transport", "https")
    settings = ("--set", "url=https://actes.example/", "--set", "accepted_status=[200,201]")
    terminal.run(*create, "--name", "Préfecture", "--credentials", "prefecture", "--test", *settings)
    [route] = terminal.rows("admin", "routes", "list")
    assert (route["settings"], route["test"], route["active"]) == (
        {"url": "https://actes.example/", "accepted_status": [200, 201]},
        True,
        True,
    )
    assert terminal.rows("admin", "routes", "show", route["id"]) == route
    assert "https://actes.example/" in terminal.run("admin", "routes", "show", route["id"])
    assert "n'existe pas" in terminal.run("admin", "routes", "show", 999, code=1)
    assert "porte ce nom" in terminal.run(*create, "--name", "Préfecture", code=1)
    assert "[credentials.nulle]" in terminal.run(*create, "--name", "x", "--credentials", "nulle", code=1)
    assert "ne se prend pas par ftp_gateway" in terminal.run(
        "admin", "routes", "create", "--kind", "actes", "--transport", "ftp_gateway", "--name", "x", code=1
    )
    assert "NOM=VALEUR" in terminal.run(*create, "--name", "x", "--set", "url", code=2)

    town = open_town(terminal)
    shown = terminal.rows("admin", "authorities", "attach", town, "--route", route["id"])
    today = paris_date(utc_now())
    assert shown["routes"] == [f"actes : Préfecture (depuis le {today})"]
    terminal.run(*create, "--name", "Autre")
    other = next(one["id"] for one in terminal.rows("admin", "routes", "list") if one["name"] == "Autre")
    later = today + timedelta(days=3)
    shown = terminal.rows("admin", "authorities", "attach", town, "--route", other, "--on", later)
    assert shown["routes"] == [
        f"actes : Préfecture (du {today} jusqu'au {later} exclu)",
        f"actes : Autre (depuis le {later})",
    ]
    attach = ("admin", "authorities", "attach", town, "--route")
    assert "dans le passé" in terminal.run(*attach, other, "--on", "2020-01-01", code=1)
    assert "n'existe pas" in terminal.run(*attach, 999, code=1)
    terminal.run("admin", "routes", "modify", route["id"], "--set", "url=https://autre.example/")
    terminal.run("admin", "routes", "close", route["id"])
    listed = {one["name"]: one for one in terminal.rows("admin", "routes", "list")}
    assert (listed["Préfecture"]["active"], listed["Préfecture"]["authorities"]) == (False, 1)
    assert listed["Préfecture"]["settings"]["url"] == "https://autre.example/"
    terminal.run("admin", "routes", "open", route["id"])
    assert [one["after"] for one in trace(terminal, "cli:route:modify")] == [
        {"settings.url": "https://autre.example/"},
        {"active": False},
        {"active": True},
    ]


def test_a_collectivite_closes_reopens_and_is_exported(terminal: Terminal, tmp_path: Path) -> None:
    town = open_town(terminal)
    group = ("admin", "authorities")
    today = paris_date(utc_now())
    last, later = today + timedelta(days=1), today + timedelta(days=30)
    assert "dans le passé" in terminal.run(*group, "close", town, "--on", today - timedelta(days=1), code=1)
    assert "REFUS" in terminal.run(*group, "close", town, "--on", last, "--purge-on", last, code=1)
    assert "REFUS" in terminal.run(*group, "schedule-purge", town, "--on", later, code=1)
    assert "REFUS" in terminal.run(*group, "reopen", town, code=1)
    assert "REFUS" in terminal.run(*group, "close", 999999, "--on", last, code=1)

    told = terminal.rows(*group, "close", town, "--on", last, "--purge-on", later)
    assert (told["closes_on"], told["purges_on"]) == (str(last), str(later))
    assert told["purge_obstacle"] == "Aucun export n'a été fait depuis la fermeture."
    assert terminal.rows(*group, "list")[0]["closes_on"] == str(last)
    assert terminal.rows(*group, "reopen", town)["closes_on"] is None

    terminal.run(*group, "close", town, "--on", today)
    told = terminal.rows(*group, "export", town, "--to", tmp_path / "sortie")
    assert (told["actes"], told["pes"], told["to_redo_before_purge"]) == (0, 0, False)
    shown = terminal.rows(*group, "show", town)
    assert (shown["closes_on"], shown["export_sha256"]) == (str(today), told["manifest_sha256"])
    assert terminal.rows(*group, "schedule-purge", town, "--on", later, "--unanswered")["purges_unanswered"] is True
    assert terminal.rows(*group, "schedule-purge", town)["purges_on"] is None
    assert terminal.rows(*group, "show", town)["purge_obstacle"] == ""

    (first, _) = trace(terminal, "cli:authority:close")
    assert first["before"] == {"closes_on": None, "purges_on": None}
    assert first["after"] == {"closes_on": str(last), "purges_on": str(later)}
    assert len(trace(terminal, "cli:authority:reopen")) == 1
    assert len(trace(terminal, "cli:authority:schedule_purge")) == 2
