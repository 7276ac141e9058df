"""`tdt admin logins`: which accounts are closed to whom for wrong passwords, and how an operator opens them."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.db.account_admin import get_administered
from tdt.db.accounts import NewAccount, insert_account
from tdt.db.logins import insert_failure
from tdt.db.pool import transaction
from tdt.deps import utc_now
from tdt.domain.authorities import Role
from tdt.domain.ids import AccountId, AuthorityId
from tests.commands import Terminal, open_terminal
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application


@pytest.fixture
def terminal(database: TestDatabase, tmp_path: Path) -> Terminal:
    return open_terminal(database, tmp_path, "[login]\nfailures = 2\nwindow_seconds = 60.0\n")


async def fail(database: TestDatabase) -> AccountId:
    """An account whose passwords were refused: twice from an address, once from another, once a long time ago."""
    async with application(database.app_dsn) as pool:
        authority: AuthorityId = await add_authority(pool)
        async with transaction(pool, "system") as connection:
            new = NewAccount(Role.USER, "Dupont", "hash", authority, login="dupont")
            account = await insert_account(connection, new)
            assert await get_administered(connection, account) is not None
            now = utc_now()
            for address, ago in (("192.0.2.1", 10), ("192.0.2.1", 5), ("192.0.2.2", 5), ("192.0.2.3", 90)):
                window = (now - timedelta(seconds=ago), now - timedelta(seconds=60))
                await insert_failure(connection, (account, authority), address, window)
    return account


def test_list_and_unblock(terminal: Terminal, database: TestDatabase) -> None:
    account = asyncio.run(fail(database))
    found = terminal.rows("admin", "logins", "list")
    assert [(one["account"], one["login"], one["address"], one["failures"], one["blocked"]) for one in found] == [
        (account, "dupont", "192.0.2.2", 1, False),
        (account, "dupont", "192.0.2.1", 2, True),
    ]
    assert "192.0.2.1" in terminal.run("admin", "logins", "list")
    terminal.run("admin", "logins", "unblock", account)
    assert terminal.rows("admin", "logins", "list") == []
    (row,) = asyncio.run(terminal.query("select data, object_id from audit where tag = 'cli:account:unblock'"))
    assert row["object_id"] == account
    data = json.loads(row["data"])
    assert (data["before"], data["after"]) == ({"addresses": 3}, {"addresses": 0})
    assert data["operator"]


def test_what_cannot_be_unblocked(terminal: Terminal, database: TestDatabase) -> None:
    assert "REFUS : Ce compte n'existe pas." in terminal.run("admin", "logins", "unblock", 99, code=1)
    account = asyncio.run(fail(database))
    terminal.run("admin", "logins", "unblock", account)
    assert "REFUS : Aucun mot de passe" in terminal.run("admin", "logins", "unblock", account, code=1)
