"""A database that was restored sends nothing, gives no number twice, and tells; the operator lets it go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tdt.admin.door import configuration, operator
from tdt.db.alerts import list_open
from tdt.db.attempts import Sending, insert_attempt
from tdt.db.routes import NewRoute, insert_route
from tdt.deps import Deps, open_deps
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Held, Refused
from tdt.domain.routes import RouteKind, Transport
from tdt.flows import restores
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase
from tests.tenants import add_authority

MAIL = '[mail]\nhost = "localhost"\noperators = ["exploit@example.org"]\nsender = "tdt@example.org"'


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path, MAIL)


@pytest.fixture
async def deps(terminal: Terminal) -> AsyncIterator[Deps]:
    async with open_deps(configuration(terminal.config)) as deps:
        yield deps


async def go_back(deps: Deps, change: str) -> None:
    """What a restoration does to the row of the database: it is another one's."""
    async with deps.transaction("system") as connection:
        await connection.execute(f"update lineage set {change}")


@pytest.mark.parametrize("change", ["timeline = timeline + 1", "system_identifier = 1"])
async def test_a_restored_base_sends_nothing_until_it_is_confirmed(deps: Deps, terminal: Terminal, change: str) -> None:
    authority = await add_authority(deps.pool)
    async with deps.transaction("system") as connection:
        route = await insert_route(connection, NewRoute(RouteKind.ACTES, Transport.HTTPS, "r", {}))
        about = Sending(authority, route, "acte_envelope", 1, "n", b"0" * 32, 1, "")
        number = await insert_attempt(connection, about)
        await connection.execute("insert into acte_envelope_serial values ($1, $2, 9990)", authority, _today(deps))
        await connection.execute("insert into audit (tag, at) values ('x:y:z', '2026-01-02T03:04:05Z')")
    assert await restores.look(deps) is None
    await go_back(deps, change)
    with pytest.raises(Held) as held:
        async with deps.transaction("system") as connection:
            await insert_attempt(connection, about)
    assert held.value.code == "BASE_RESTAUREE"
    assert await restores.look(deps) is not None
    assert await restores.look(deps) is None, "found once"

    async with deps.transaction("system") as connection:
        [alert] = await list_open(connection)
        notices = await connection.fetch("select kind, recipient, body from notice")
        serial = await connection.fetchval("select last from acte_envelope_serial")
        await connection.execute(
            "insert into job (kind, object_id, run_at, last_error)"
            " values ('actes.transmit', 1, now() + interval '10 minutes', 'BASE_RESTAUREE : …')"
        )
    assert (alert.kind, alert.authority_id, serial) == ("restore", None, 9999)
    assert [(row["kind"], row["recipient"]) for row in notices] == [("restore.found", "exploit@example.org")]
    with pytest.raises(Held):
        async with deps.transaction("system") as connection:
            await insert_attempt(connection, about)

    done, woken = await restores.confirm(deps, operator(), "comparé avec la préfecture")
    assert (woken, done.reason) == (1, "comparé avec la préfecture")
    async with deps.transaction("system") as connection:
        assert await insert_attempt(connection, about) > number + 10_000, "numbers of before are nobody else's"
        assert await list_open(connection) == []
        tags = await connection.fetch("select tag from audit where tag like '%:restore:%' order by id")
    assert [row["tag"] for row in tags] == ["system:restore:found", "cli:restore:confirm"]
    with pytest.raises(Refused):
        await restores.confirm(deps, operator(), "encore")


def _today(deps: Deps) -> object:
    return paris_date(deps.now())


def test_the_commands(terminal: Terminal, database: TestDatabase) -> None:
    shown = terminal.rows("admin", "restore", "show")
    assert len(shown["lineages"]) == 1 and shown["unsent"] == []
    assert "attend" in terminal.run("admin", "restore", "confirm", "--yes", "--reason", "x", code=1)

    async def restored() -> None:
        async with open_deps(configuration(terminal.config)) as deps:
            await go_back(deps, "timeline = 7")

    asyncio.run(restored())
    assert "Transmissions retenues" in terminal.run("admin", "restore", "show")
    assert "woken" in terminal.run("admin", "restore", "confirm", "--yes", "--reason", "vu")
    assert "retenues" not in terminal.run("admin", "restore", "show")
