"""From a connection to an account: certificate, Basic credentials, S2LOW's rules and words."""

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_to_bytes

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.files import MALFORMED
from tdt.config import Server
from tdt.db.accounts import Account, find_account_for_login, find_accounts
from tdt.db.logins import Failures
from tdt.db.nonces import find_nonce
from tdt.deps import Deps
from tdt.domain.authorities import Principal, is_active
from tdt.domain.errors import Forbidden
from tdt.domain.identity import Identity, forwarded_certificate
from tdt.flows.logins import Attempt, nonce_start, window_start
from tdt.passwords import check_password, turn
from tdt.web.address import client_address, is_from_proxy
from tdt.web.call import read_query
from tdt.web.credentials import Basic, Credentials, TooManyFailures, read_basic
from tdt.web.forms import Fields

FORWARDED_HEADER = "org.s2low.forward-x509-identification"

STATUS_PAGE = "/connexion-status"
LOGIN_PAGE = "/login.php"

NONCE = re.compile("[0-9A-Za-z]{7}")
PROOF = re.compile("[0-9a-f]{64}")

NOBODY = "Le certificat n'est pas valide : aucun compte trouvé"
SEVERAL = "La connexion n'a pas pu être établie"
TOO_MANY = "Trop d'échecs de connexion à ce compte depuis votre adresse : réessayez dans {} min"


class Unidentified(Forbidden):
    """No account, or several, for this connection: told by S2LOW's common reply, whatever the endpoint."""

    def __init__(self, message: str, page: str = STATUS_PAGE, code: str = "NON_IDENTIFIE"):
        super().__init__(message, code=code, details={"page": page})


class Unproven(Unidentified):
    """Nothing fresh says that the certificate is not revoked, and its issuer is one for which this is required."""

    def __init__(self) -> None:
        super().__init__(
            "Impossible de vérifier que votre certificat n'est pas révoqué : la liste de révocation de son autorité "
            "n'est pas à jour. Réessayez plus tard ; si cela dure, prévenez l'exploitant de la plateforme.",
            code="REVOCATION_INCONNUE",
        )


class Inactive(Forbidden):
    """The account, its collectivité or its group is not active: told in the shape of the endpoint."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="COMPTE_INACTIF", details={"page": STATUS_PAGE})


class Blocked(Unidentified):
    """Too many passwords were refused for this account from this address: told like a client that is not identified."""

    def __init__(self, minutes: int):
        super().__init__(TOO_MANY.format(minutes))
        self.code = "TROP_D_ECHECS"


@dataclass(frozen=True, slots=True)
class Authenticator:
    """What turns an identity into a principal."""

    deps: Deps
    credentials: Credentials

    async def authenticate(self, request: web.Request, identity: Identity, inactive: str) -> Principal:
        """The account that speaks. Raises Unidentified, or Inactive with these words."""
        basic = read_basic(request.headers.get("Authorization", ""))
        accounts, attempt, failures = await self._find(request, identity, basic)
        opened = None
        if basic is not None:
            # first, for there are clients that send a nonce with every call, long after its end
            await self._check(attempt, failures, basic, identity)
        else:
            opened = await self._opened_by_nonce(read_query(request), accounts)
        user, authority, _ = opened or _only(accounts)
        if not is_active(user, authority):
            raise Inactive(inactive)
        return Principal(user, authority, identity)

    async def _find(
        self, request: web.Request, identity: Identity, basic: Basic | None
    ) -> tuple[list[Account], Attempt | None, Failures | None]:
        """The accounts of the certificate; with a login only its own, which is one: the two tell accounts apart."""
        forwarded = request.headers.get(FORWARDED_HEADER, "")
        rgs2 = forwarded_certificate(forwarded) if forwarded else ""
        certificate, address = (identity.certificate_hash, rgs2), request_address(request, self.deps)
        async with self.deps.transaction("system") as connection:
            if basic is None:
                return await find_accounts(connection, *certificate), None, None
            if "\0" in basic.login:  # no text of Postgres holds it
                return [], None, None
            after = window_start(self.deps)
            found = await find_account_for_login(connection, certificate, basic.login, address, after)
        if found is None:
            return [], None, None
        account, failures = found
        return [account], Attempt(account[0], account[2], basic.secret, address), failures

    async def _check(
        self, attempt: Attempt | None, failures: Failures | None, basic: Basic, identity: Identity
    ) -> None:
        if attempt is None:
            await self.credentials.waste(identity.certificate_hash, basic.secret)
            raise Unidentified(NOBODY)
        try:
            verified = await self.credentials.verify(attempt, failures)
        except TooManyFailures as error:
            raise Blocked(minutes_until(self.deps.now(), error.until)) from error
        if not verified:
            raise Unidentified(NOBODY)

    async def _opened_by_nonce(self, query: Fields, accounts: list[Account]) -> Account | None:
        """The first account of the certificate in the collectivité that asked for the nonce of the URL.

        None without a good one: as in S2LOW the certificate then speaks for itself. A nonce is not used up.
        """
        nonce, proof = query.text("nounce"), query.text("hash")
        if not NONCE.fullmatch(nonce) or not PROOF.fullmatch(proof):
            return None
        async with self.deps.transaction("system") as connection:
            found = await find_nonce(connection, nonce, query.text("login"), nonce_start(self.deps))
        if found is None:
            return None
        async with turn(found.hash):
            if not await check_password(found.hash, proof.encode("ascii")):
                return None
        return next((account for account in accounts if account[0].authority_id == found.authority_id), None)


def request_address(request: web.Request, deps: Deps) -> str:
    """Where the client is, as its failures are counted."""
    return client_address(request, is_from_proxy(request, deps.config.server))


def _only(accounts: list[Account]) -> Account:
    if not accounts:
        raise Unidentified(NOBODY)
    if len(accounts) > 1:
        raise Unidentified(SEVERAL, LOGIN_PAGE)
    return accounts[0]


def minutes_until(now: datetime, until: datetime) -> int:
    """Whole minutes to wait, at least one."""
    return max(-int((now - until).total_seconds() // 60), 1)


def peer_certificate(request: web.Request, server: Server) -> bytes | None:
    """The DER certificate of the client: from the TLS connection, or as the proxy that is believed verified it."""
    if server.client_certificate == "nginx":
        return _forwarded_by_nginx(request) if is_from_proxy(request, server) else None
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
    except MALFORMED as error:
        raise Unidentified("Impossible de lire le certificat") from error
