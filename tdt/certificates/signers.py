"""Who signed a document, and does the certificate lead to the authorities whose certificates may télétransmettre?"""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from tdt.certificates.chain import ChainVerifier
from tdt.certificates.files import MALFORMED, Stamp, read_certificates, stamp
from tdt.certificates.revocation import REVOKED, Revocations, read_cache, read_crls
from tdt.config import ConfigError, Server
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Temporary
from tdt.domain.signatures import Signature, Signer

NO_AUTHORITIES = "Les autorités des signataires ne peuvent pas être lues."


class Signers:
    """The authorities and the lists of `[server]`, read again when their files change. Blocks: call it in a thread.

    `others`: a file or folder of more authorities that are accepted.
    """

    def __init__(self, server: Server, cache: Path, others: str = ""):
        self._server, self._cache, self._others = server, cache, others
        self._stamp: Stamp | None = None
        self._verifier, self._revocations = ChainVerifier(()), Revocations((), ())
        self._reading = threading.Lock()

    def identify(self, signature: Signature, now: datetime) -> Signer:
        """Of one signature, judged now, as S2LOW does: the date that a signer or an unknown stamp tells proves nothing.

        Temporary when the authorities cannot be read, or there are none: that is no verdict on the certificate.
        """
        return self._judge((signature.certificate, *signature.others), now, now)

    def identify_at(self, certificates: Sequence[bytes], now: datetime, at: datetime) -> Signer:
        """Of a certificate (the first; others came along), judged as it was at that instant, with what is known now.

        That is how S2LOW judges the signatures of a PES. Temporary as above.
        """
        return self._judge(certificates, now, at, past=True)

    def _judge(self, certificates: Sequence[bytes], now: datetime, at: datetime, past: bool = False) -> Signer:
        verifier, revocations = self._read()
        try:
            certificate = x509.load_der_x509_certificate(certificates[0])
            subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        except MALFORMED as error:
            return Signer(refusal=f"il est illisible ({error})")
        chain, detail = verifier.find(certificates[0], at, _load(certificates[1:]))
        finding = revocations.look(certificate, now, at if past else None)
        refusal = _refusal(certificate, at, detail)
        if not refusal and finding.refusal == REVOKED:
            since = f" depuis le {paris_date(finding.revoked_at):%d/%m/%Y}" if past and finding.revoked_at else ""
            refusal = f"il est révoqué{since}"
        return Signer(
            subject,
            issuer,
            f"{certificate.serial_number:x}",
            tuple(one.subject.rfc4514_string() for one in chain),
            finding.proof.recorded(),
            refusal,
            finding.revoked_at,
        )

    def _read(self) -> tuple[ChainVerifier, Revocations]:
        server = self._server
        trusted = [server.transmit_authorities, *([self._others] if self._others else [])]
        paths = [*trusted, server.connect_authorities, server.crl_directory]
        with self._reading:
            try:
                seen = stamp([*paths, str(self._cache)] if self._cache.is_dir() else paths)
                if seen != self._stamp:
                    authorities = [one for path in trusted for one in read_certificates(path)]
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
        except MALFORMED:
            continue
    return found
