"""From a connection to an account: certificate, Basic credentials, S2LOW's rules and words."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.db.accounts import Account, find_accounts
from tdt.deps import Deps
from tdt.domain.authorities import Principal, User, is_active
from tdt.domain.errors import Forbidden
from tdt.domain.identity import Identity, forwarded_certificate
from tdt.domain.text import decode_form

REMEMBER_SECONDS = 300.0
VERIFICATIONS_AT_ONCE = 2
FORWARDED_HEADER = "org.s2low.forward-x509-identification"

STATUS_PAGE = "/connexion-status"
LOGIN_PAGE = "/login.php"


class Unidentified(Forbidden):
    """No account, or several, for this connection: told by S2LOW's common reply, whatever the endpoint."""

    def __init__(self, message: str, page: str = STATUS_PAGE):
        super().__init__(message, code="NON_IDENTIFIE", details={"page": page})


class Inactive(Forbidden):
    """The account, its collectivité or its group is not active: told in the shape of the endpoint."""

    def __init__(self) -> None:
        super().__init__("Échec de l'authentification", code="COMPTE_INACTIF", details={"page": STATUS_PAGE})


@dataclass(frozen=True, slots=True)
class Basic:
    """Credentials of an Authorization header."""

    login: str
    password: str


class CredentialMemory:
    """Verified passwords, for five minutes, as keyed digests: clients send Basic on every call and argon2 costs 30 ms.

    The stored hash is part of the digest, so a changed password is forgotten at once. Failures are never kept.
    """

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._turns = asyncio.Semaphore(VERIFICATIONS_AT_ONCE)

    async def verify(self, user: User, password_hash: str | None, password: str) -> bool:
        """Whether this is the password of the account."""
        if not password_hash:
            return False
        known = self._digest(user, password_hash, password)
        now = time.monotonic()
        if self._until.get(known, 0.0) > now:
            return True
        async with self._turns:
            verified = await asyncio.to_thread(self._check, password_hash, password)
        if verified:
            self._until = {digest: until for digest, until in self._until.items() if until > now}
            self._until[known] = now + REMEMBER_SECONDS
        return verified

    def _check(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def _digest(self, user: User, password_hash: str, password: str) -> bytes:
        text = f"{user.id}\0{password_hash}\0{password}"
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What turns an identity into a principal."""

    deps: Deps
    memory: CredentialMemory = field(default_factory=CredentialMemory)

    async def authenticate(self, request: web.Request, identity: Identity) -> Principal:
        """The account that speaks. Raises Unidentified or Inactive."""
        basic = read_basic(request.headers.get("Authorization", ""))
        forwarded = request.headers.get(FORWARDED_HEADER, "")
        rgs2 = forwarded_certificate(forwarded) if forwarded else ""
        async with self.deps.transaction("system") as connection:
            accounts = await find_accounts(connection, identity.certificate_hash, rgs2)
        user, authority, _ = await self._choose(accounts, basic)
        if not is_active(user, authority):
            raise Inactive
        return Principal(user, authority, identity)

    async def _choose(self, accounts: list[Account], basic: Basic | None) -> Account:
        if basic is not None and basic.login:
            accounts = [
                account
                for account in accounts
                if account[0].login == basic.login and await self.memory.verify(account[0], account[2], basic.password)
            ]
        if not accounts:
            raise Unidentified("Le certificat n'est pas valide : aucun compte trouvé")
        if len(accounts) > 1:
            raise Unidentified("La connexion n'a pas pu être établie", LOGIN_PAGE)
        return accounts[0]


def read_basic(header: str) -> Basic | None:
    """The login and password of an Authorization header, in any charset that clients use; None for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return Basic(decode_form(login), decode_form(password)) if colon else None


def peer_certificate(request: web.Request, behind_nginx: bool) -> bytes | None:
    """The DER certificate of the client: from the TLS connection, or as nginx verified it (unix socket only)."""
    if behind_nginx:
        return _forwarded_by_nginx(request)
    connection = request.get_extra_info("ssl_object")
    if connection is None:
        return None
    certificate: bytes | None = connection.getpeercert(binary_form=True)
    return certificate


def _forwarded_by_nginx(request: web.Request) -> bytes | None:
    if request.headers.get("X-Client-Verify") != "SUCCESS":
        return None
    pem = unquote_to_bytes(request.headers.get("X-Client-Cert", ""))
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError as error:
        raise Unidentified("Impossible de lire le certificat") from error
