"""`tdt box`: what an operator sees of its box, saves, gives, has read again, dismisses."""

import asyncio
import json
from pathlib import Path

import pytest

from tdt.db.content import insert_small
from tdt.db.pool import transaction
from tdt.db.received import move_proposal
from tdt.db.routes import Handling, NewRoute, insert_received, insert_route, move_received
from tdt.domain.ids import AuthorityId, ReceivedId
from tdt.domain.routes import RouteKind, Transport
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application
from tests.unit.actes.mails import sample

ROOT = ("box",)
RAW = sample("1-2-ar.eml")


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path)


async def fill(database: TestDatabase) -> tuple[AuthorityId, list[ReceivedId]]:
    """Three mails: one in the box with a proposed owner, one in the box of a known owner, one handled."""
    async with application(database.app_dsn) as pool:
        authority = await add_authority(pool)
        async with transaction(pool, "system") as connection:
            route = await insert_route(connection, NewRoute(RouteKind.ACTES, Transport.HTTPS, "ministère", {}))
            numbers = []
            for number, (state, owner) in enumerate(
                [("set_aside", None), ("set_aside", authority), ("handled", authority)]
            ):
                content = await insert_small(connection, owner, RAW)
                received = await insert_received(connection, route, f"7/{number}", f"7/{number}", content)
                await move_received(connection, received, Handling(state, "1-2", "Aucun acte.", owner))
                numbers.append(received)
            await move_proposal(connection, numbers[0], authority, "123456782", "034-123456782-20260309-2026_017-DE")
    return authority, numbers


def test_the_box(terminal: Terminal, database: TestDatabase, tmp_path: Path) -> None:
    assert terminal.run(*ROOT, "list") == "Rien.\n"
    authority, (first, second, third) = asyncio.run(fill(database))
    rows = terminal.rows(*ROOT, "list")
    assert [(one["id"], one["authority"], one["proposed"]) for one in rows] == [
        (second, authority, None),
        (first, None, authority),
    ]
    assert rows[1]["proposed_act"] == "034-123456782-20260309-2026_017-DE"
    assert [one["id"] for one in terminal.rows(*ROOT, "list", "--all")] == [third, second, first]
    assert [one["id"] for one in terminal.rows(*ROOT, "list", "--all", "--before", third, "--limit", 1)] == [second]
    assert [one["id"] for one in terminal.rows(*ROOT, "list", "--state", "handled")] == [third]
    assert "2026_017" in terminal.run(*ROOT, "list")

    shown = terminal.rows(*ROOT, "show", first)
    assert (shown["route"], shown["kind"], shown["size"]) == ("ministère", "1-2", len(RAW))
    assert shown["says"][0].startswith("ArActe unique_id=034-123456782-20260309-2026_017-DE")
    assert "n'existe pas" in terminal.run(*ROOT, "show", 99, code=1)

    target = tmp_path / "ar.eml"
    assert str(len(RAW)) in terminal.run(*ROOT, "save", first, "--to", target)
    assert target.read_bytes() == RAW
    assert "existe déjà" in terminal.run(*ROOT, "save", first, "--to", target, code=1)
    assert "n'existe pas" in terminal.run(*ROOT, "save", 99, "--to", tmp_path / "rien.eml", code=1)
    assert not (tmp_path / "rien.eml").exists()


def test_what_an_operator_decides(terminal: Terminal, database: TestDatabase) -> None:
    authority, (first, second, third) = asyncio.run(fill(database))
    assert "handled" in terminal.run(*ROOT, "retry", third, code=1)
    assert "douteuse" in terminal.run(*ROOT, "retry", second, "--authentic", code=1)
    assert "pas d'acte" in terminal.run(*ROOT, "assign", first, "--authority", authority, "--act", "X", code=1)
    asyncio.run(terminal.query("update authority set closes_on = '2026-01-01', purge_started_at = now()"))
    assert "COLLECTIVITE_PURGEE" in terminal.run(*ROOT, "assign", first, "--authority", authority, code=1)
    asyncio.run(terminal.query("update authority set closes_on = null, purge_started_at = null"))
    terminal.run(*ROOT, "assign", first, "--authority", authority)
    terminal.run(*ROOT, "retry", second)
    assert terminal.rows(*ROOT, "list") == []
    jobs = asyncio.run(
        terminal.query("select object_id, authority_id from job where kind = 'actes.ingest' order by id")
    )
    assert [(one["object_id"], one["authority_id"]) for one in jobs] == [(first, authority), (second, authority)]
    tags = [row["tag"] for row in asyncio.run(terminal.query("select tag from audit order by id"))]
    assert tags == ["cli:received:assign", "cli:received:retry"]


