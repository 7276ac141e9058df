"""Pages of the list of accounts: the same rows whichever end they are read from."""

from tdt.db.account_admin import AccountFilter, count_accounts, list_accounts
from tdt.db.accounts import NewAccount, insert_account
from tdt.db.pool import transaction
from tdt.domain.authorities import Role
from tests.postgres import TestDatabase
from tests.tenants import add_authority, application

NAMES = ("Martin", "martin", "Durand", "Émile", "Zola")
HOW_MANY = 23


async def test_pages_read_from_the_end_are_those_read_from_the_start(database: TestDatabase) -> None:
    async with application(database.app_dsn) as pool:
        authority = await add_authority(pool)
        async with transaction(pool, authority) as connection:
            for number in range(HOW_MANY):
                new = NewAccount(Role.USER, NAMES[number % len(NAMES)], f"hash-{number}", authority)
                await insert_account(connection, new)
            wanted = AccountFilter(authority=authority)
            total = await count_accounts(connection, wanted)
            whole = await list_accounts(connection, wanted)
            assert total == len(whole) == HOW_MANY
            for limit in (1, 5, 23, 40):
                for offset in range(0, total, limit):
                    page = await list_accounts(connection, wanted, limit, offset, total)
                    assert page == whole[offset : offset + limit], (limit, offset)
            assert await list_accounts(connection, AccountFilter(name="personne"), 10, 0, 0) == []
