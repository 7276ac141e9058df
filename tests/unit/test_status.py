"""What asks an operator for a gesture, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tdt.admin.status_text import headline, lines_of
from tdt.domain.expiry import Ending, Kind
from tdt.domain.limits import RULES, TOLD_ELSEWHERE, Late
from tdt.domain.status import ALERTS, TOLD_HERE, Base, Disk, Facts, Inside, Open, Outside, Queue, Worker, judge, minutes

NOW = datetime(2026, 3, 9, 10, tzinfo=UTC)
BASE = Base("16.4", "tdt_app", False, 0, 12, 100)
OUTSIDE = Outside("", {"127.0.0.1:9101": ""}, "", Disk("/spool", True, 50, 100))
INSIDE = Inside(BASE, pass_at=NOW - timedelta(seconds=30), workers=[Worker("a", NOW, NOW - timedelta(seconds=2))])
WELL = Facts(NOW, OUTSIDE, INSIDE, timedelta(seconds=7))


def codes(facts: Facts) -> list[str]:
    return [one.code for one in judge(facts)]


def test_all_is_well() -> None:
    assert judge(WELL) == []
    lines = list(lines_of(WELL, []))
    assert lines[0] == "Tout va bien"
    assert any("PostgreSQL 16.4" in line for line in lines)


@pytest.mark.parametrize(
    ("outside", "code"),
    [
        (replace(OUTSIDE, servers={"127.0.0.1:9101": "ne répond pas"}), "SERVEUR"),
        (replace(OUTSIDE, broker="ConnectionError"), "COURTIER"),
        (replace(OUTSIDE, disk=Disk("/spool", False, 50, 100)), "DEPOT_LOCAL"),
        (replace(OUTSIDE, disk=Disk("/spool", True, 9, 100)), "DISQUE"),
        (replace(OUTSIDE, endings=[Ending(Kind.SERVER, "s", "nous", NOW + timedelta(days=20))]), "CERTIFICAT"),
        (replace(OUTSIDE, endings=[Ending(Kind.CRL, "s", "liste", NOW - timedelta(days=1))]), "CERTIFICAT"),
        (replace(OUTSIDE, endings=[Ending(Kind.AUTHORITY, "s", "x", None)]), "CERTIFICAT_ILLISIBLE"),
    ],
)
def test_around_the_database(outside: Outside, code: str) -> None:
    assert codes(replace(WELL, outside=outside)) == [code]


def test_a_list_that_is_renewed_and_a_certificate_that_lasts_ask_nothing() -> None:
    soon = Ending(Kind.CRL, "s", "liste", NOW + timedelta(days=3), begins_at=NOW - timedelta(days=3))
    later = Ending(Kind.SERVER, "s", "nous", NOW + timedelta(days=60))
    assert codes(replace(WELL, outside=replace(OUTSIDE, endings=[soon, later]))) == []


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        (replace(INSIDE, base=replace(BASE, pending=2)), "MIGRATIONS"),
        (replace(INSIDE, base=replace(BASE, escapes=True)), "ROLE"),
        (replace(INSIDE, base=replace(BASE, connections=95)), "CONNEXIONS"),
        (replace(INSIDE, workers=[Worker("a", NOW, NOW - timedelta(seconds=8))]), "TRAVAIL_ARRETE"),
        (replace(INSIDE, pass_at=None), "VEILLEUR"),
        (replace(INSIDE, pass_at=NOW - timedelta(seconds=121)), "VEILLEUR"),
        (replace(INSIDE, queues=[Queue("notice.send", False, 0, 0, 0, 3, None)]), "MIS_DE_COTE"),
        (replace(INSIDE, queues=[Queue("actes.transmit", False, 0, 0, 0, 1, None)], doubts=1), "ENVOI_INCERTAIN"),
        (replace(INSIDE, box={"forged": 1}), "BOITE"),
        (replace(INSIDE, sirets=1), "SIRETS"),
        (replace(INSIDE, breakers={"antivirus": NOW - timedelta(hours=3)}), "DISJONCTEUR"),
        (replace(INSIDE, balances_late=1), "SOLDES_EN_RETARD"),
        (replace(INSIDE, late={"helios.acquit": 4}), "RETARD:helios.acquit"),
        (replace(INSIDE, alerts=[Open("late", "acte.waiting", 2, NOW, "actes:12")]), "RETARD:acte.waiting"),
        (replace(INSIDE, alerts=[Open("digest", "", 1, NOW, "content:1")]), "ALERTE:digest"),
        (replace(INSIDE, alerts=[Open("unheard", "", 1, NOW, "x")]), "ALERTE:unheard"),
    ],
)
def test_in_the_database(inside: Inside, code: str) -> None:
    [point] = judge(replace(WELL, inside=inside))
    assert point.code == code and point.cause and point.command


def test_a_reception_that_fails_holds_nothing_back() -> None:
    """What the State gives back waits there: nothing of ours was to leave by it."""
    inside = replace(INSIDE, breakers={"reception DGFiP": NOW, "helios DGFiP": NOW})
    assert [one.cause.rpartition(" : ")[2] for one in judge(replace(WELL, inside=inside))] == [
        "ce qui doit en venir y attend",
        "ce qui doit y aller attend",
    ]
    [_, helios] = judge(replace(WELL, inside=replace(inside, behind={"helios DGFiP": 412})))
    assert helios.cause.endswith(" : ce qui doit y aller attend (412)")


def test_the_oldest_flow_of_a_rule_is_named() -> None:
    [point] = judge(replace(WELL, inside=replace(INSIDE, alerts=[Open("late", "acte.waiting", 2, NOW, "actes:12")])))
    assert point.command == "tdt flow actes:12" and point.cause.endswith(": 2")


def test_what_is_late_beyond_its_alerts_is_counted() -> None:
    """Of a crowd a hundred are named: the last pass has counted all."""
    inside = replace(INSIDE, alerts=[Open("late", "acte.waiting", 101, NOW, "actes:12")], late={"acte.waiting": 50000})
    [point] = judge(replace(WELL, inside=inside))
    assert point.cause.endswith(": 50000")


def test_an_imbalance_names_the_command_that_shows_it() -> None:
    daily, full = (
        Open("balance", "", 2, NOW, "balance:7:actes:1"),
        Open("balance", "full", 1, NOW, "balance:8:actes:1:full"),
    )
    points = judge(replace(WELL, inside=replace(INSIDE, alerts=[daily, full, replace(full, count=3)])))
    assert [one.command for one in points] == [
        "tdt reconcile",
        "tdt reconcile --full --authority 8",
        "tdt reconcile --full",
    ]


def test_nothing_is_said_twice() -> None:
    box = Open("late", "box", 2, NOW, "received:1")
    dead = Open("late", "job.dead", 2, NOW, "job:1")
    queues = [Queue("notice.send", False, 0, 0, 0, 2, None)]
    assert codes(replace(WELL, inside=replace(INSIDE, alerts=[box, dead], box={"?": 2}, queues=queues))) == [
        "MIS_DE_COTE",
        "BOITE",
    ]


def test_every_rule_has_its_command() -> None:
    for late in set(RULES) - TOLD_HERE - TOLD_ELSEWHERE:
        [point] = judge(replace(WELL, inside=replace(INSIDE, alerts=[Open("late", late, 1, NOW, "actes:1")])))
        assert point.command.startswith(("tdt ", "journalctl ", "systemctl ")), late
    assert all(Late(one) for one in TOLD_HERE) and all(command for _, command in ALERTS.values())


def test_a_database_that_is_away_is_told_once() -> None:
    servers = {"127.0.0.1:9101": "database: no answer", "127.0.0.1:9102": "ne répond pas"}
    away = replace(WELL, outside=replace(OUTSIDE, database="connexion refusée", servers=servers), inside=None)
    assert codes(away) == ["BASE_ABSENTE", "SERVEUR"]
    lines = list(lines_of(away, judge(away)))
    assert lines[0] == "2 points demandent une action" and "systemctl status postgresql" in lines[2]


def test_words() -> None:
    assert headline(judge(replace(WELL, inside=replace(INSIDE, sirets=1)))) == "1 point demande une action"
    spans = [timedelta(seconds=s) for s in (-1, 119, 120, 7199, 7200, 172799, 172800)]
    assert [minutes(one) for one in spans] == ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 j"]