def test_dismissed_with_a_reason(terminal: Terminal, database: TestDatabase) -> None:
    _, (first, _, _) = asyncio.run(fill(database))
    terminal.run(*ROOT, "dismiss", first, code=2)
    assert "obligatoire" in terminal.run(*ROOT, "dismiss", first, "--reason", " ", code=1)
    terminal.run(*ROOT, "dismiss", first, "--reason", "publicité")
    assert [one["id"] for one in terminal.rows(*ROOT, "list", "--state", "dismissed")] == [first]
    (row,) = asyncio.run(terminal.query("select data from audit"))
    assert json.loads(row["data"])["after"] == {"reason": "publicité", "state": "dismissed"}


async def fill_helios(database: TestDatabase, data: bytes) -> ReceivedId:
    """A file of the DGFiP in the box, as one was that was read before what it says was kept."""
    async with application(database.app_dsn) as pool, transaction(pool, "system") as connection:
        route = await insert_route(connection, NewRoute(RouteKind.HELIOS, Transport.FTP_GATEWAY, "passerelle", {}))
        content = await insert_small(connection, None, data)
        received = await insert_received(connection, route, "ACK/1", "ACK.xml", content)
        handling = Handling("set_aside", "PES_ACQUIT", "Le couple…", code="ACQUIT_SANS_FLUX")
        await move_received(connection, received, handling)
    return received


def test_a_file_of_the_dgfip(terminal: Terminal, database: TestDatabase) -> None:
    data = (
        b'<n:PES_ACQUIT xmlns:n="urn:x"><Enveloppe><Parametres><TypFic V="PESALR2"/><NomFic V="F1"/></Parametres>'
        b'</Enveloppe><EnTetePES><IdPost V="034001"/><CodCol V="012"/></EnTetePES><ACQUIT><ElementACQUIT/></ACQUIT>'
        b"</n:PES_ACQUIT>"
    )
    received = asyncio.run(fill_helios(database, data))
    [line] = terminal.rows(*ROOT, "list")
    assert (line["id"], line["code"], line["flow"]) == (received, "ACQUIT_SANS_FLUX", None)
    said = terminal.rows(*ROOT, "show", received)["said"]
    assert (said["root"], said["nomfic"], said["cod_col"]) == ("PES_ACQUIT", "F1", "012")
    assert (said["id_post"], said["typ_fic"], said["counts"]) == ("034001", "PESALR2", {"ElementACQUIT": 1})
    assert "PES_ACQUIT" in terminal.run(*ROOT, "show", received)
    assert "Aucun flux 99" in terminal.run(*ROOT, "assign", received, "--flow", 99, code=1)
    assert "nécessaire" in terminal.run(*ROOT, "assign", received, code=2)
    assert "--flow suffit" in terminal.run(*ROOT, "assign", received, "--flow", 1, "--authority", 1, code=2)


def test_what_is_proposed_and_why(terminal: Terminal, database: TestDatabase) -> None:
    authority, (first, second, _) = asyncio.run(fill(database))
    rows = {one["id"]: one for one in terminal.rows(*ROOT, "propose")}
    assert set(rows) == {first, second}
    act = "034-123456782-20260309-2026_017-DE"
    assert rows[first]["why"] == f"il nomme l'acte {act}"
    assert rows[first]["command"] == f"tdt box assign {first} --authority {authority} --act {act}"
    assert rows[second]["command"] == f"tdt box retry {second}"
    assert terminal.rows(*ROOT, "propose", first) == [rows[first]]
    done = terminal.rows(*ROOT, "dismiss", first, "--reason", "vu")
    assert (done["id"], done["done"]) == (first, "dismiss")
