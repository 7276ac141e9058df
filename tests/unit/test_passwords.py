"""Passwords: ours, those that S2LOW stored, and what is neither."""

import asyncio
import hashlib
import time

import bcrypt
import pytest
from argon2 import PasswordHasher, Type

from tdt.passwords import check_now, check_password, hash_now, hash_password, is_current, kind_of, turn

pytestmark = pytest.mark.usefixtures("real_cost")


def php_bcrypt(password: bytes) -> str:
    """As PHP's password_hash writes it."""
    return bcrypt.hashpw(password[:72], bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")


def test_ours() -> None:
    stored = hash_now("sésame")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_current(stored)
    assert check_now(stored, "sésame".encode())
    assert check_now(stored, "sésame".encode("latin-1"))
    assert not check_now(stored, b"sesame")
    assert not check_now(stored, b"")


async def test_off_the_loop() -> None:
    assert await check_password(await hash_password("a"), b"a")
    assert not await check_password(None, b"a")


@pytest.mark.parametrize("charset", ["utf-8", "latin-1"])
@pytest.mark.parametrize("sent", ["utf-8", "latin-1"])
def test_those_of_s2low_in_both_charsets_of_its_history(charset: str, sent: str) -> None:
    password = "mot de passe à 3 €".replace("€", "e")
    md5 = hashlib.md5(password.encode(charset), usedforsecurity=False).hexdigest()
    for stored in (md5, md5.upper(), php_bcrypt(password.encode(charset))):
        assert check_now(stored, password.encode(sent))
        assert not check_now(stored, b"mot de passe")
        assert not is_current(stored)


def test_php_cuts_a_long_password_and_so_do_we() -> None:
    stored = php_bcrypt(b"x" * 72)
    assert check_now(stored, b"x" * 100)
    assert not check_now(stored, b"x" * 71)


def test_argon2_of_php_is_verified_and_replaced() -> None:
    for kind, name in ((Type.I, "argon2i"), (Type.ID, "argon2id")):
        stored = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1, type=kind).hash("a")
        assert check_now(stored, b"a")
        assert not is_current(stored)
        assert kind_of(stored) == name


def test_kinds() -> None:
    assert kind_of(php_bcrypt(b"a")) == "bcrypt"
    assert kind_of("0" * 32) == "md5"
    assert kind_of("x") == "unknown"


@pytest.mark.parametrize(
    "stored",
    ["", "x", "0" * 31, "0" * 33, "$2y$31$" + "a" * 53, "$2y$10$short", "$argon2id$", "$argon2id$v=19$m=1,t=1,p=1$a$b"],
)
@pytest.mark.parametrize("secret", [b"", b"x", b"\0", b"0" * 31])
def test_what_is_no_hash_is_no_password(stored: str, secret: bytes) -> None:
    assert not check_now(stored, secret)


def test_a_nul_ends_no_password() -> None:
    assert not check_now(php_bcrypt(b"abc"), b"abc\0def")
    assert not check_now(hash_now("abc"), b"abc\0def")


def shortest(stored: str | None) -> float:
    """The shortest of several refusals: the others waited for the machine."""
    seconds = []
    for _ in range(5):
        started = time.thread_time()
        assert not check_now(stored, b"wrong")
        seconds.append(time.thread_time() - started)
    return min(seconds)


def test_a_refusal_takes_the_same_work_with_and_without_an_account() -> None:
    ours = shortest(hash_now("right"))
    for stored in (None, "", "0" * 32, "x"):
        assert ours / 3 < shortest(stored) < ours * 3


async def test_a_storm_of_one_keeps_the_others_waiting_for_one_hashing_at_most() -> None:
    async def use(key: str) -> None:
        async with turn(key):
            await check_password(None, b"x")

    storm = [asyncio.create_task(use(key)) for key in ("a", "b") for _ in range(20)]
    await asyncio.wait(storm, return_when=asyncio.FIRST_COMPLETED)
    await use("c")
    assert sum(one.done() for one in storm) < 10
    await asyncio.gather(*storm)
