"""`tdt admin routes switch`: collectivités change routes on a date, or give it up; every change leaves its trace."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.deps import utc_now
from tdt.domain.calendar import paris_date
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase

SWITCH = ("admin", "routes", "switch")
SOON = paris_date(utc_now()) + timedelta(days=20)
LATER = SOON + timedelta(days=10)


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


async def _plant(terminal: Terminal) -> tuple[list[int], list[int]]:
    routes = [
        (
            await terminal.query(
                "insert into route (kind, transport, name, settings) values ($1, $2, $3, '{}') returning id",
                kind,
                transport,
                transport + kind,
            )
        )[0]["id"]
        for kind, transport in (("helios", "ftp_gateway"), ("helios", "passtrans_sftp"), ("actes", "https"))
    ]
    towns = [
        (
            await terminal.query(
                """insert into authority (name, siren, nature, department, district)
                values ($1, $2, 31, '034', '3') returning id""",
                f"Ville {siren}",
                siren,
            )
        )[0]["id"]
        for siren in ("123456782", "987654324")
    ]
    for town in towns:
        await terminal.query(
            "insert into authority_route (authority_id, kind, route_id, valid_from) values ($1, 'helios', $2, $3)",
            town,
            routes[0],
            paris_date(utc_now()) - timedelta(days=100),
        )
    return routes, towns


def uses(terminal: Terminal, town: int) -> list[tuple[int, object]]:
    rows = asyncio.run(
        terminal.query(
            "select route_id, valid_to from authority_route where authority_id = $1 order by valid_from", town
        )
    )
    return [(row["route_id"], row["valid_to"]) for row in rows]


def test_planned_listed_given_up(terminal: Terminal) -> None:
    (old, new, actes), (one, other) = asyncio.run(_plant(terminal))
    assert terminal.rows(*SWITCH, "list") == []
    assert "2 collectivité(s)" in terminal.run(*SWITCH, "plan", old, new, "--on", SOON)
    planned = terminal.rows(*SWITCH, "list")
    assert [(row["authority_id"], row["from"], row["to"], row["on"]) for row in planned] == [
        (one, old, new, str(SOON)),
        (other, old, new, str(SOON)),
    ]
    assert uses(terminal, one) == [(old, SOON), (new, None)]
    assert "1 changement(s)" in terminal.run(*SWITCH, "cancel", new, "--on", SOON, "--authority", other)
    assert uses(terminal, other) == [(old, None)]
    assert uses(terminal, one) == [(old, SOON), (new, None)]
    # and back, later: giving up what is between leaves what was before and what comes after
    assert "1 collectivité(s)" in terminal.run(*SWITCH, "plan", new, old, "--on", LATER)
    assert uses(terminal, one) == [(old, SOON), (new, LATER), (old, None)]
    terminal.run(*SWITCH, "cancel", new, "--on", SOON)
    assert uses(terminal, one) == [(old, LATER), (old, None)]
    for words, why in (
        (("cancel", new, "--on", SOON), "Aucun changement"),
        (("cancel", old, "--on", LATER, "--authority", other), f"pour : {other}"),
        (("cancel", old, "--on", paris_date(utc_now())), "déjà fait"),
        (("plan", old, new, "--on", "2020-01-01"), "dans le passé"),
        (("plan", old, old, "--on", SOON), "même route"),
        (("plan", old, actes, "--on", SOON), f"La route {old} porte helios"),
        (("plan", new, old, "--on", SOON), f"Aucune collectivité ne prend la route {new}"),
        (("plan", old, new, "--on", SOON, "--authority", 999), "ne prennent pas"),
        (("plan", old, 999, "--on", SOON), "La route 999 n'existe pas"),
    ):
        assert why in terminal.run(*SWITCH, *words, code=1)
    terminal.run("admin", "routes", "close", new)
    assert "est fermée" in terminal.run(*SWITCH, "plan", old, new, "--on", SOON, code=1)
    rows = asyncio.run(
        terminal.query("select tag, authority_id, data from audit where tag like 'cli:auth%' order by id")
    )
    assert [(row["tag"].rpartition(":")[2], row["authority_id"]) for row in rows] == [
        ("attach", one), ("attach", other), ("detach", other), ("attach", one), ("detach", one),
    ]  # fmt: skip
    first = json.loads(rows[0]["data"])
    assert first["after"]["helios"][-1] == [new, str(SOON), None]
    assert len(first["before"]["helios"]) == 1
