"""Logins: what a refused password, or an accepted one, leaves behind; nonces, that open without a password."""

import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tdt.db.account_admin import get_administered
from tdt.db.audit import insert_audit, insert_change
from tdt.db.logins import (
    Failures,
    delete_account_failures,
    delete_failures,
    delete_old_failures,
    insert_failure,
    move_password_hash,
)
from tdt.db.nonces import Nonce, delete_old_nonces, insert_nonce
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.authorities import Principal, User
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import AccountId
from tdt.domain.text import decode_form
from tdt.passwords import hash_password, is_current, kind_of, turn

UNKNOWN = "Ce compte n'existe pas."
NOT_BLOCKED = "Aucun mot de passe n'a été refusé à ce compte récemment."
NONCE_LIFE = timedelta(minutes=5)
NONCE_LENGTH = 7
ALPHABET = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password offered for an account. `stored`: its hash; `address`: where the client is."""

    user: User
    stored: str | None = field(repr=False)
    secret: bytes = field(repr=False)
    address: str


def window_start(deps: Deps) -> datetime:
    """Failures of before are forgotten."""
    return deps.now() - timedelta(seconds=deps.config.login.window_seconds)


def blocked_until(deps: Deps, failures: Failures | None) -> datetime | None:
    """Until when no password is even looked at, or None when it is."""
    if failures is None or failures.count < deps.config.login.failures:
        return None
    return end_of_window(deps, failures.since)


def end_of_window(deps: Deps, since: datetime) -> datetime:
    """When the failures that began to count at this moment are forgotten."""
    return since + timedelta(seconds=deps.config.login.window_seconds)


async def record_failure(deps: Deps, attempt: Attempt) -> None:
    """Count a password that was refused, and audit it; the one that closes the account to its address says so."""
    who = (attempt.user.id, attempt.user.authority_id)
    async with deps.transaction("system") as connection:
        count = await insert_failure(connection, who, attempt.address, (deps.now(), window_start(deps)))
        action = "blocked" if count >= deps.config.login.failures else "failed"
        await _audit(connection, attempt, action, {"failures": count})


async def record_success(deps: Deps, attempt: Attempt, failed: bool) -> Attempt:
    """Forget the failures before (`failed`: there are), and keep the password in today's form if it is not.

    Gives the attempt with the hash that is stored then.
    """
    stored = attempt.stored or ""
    new = stored if is_current(stored) else await hash_password(decode_form(attempt.secret))
    if new == stored and not failed:
        return attempt
    async with deps.transaction("system") as connection:
        if failed:
            await delete_failures(connection, attempt.user.id, attempt.address)
        if new != stored and await move_password_hash(connection, attempt.user.id, stored, new):
            await _audit(connection, attempt, "rehash", {"before": kind_of(stored), "after": kind_of(new)})
    return replace(attempt, stored=new)


async def _audit(connection: Connection, attempt: Attempt, action: str, data: Mapping[str, object]) -> None:
    user = attempt.user
    facts = {"login": user.login, "address": attempt.address, "certificate": user.certificate_hash}
    await insert_audit(connection, (user.authority_id, user.id), f"api:login:{action}", user.id, {**facts, **data})


async def unblock(deps: Deps, by: Actor, account: AccountId) -> None:
    """Have the passwords of an account looked at again at once, from everywhere. Raises Refused when they are."""
    async with deps.acting(by) as connection:
        found = await get_administered(connection, account)
        if found is None:
            raise Refused(UNKNOWN)
        addresses = await delete_account_failures(connection, account)
        if not addresses:
            raise Refused(NOT_BLOCKED)
        what = ("account:unblock", account, found.user.authority_id)
        await insert_change(connection, by, what, {"addresses": addresses}, {"addresses": 0})


async def give_nonce(deps: Deps, who: Principal, secret: bytes) -> str:
    """A nonce for the browser of an agent of the caller's collectivité. `secret`: the password, just verified.

    Nothing of it is kept that could be turned back: the browser's proof is stored like a password. Raises Forbidden.
    """
    authority, login = who.user.authority_id, who.user.login
    if authority is None or login is None:
        raise Forbidden("Accès refusé")
    while True:
        nonce = "".join(secrets.choice(ALPHABET) for _ in range(NONCE_LENGTH))
        proof = hashlib.sha256(secret + b":" + nonce.encode("ascii")).hexdigest()
        async with turn(("nonce", who.user.id)):
            found = Nonce(authority, await hash_password(proof))
        async with deps.transaction(authority) as connection:
            await delete_old_nonces(connection, nonce_start(deps))
            if await insert_nonce(connection, nonce, login, found, deps.now()):
                return nonce


def nonce_start(deps: Deps) -> datetime:
    """Nonces of before have ended."""
    return deps.now() - NONCE_LIFE


async def forget(deps: Deps) -> int:
    """Delete the failures whose window is over and the nonces that have ended; gives how many rows went."""
    async with deps.transaction("system") as connection:
        failures = await delete_old_failures(connection, window_start(deps))
        return failures + await delete_old_nonces(connection, nonce_start(deps))
