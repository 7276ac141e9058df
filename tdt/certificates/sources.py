"""Where the revocation of the certificates in play is told: addresses of lists, OCSP responders."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from tdt.certificates.chain import ChainVerifier
from tdt.certificates.files import MALFORMED
from tdt.certificates.ocsp import Answer, build_request, read_answer
from tdt.certificates.revocation import NOT_YET, is_signed_by, load_crl

SCHEMES = ("http://", "https://")
LONGEST_ADDRESS = 2048


@dataclass(frozen=True, slots=True)
class ListSource:
    """A list to fetch, signed by one of the authorities of this name (several when one was renewed)."""

    url: str
    authorities: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """A certificate to ask a responder about."""

    url: str
    certificate: x509.Certificate
    issuer: x509.Certificate

    @property
    def request(self) -> bytes:
        """What to post."""
        return build_request(self.certificate, self.issuer)


@dataclass(frozen=True, slots=True)
class Sources:
    """All there is to fetch, each address once."""

    lists: tuple[ListSource, ...]
    answers: tuple[AnswerSource, ...]


def find_sources(
    authorities: Sequence[x509.Certificate],
    certificates: Iterable[x509.Certificate],
    now: datetime,
    urls: Sequence[str],
    asks: Callable[[x509.Name], bool],
) -> Sources:
    """The lists of these addresses, of the authorities and of those who issued these certificates; their responders.

    `asks` tells whether the certificates of an issuer are to be asked about, one by one.

    Only certificates whose chain leads to the authorities are believed: an address in any other would make us call
    whatever its author wants.
    """
    verifier = ChainVerifier(authorities)
    lists: dict[str, set[x509.Certificate]] = {url: set(authorities) for url in urls}
    answers: dict[tuple[str, bytes], AnswerSource] = {}
    trusted, seen = set(authorities), set()
    for certificate in [*authorities, *certificates]:
        issuers, addresses = _issuers_of(certificate, authorities), _lists_of(certificate)
        responders = _responders_of(certificate)[:1] if issuers and asks(certificate.issuer) else []
        key = (certificate.issuer, tuple(addresses))
        if not issuers or (key in seen and not responders):
            continue  # thousands of certificates share their issuer and its list
        der = certificate.public_bytes(Encoding.DER)
        if certificate not in trusted and not verifier.chain(der, now):
            continue
        seen.add(key)
        for url in addresses:
            lists.setdefault(url, set()).update(issuers)
        for url in responders:
            answers[url, der] = AnswerSource(url, certificate, issuers[0])
    return Sources(tuple(ListSource(url, tuple(signers)) for url, signers in lists.items()), tuple(answers.values()))


def _issuers_of(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    if certificate.issuer == certificate.subject:
        return ()
    return tuple(one for one in authorities if one.subject == certificate.issuer)


def _lists_of(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, *MALFORMED):
        return []
    names = [name for point in points for name in point.full_name or ()]
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [uri for uri in uris if _is_callable(uri)]


def _responders_of(certificate: x509.Certificate) -> list[str]:
    try:
        accesses = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, *MALFORMED):
        return []
    return [
        access.access_location.value
        for access in accesses
        if access.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(access.access_location, x509.UniformResourceIdentifier)
        and _is_callable(access.access_location.value)
    ]


def _is_callable(url: str) -> bool:
    return url.lower().startswith(SCHEMES) and len(url) <= LONGEST_ADDRESS and url.isascii() and url.isprintable()


def check_list(data: bytes, source: ListSource, held: Path, now: datetime) -> str:
    """Why a list that came must not replace the one that is held, empty when it may."""
    try:
        return _fault_of_list(load_crl(data), source, held, now)
    except MALFORMED:  # each part is read when it is looked at
        return "ce n'est pas une liste de révocation"


def _fault_of_list(new: x509.CertificateRevocationList, source: ListSource, held: Path, now: datetime) -> str:
    whole = is_whole(new)
    if not any(one.subject == new.issuer and is_signed_by(new, one) for one in source.authorities):
        return "elle n'est pas signée par son autorité"
    if not whole:
        return "elle n'est pas entière (delta, indirecte ou partielle)"
    if new.last_update_utc > now + NOT_YET:
        return "elle est datée de l'avenir"
    if new.next_update_utc is None or new.next_update_utc <= now:
        return "elle est périmée"
    old = _held_list(held)
    if old is not None and old.issuer == new.issuer and new.last_update_utc < old.last_update_utc:
        return "elle est plus ancienne que celle que nous avons"
    return ""


def _held_list(held: Path) -> x509.CertificateRevocationList | None:
    try:
        return load_crl(held.read_bytes()) if held.exists() else None
    except MALFORMED:
        return None


def is_whole(crl: x509.CertificateRevocationList) -> bool:
    """Does it tell of every certificate of its issuer? Raises ValueError when it cannot be read."""
    extensions: Mapping[type, x509.ExtensionType] = {type(one.value): one.value for one in crl.extensions}
    scope = extensions.get(x509.IssuingDistributionPoint)
    partial = isinstance(scope, x509.IssuingDistributionPoint) and (
        scope.indirect_crl
        or bool(scope.only_some_reasons)
        or scope.only_contains_attribute_certs
        or scope.only_contains_ca_certs
        or scope.only_contains_user_certs
    )
    return x509.DeltaCRLIndicator not in extensions and not partial


def check_answer(data: bytes, source: AnswerSource, held: Path, now: datetime) -> str:
    """Why an OCSP answer that came must not replace the one that is held, empty when it may."""
    try:
        response = ocsp.load_der_ocsp_response(data)
    except MALFORMED:
        return "ce n'est pas une réponse OCSP"
    answer = read_answer(response, [source.issuer])
    if answer is None or answer.serial != source.certificate.serial_number:
        return "elle n'est pas signée, ou ne parle pas de ce certificat"
    if not answer.known:
        return "le répondeur ne connaît pas ce certificat"
    if answer.next_update is not None and answer.next_update <= now:
        return "elle est périmée"
    old = _held_answer(held, source.issuer)
    if old is not None and answer.this_update < old.this_update:
        return "elle est plus ancienne que celle que nous avons"
    return ""


def _held_answer(held: Path, issuer: x509.Certificate) -> Answer | None:
    try:
        return read_answer(ocsp.load_der_ocsp_response(held.read_bytes()), [issuer]) if held.exists() else None
    except MALFORMED:
        return None
