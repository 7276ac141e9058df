"""Passwords: argon2id for those that we store; bcrypt and MD5, as S2LOW stored them, until they are used once.

Hashing takes tens of milliseconds and 19 MiB: it leaves the event loop for a few threads of its own, so that a storm of
logins fills neither the processor nor the memory and the other work of threads goes on.
"""

import asyncio
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from tdt.domain.text import decode_form

AT_ONCE = 2
ARGON2 = "$argon2"
BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")
"""PHP's password_hash; a cost beyond 15 would keep a thread for minutes, and nobody has any."""
BCRYPT_BYTES = 72
"""PHP cuts what is longer without a word."""
MD5 = re.compile(r"[0-9a-fA-F]{32}")

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")


def turn(key: Hashable) -> asyncio.Lock:
    """A lock to hold while passwords of one account, or of one certificate, are hashed.

    Nobody then has more than one of them waiting for a thread, and the others wait for one of his at most.
    """
    return _turns.setdefault(key, asyncio.Lock())


async def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_now, password)


async def check_password(stored: str | None, secret: bytes) -> bool:
    """Whether these bytes, as the client sent them, are the password of this hash.

    Without a hash the answer is no, after the same work: the time of an answer does not tell which logins exist.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, check_now, stored, secret)


def hash_now(password: str) -> str:
    """The same, for a program that has nothing else to do meanwhile."""
    return _hasher.hash(password.encode("utf-8", "surrogatepass"))


def check_now(stored: str | None, secret: bytes) -> bool:
    """The same, in the thread of the caller."""
    if stored is not None and stored.startswith(ARGON2):
        return _is_argon2(stored, secret)
    if stored is not None and any(_is_legacy(stored, candidate) for candidate in _candidates(secret)):
        return True
    if stored is None or not BCRYPT.fullmatch(stored):
        _is_argon2(_nobodys(), secret)
    return False


def is_current(stored: str) -> bool:
    """Whether this hash is as we make them today; another one is replaced when its password is known."""
    return stored.startswith(ARGON2) and not _hasher.check_needs_rehash(stored)


def kind_of(stored: str) -> str:
    """The name of what made this hash, for the audit."""
    if BCRYPT.fullmatch(stored):
        return "bcrypt"
    return "md5" if MD5.fullmatch(stored) else stored.split("$")[1] if stored.startswith(ARGON2) else "unknown"


def _is_argon2(stored: str, secret: bytes) -> bool:
    try:
        # what a form or a header said is decoded the same way when the password is set
        return _hasher.verify(stored, decode_form(secret).encode("utf-8"))
    except (VerificationError, InvalidHashError):
        return False


def _candidates(secret: bytes) -> Iterator[bytes]:
    """The bytes that S2LOW may have hashed: as sent, or in the other charset of its history."""
    if b"\0" in secret:
        return  # no password holds one, and C reads no further
    text = decode_form(secret)
    yield from dict.fromkeys((secret, text.encode("utf-8"), text.encode("latin-1", "replace")))


def _is_legacy(stored: str, secret: bytes) -> bool:
    if MD5.fullmatch(stored):
        digest = hashlib.md5(secret, usedforsecurity=False).hexdigest()
        return hmac.compare_digest(digest, stored.lower())
    return BCRYPT.fullmatch(stored) is not None and bcrypt.checkpw(secret[:BCRYPT_BYTES], stored.encode("ascii"))


@functools.cache
def _nobodys() -> str:
    return hash_now(secrets.token_hex())
