"""Basic credentials: how they are read, and whether a password is that of its account, hashed as seldom as can be."""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime

from tdt.db.logins import Failures, get_failures
from tdt.deps import Deps
from tdt.domain.text import decode_form
from tdt.flows.logins import Attempt, blocked_until, record_failure, record_success, window_start
from tdt.passwords import check_password, turn

REMEMBER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Basic:
    """Credentials of an Authorization header. `secret`: the password as it was sent, whatever its charset."""

    login: str
    secret: bytes = field(repr=False)


def read_basic(header: str) -> Basic | None:
    """The login and password of an Authorization header, in any charset that clients use.

    None for anything else, an empty login too: S2LOW then looks at the certificate alone.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, colon, secret = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return Basic(decode_form(login), secret) if colon and login else None


class TooManyFailures(Exception):
    """The account is closed to this address until then: the password was not looked at."""

    def __init__(self, until: datetime):
        super().__init__(until)
        self.until = until


class Memory:
    """Verified passwords, for five minutes, as keyed digests: clients send Basic on every call and argon2 costs 30 ms.

    The stored hash is part of the digest, so a changed password is forgotten at once. Failures are never kept.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}

    def knows(self, attempt: Attempt) -> bool:
        """Whether this password was verified a short while ago."""
        return self._until.get(self._digest(attempt), 0.0) > time.monotonic()

    def keep(self, attempt: Attempt) -> None:
        """Remember that this password was verified."""
        now = time.monotonic()
        self._until = {digest: until for digest, until in self._until.items() if until > now}
        self._until[self._digest(attempt)] = now + REMEMBER_SECONDS

    def _digest(self, attempt: Attempt) -> bytes:
        text = f"{attempt.user.id}\0{attempt.stored}\0".encode() + attempt.secret
        return hmac.digest(self._key, text, hashlib.sha256)


class Credentials:
    """Verifies passwords; those of one account from one address one after the other, so that none escapes the count."""

    def __init__(self, deps: Deps):
        self._deps = deps
        self._memory = Memory()

    async def waste(self, certificate_hash: str, secret: bytes) -> None:
        """Take the time of a verification for a login that is nobody's; those of one certificate one after the other.

        Nothing counts them, for there is no account; but they must not keep the others waiting.
        """
        async with turn(certificate_hash):
            await check_password(None, secret)

    async def verify(self, attempt: Attempt, failures: Failures | None) -> bool:
        """Whether this is the password of the account. Raises TooManyFailures without looking at it."""
        self._check_open(failures)
        if failures is None and self._memory.knows(attempt):
            return True
        async with turn((attempt.user.id, attempt.address)):
            # the turn may have been long in coming: others may have failed, or verified the same password
            async with self._deps.transaction("system") as connection:
                failures = await get_failures(connection, attempt.user.id, attempt.address, window_start(self._deps))
            self._check_open(failures)
            return await self._try(attempt, failed=failures is not None)

    async def _try(self, attempt: Attempt, failed: bool) -> bool:
        known = self._memory.knows(attempt)
        if not known and not await check_password(attempt.stored, attempt.secret):
            await record_failure(self._deps, attempt)
            return False
        if failed or not known:
            self._memory.keep(await record_success(self._deps, attempt, failed))
        return True

    def _check_open(self, failures: Failures | None) -> None:
        if (until := blocked_until(self._deps, failures)) is not None:
            raise TooManyFailures(until)
