"""The revocation lists that we fetched: where they come from, which of them may be kept, the folder that keeps them."""

import fcntl
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from tdt.certificates.files import PEM_MARK, list_files, read_certificates, replace_file
from tdt.certificates.revocation import is_signed_by
from tdt.config import ConfigError, Revocation

CLOCKS_DIFFER = timedelta(minutes=5)
SCHEMES = ("http://", "https://")


class ListRefused(Exception):
    """What came is no list to keep: what we had stays."""


def demands(revocation: Revocation) -> dict[x509.Name, bool]:
    """The issuers whose proof the configuration decides: must it be fresh? Raises ConfigError."""
    return {name: issuer.proof == "hard" for issuer in revocation.issuer for name in _names(issuer.certificate)}


def configured_points(revocation: Revocation, authorities: Iterable[x509.Certificate]) -> dict[str, x509.Name]:
    """Every address of a list known before the first connection, and the issuer of that list. Raises ConfigError."""
    found = {url: name for authority in authorities for url, name in distribution_points(authority).items()}
    for issuer in revocation.issuer:
        for name in _names(issuer.certificate):
            if issuer.crl:
                # the addresses of the configuration replace those of the certificates
                found = {url: other for url, other in found.items() if other != name}
                found |= dict.fromkeys(issuer.crl, name)
    return found


def distribution_points(certificate: x509.Certificate) -> dict[str, x509.Name]:
    """Where the certificate says that the list of its issuer is (CDP, over HTTP or HTTPS)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return {}
    return {
        name.value: certificate.issuer
        for point in points
        if not point.crl_issuer and not point.reasons
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier) and name.value.startswith(SCHEMES)
    }


def judge(
    data: bytes, issuer: x509.Name, authorities: Sequence[x509.Certificate], now: datetime
) -> x509.CertificateRevocationList:
    """The list, when it is one of this issuer, signed by it, complete and current. Raises ListRefused."""
    try:
        crl = (x509.load_pem_x509_crl if PEM_MARK in data else x509.load_der_x509_crl)(data)
        whole = _is_whole(crl)
    except ValueError as error:
        raise ListRefused("not a revocation list") from error
    if crl.issuer != issuer:
        raise ListRefused("of another issuer")
    if not any(is_signed_by(crl, one) for one in authorities if one.subject == issuer):
        raise ListRefused("not signed by its issuer")
    if not whole:
        raise ListRefused("only a part of the revocations (delta, indirect or partial)")
    if crl.last_update_utc > now + CLOCKS_DIFFER:
        raise ListRefused("of the future")
    if crl.next_update_utc is None or crl.next_update_utc <= now:
        raise ListRefused("out of date")
    return crl


def keep(folder: Path, url: str, crl: x509.CertificateRevocationList, data: bytes) -> bool:
    """Put the list in the place of the former one of this address, whole; False when it is the same. Blocks.

    Raises ListRefused for one that is older: whoever replays it would take a revocation back.
    """
    with _alone(folder):
        return _keep(folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.crl", crl, data)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Several processes share the folder; closing the file lets the next one in."""
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _keep(path: Path, crl: x509.CertificateRevocationList, data: bytes) -> bool:
    if path.exists():
        before = path.read_bytes()
        if before == data:
            return False
        known = _read(before)
        if known is not None and known.issuer == crl.issuer and crl.last_update_utc < known.last_update_utc:
            raise ListRefused("older than the one we have")
    replace_file(path, data)
    return True


def read_cached(folder: str) -> list[x509.CertificateRevocationList]:
    """The lists of the folder; a file that is none is left out, and fetched anew. Blocks."""
    return [crl for file in list_files(folder) if (crl := _read(file.read_bytes())) is not None]


def _read(data: bytes) -> x509.CertificateRevocationList | None:
    try:
        return (x509.load_pem_x509_crl if PEM_MARK in data else x509.load_der_x509_crl)(data)
    except ValueError:
        return None


def _is_whole(crl: x509.CertificateRevocationList) -> bool:
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


def _names(path: str) -> list[x509.Name]:
    try:
        return [certificate.subject for certificate in read_certificates(path)]
    except OSError as error:
        raise ConfigError([f"[[revocation.issuer]] certificate: {path}: {error.strerror}"]) from error
