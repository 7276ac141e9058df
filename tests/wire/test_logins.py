"""Passwords on the wire: those of S2LOW are replaced at their first use; wrong ones are counted, then not looked at."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import bcrypt
import msgspec
import pytest

from tdt.config import Config, Login
from tdt.domain.accounts import Means
from tdt.domain.audit import Actor, Source
from tdt.domain.ids import AccountId
from tdt.flows import accounts, logins
from tdt.sandbox.pki import Pki
from tdt.sandbox.settings import choose_port
from tests.postgres import TestDatabase
from tests.wire.administration import rows
from tests.wire.client import Client
from tests.wire.stack import Stack, changed, run_stack

TEST = "/api/test-connexion.php"
FETCH = "/modules/actes/actes_classification_fetch.php"
NOBODY = "KO\nLe certificat n&#039;est pas valide : aucun compte trouvé\n".encode("latin-1")
BLOCKED = "KO\nTrop d&#039;échecs de connexion à ce compte depuis votre adresse : réessayez dans 15 min\n".encode(
    "latin-1"
)
LIMIT = 3


@pytest.fixture
async def strict(config: Config, database: TestDatabase, pki: Pki) -> AsyncIterator[Stack]:
    async with run_stack(changed(config, login=Login(failures=LIMIT)), database, pki) as stack:
        yield stack


def wrong(stack: Stack, login: str = "system") -> Client:
    return Client(stack.port, stack.pki, "system", login, "wrong")


async def stored(stack: Stack) -> str:
    (row,) = await rows(stack, "select password_hash from account where login = 'system'")
    hashed: str = row["password_hash"]
    return hashed


async def tags(stack: Stack) -> list[str]:
    found = await rows(stack, "select tag from audit where tag like 'api:login:%' order by at, id")
    return [row["tag"].removeprefix("api:login:") for row in found]


def as_md5(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


def as_bcrypt(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(5)).decode().replace("$2b$", "$2y$")


@pytest.mark.usefixtures("real_cost")  # a hash of another cost is replaced too
@pytest.mark.parametrize("old", [as_md5, as_bcrypt])
async def test_a_hash_of_s2low_is_accepted_once_then_replaced(stack: Stack, old: Callable[[str], str]) -> None:
    client = stack.client("system", basic=True)
    legacy = old(stack.settings.password("system"))
    await rows(stack, "update account set password_hash = $1 where login = 'system'", legacy)
    assert (await wrong(stack).get(TEST)).body == NOBODY
    assert await stored(stack) == legacy
    # at once: one of them replaces the hash, all come in
    answers = await asyncio.gather(*(client.get(TEST) for _ in range(6)))
    assert {answer.body for answer in answers} == {b"OK"}
    replaced = await stored(stack)
    assert replaced.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await client.get(TEST)).body == b"OK"
    assert await stored(stack) == replaced
    assert (await tags(stack)) == ["failed", "rehash"]
    (row,) = await rows(stack, "select data::text from audit where tag = 'api:login:rehash'")
    assert legacy not in row["data"]
    assert replaced not in row["data"]
    assert stack.settings.password("system") not in row["data"]


async def test_too_many_wrong_passwords_close_the_account_to_their_address_only(strict: Stack) -> None:
    for _ in range(LIMIT):
        assert (await wrong(strict).get(TEST)).body == NOBODY
    # the right one is not even looked at, in no process
    assert (await strict.client("system", basic=True).get(TEST)).body == BLOCKED
    assert (await wrong(strict).get(FETCH + "?api=1")).body == BLOCKED
    browser = await wrong(strict).get(FETCH)
    assert (browser.status, browser.headers["location"]) == (302, "https://tdt.example/connexion-status")
    # the other account of the certificate goes on
    other = Client(strict.port, strict.pki, "system", "system-2", strict.settings.password("system-2"))
    assert (await other.get(TEST)).body == b"OK"
    assert await tags(strict) == ["failed", "failed", "blocked"]
    (row,) = await rows(strict, "select address, failures from login_failure")
    assert dict(row) == {"address": "127.0.0.1", "failures": LIMIT}
    # from another address the account is open
    await rows(strict, "update login_failure set address = '192.0.2.1'")
    assert (await strict.client("system", basic=True).get(TEST)).body == b"OK"


async def test_the_end_of_the_window_opens_the_account_again(strict: Stack) -> None:
    for _ in range(LIMIT):
        await wrong(strict).get(TEST)
    await rows(strict, "update login_failure set since = since - interval '899 seconds'")
    assert b"dans 1 min" in (await strict.client("system", basic=True).get(TEST)).body
    await rows(strict, "update login_failure set since = since - interval '1 second'")
    assert (await wrong(strict).get(TEST)).body == NOBODY
    (row,) = await rows(strict, "select failures from login_failure")
    assert row["failures"] == 1


async def test_a_right_password_forgets_the_failures_even_one_that_is_remembered(strict: Stack) -> None:
    right = strict.client("system", basic=True)
    assert (await right.get(TEST)).body == b"OK"
    for _ in range(LIMIT):
        for _ in range(LIMIT - 1):
            assert (await wrong(strict).get(TEST)).body == NOBODY
        assert (await right.get(TEST)).body == b"OK"
        assert await rows(strict, "select from login_failure") == []


async def test_a_password_that_is_remembered_cannot_be_guessed_either(strict: Stack) -> None:
    right = strict.client("system", basic=True)
    assert (await right.get(TEST)).body == b"OK"
    for _ in range(LIMIT):
        await wrong(strict).get(TEST)
    assert (await right.get(TEST)).body == BLOCKED


async def test_passwords_sent_all_at_once_do_not_escape_the_count(strict: Stack) -> None:
    answers = await asyncio.gather(*(wrong(strict).get(TEST) for _ in range(4 * LIMIT)))
    assert sorted(answer.body for answer in answers) == [NOBODY] * LIMIT + [BLOCKED] * 3 * LIMIT
    assert await tags(strict) == ["failed", "failed", "blocked"]


async def test_an_unknown_login_counts_for_nobody(strict: Stack) -> None:
    for _ in range(LIMIT + 1):
        assert (await wrong(strict, "nobody").get(TEST)).body == NOBODY
    assert await rows(strict, "select from login_failure") == []


async def test_an_account_without_password_is_closed_to_every_password(strict: Stack) -> None:
    await rows(strict, "update account set password_hash = null where login = 'system'")
    assert (await Client(strict.port, strict.pki, "system", "system", "").get(TEST)).body == NOBODY
    assert (await strict.client("system", basic=True).get(TEST)).body == NOBODY


async def test_a_new_password_opens_the_account_at_once(strict: Stack) -> None:
    for _ in range(LIMIT):
        await wrong(strict).get(TEST)
    account = AccountId((await rows(strict, "select id from account where login = 'system'"))[0]["id"])
    by = Actor(Source.CLI, None, "root")
    await accounts.modify(
        strict.deps, by, account, lambda profile: replace(profile, givenname="Le"), Means(password="nouveau")
    )
    assert (await Client(strict.port, strict.pki, "system", "system", "nouveau").get(TEST)).body == b"OK"


async def test_housekeeping_forgets_what_is_over(strict: Stack) -> None:
    await wrong(strict).get(TEST)
    assert await logins.forget(strict.deps) == 0
    await rows(strict, "update login_failure set since = since - interval '900 seconds'")
    assert await logins.forget(strict.deps) == 1


async def test_two_servers_share_the_count(config: Config, database: TestDatabase, pki: Pki) -> None:
    limited = changed(config, login=Login(failures=LIMIT))
    async with run_stack(limited, database, pki) as first:
        for _ in range(LIMIT):
            await wrong(first).get(TEST)
        async with run_stack(elsewhere(limited), database, pki) as second:
            assert (await wrong(second).get(TEST)).body == BLOCKED


def elsewhere(config: Config) -> Config:
    """The same server on another port."""
    port = choose_port({int(config.server.listen.rpartition(":")[2])})
    server = msgspec.structs.replace(
        config.server, listen=f"127.0.0.1:{port}", health=config.server.health.replace(".sock", "-2.sock")
    )
    return changed(config, server=server)
