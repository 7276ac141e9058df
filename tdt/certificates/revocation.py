"""Our own CRL check: the handshake verifies the chain, this says whether a certificate of it was revoked since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from tdt.certificates.files import PEM_MARK, list_files
from tdt.config import ConfigError

NO_PROOF = "no current revocation list"
LONGEST_CHAIN = 8
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _List:
    crl: x509.CertificateRevocationList
    next_update: datetime | None


class Revocations:
    """The CRLs in memory, by issuer. Only lists signed by a known authority count.

    `demands`: for these issuers, whether a current list is required; `required` of a call decides for the others.
    """

    def __init__(
        self,
        authorities: Sequence[x509.Certificate],
        crls: Sequence[x509.CertificateRevocationList],
        demands: Mapping[x509.Name, bool] | None = None,
    ):
        self._demands = demands or {}
        self._authorities: dict[x509.Name, list[x509.Certificate]] = {}
        for authority in authorities:
            self._authorities.setdefault(authority.subject, []).append(authority)
        self._verdicts: dict[x509.Certificate, bool] = {}
        self._lists: dict[x509.Name, list[_List]] = {}
        for crl in crls:
            if any(is_signed_by(crl, authority) for authority in self._authorities.get(crl.issuer, ())):
                self._lists.setdefault(crl.issuer, []).append(_List(crl, crl.next_update_utc))

    def refusal(self, leaf: x509.Certificate, required: bool, now: datetime) -> str:
        """Why the certificate must not be served, empty when it may.

        An expired list still revokes. `required`: an issuer without a current list is a refusal too.
        """
        certificate = leaf
        for _ in range(LONGEST_CHAIN):
            if reason := self._look(certificate, required, now):
                return reason
            issuers = self._authorities.get(certificate.issuer, [])
            if certificate.issuer == certificate.subject or not issuers:
                break
            certificate = issuers[0]
        return ""

    def _look(self, certificate: x509.Certificate, required: bool, now: datetime) -> str:
        if certificate.issuer == certificate.subject:
            return ""
        lists = self._lists.get(certificate.issuer, [])
        if self._is_revoked(certificate, lists):
            return "revoked"
        if self._demands.get(certificate.issuer, required) and not any(
            known.next_update is None or known.next_update > now for known in lists
        ):
            return NO_PROOF
        return ""

    def _is_revoked(self, certificate: x509.Certificate, lists: Sequence[_List]) -> bool:
        # looking a serial up walks the whole list: once per certificate, not once per request
        known = self._verdicts.get(certificate)
        if known is None:
            if len(self._verdicts) >= REMEMBERED:
                self._verdicts.clear()
            entries = (one.crl.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in lists)
            known = any(entry is not None and not _is_unrevoked(entry) for entry in entries)
            self._verdicts[certificate] = known
        return known


def read_crls(path: str) -> list[x509.CertificateRevocationList]:
    """Every CRL of a directory (or file), PEM or DER."""
    found = []
    for file in list_files(path):
        data = file.read_bytes()
        try:
            load = x509.load_pem_x509_crl if PEM_MARK in data else x509.load_der_x509_crl
            found.append(load(data))
        except ValueError as error:
            raise ConfigError([f"{file}: not a revocation list ({error})"]) from error
    return found


def is_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Whether the key of this authority signed the list."""
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def _is_unrevoked(entry: x509.RevokedCertificate) -> bool:
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, ValueError):
        return False
    return reason is x509.ReasonFlags.remove_from_crl
