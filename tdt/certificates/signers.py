"""Who signed a document, and does the certificate lead to the authorities whose certificates may télétransmettre?"""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from tdt.certificates.chain import ChainVerifier
from tdt.certificates.files import Stamp, read_certificates, stamp
from tdt.certificates.revocation import REVOKED, Revocations, read_cache, read_crls
from tdt.config import ConfigError, Server
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Temporary
from tdt.domain.signatures import Signature, Signer

NO_AUTHORITIES = "Les autorités des signataires ne peuvent pas être lues."


class Signers:
    """The authorities and the lists of `[server]`, read again when their files change. Blocks: call it in a thread."""

    def __init__(self, server: Server, cache: Path):
        self._server, self._cache = server, cache
        self._stamp: Stamp | None = None
        self._verifier, self._revocations = ChainVerifier(()), Revocations((), ())
        self._reading = threading.Lock()

    def identify(self, signature: Signature, now: datetime) -> Signer:
        """Of one signature, judged now, as S2LOW does: the date that a signer or an unknown stamp tells proves nothing.

        Temporary when the authorities cannot be read, or there are none: that is no verdict on the certificate.
        """
        verifier, revocations = self._read()
        try:
            certificate = x509.load_der_x509_certificate(signature.certificate)
            subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        except ValueError as error:
            return Signer(refusal=f"il est illisible ({error})")
        chain, detail = verifier.find(signature.certificate, now, _load(signature.others))
        finding = revocations.look(certificate, now)
        refusal = _refusal(certificate, now, detail)
        if not refusal and finding.refusal == REVOKED:
            refusal = "il est révoqué"
        return Signer(
            subject,
            issuer,
            f"{certificate.serial_number:x}",
            tuple(one.subject.rfc4514_string() for one in chain),
            finding.proof.recorded(),
            refusal,
        )

    def _read(self) -> tuple[ChainVerifier, Revocations]:
        server = self._server
        paths = [server.transmit_authorities, server.connect_authorities, server.crl_directory]
        with self._reading:
            try:
                seen = stamp([*paths, str(self._cache)] if self._cache.is_dir() else paths)
                if seen != self._stamp:
                    authorities = read_certificates(server.transmit_authorities)
                    if not authorities:
                        raise ConfigError(["[server] transmit_authorities: no certificate"])
                    fetched, answers = read_cache(self._cache)
                    known = [*authorities, *read_certificates(server.connect_authorities)]
                    lists = [*read_crls(server.crl_directory), *fetched]
                    self._revocations = Revocations(known, lists, answers)
                    self._verifier, self._stamp = ChainVerifier(authorities), seen
            except (OSError, ConfigError) as error:
                raise Temporary(NO_AUTHORITIES, code="REGLAGE", details={"error": str(error)}) from error
        return self._verifier, self._revocations


def _refusal(certificate: x509.Certificate, now: datetime, detail: str) -> str:
    """Why it is not accepted, for people; empty without `detail`, the words of the library."""
    if not detail:
        return ""
    if now > certificate.not_valid_after_utc:
        return f"il a pris fin le {paris_date(certificate.not_valid_after_utc):%d/%m/%Y}"
    if now < certificate.not_valid_before_utc:
        return f"il ne vaut qu'à partir du {paris_date(certificate.not_valid_before_utc):%d/%m/%Y}"
    return "il ne mène à aucune autorité acceptée pour la télétransmission"


def _load(others: Sequence[bytes]) -> list[x509.Certificate]:
    found = []
    for der in others:
        try:
            found.append(x509.load_der_x509_certificate(der))
        except ValueError:
            continue
    return found
