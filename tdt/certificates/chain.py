"""Does a certificate lead to these authorities, today?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from tdt.certificates.files import MALFORMED

REMEMBERED = 4096
VERDICT_HOLDS = timedelta(minutes=1)


Chain = tuple[x509.Certificate, ...]


class ChainVerifier:
    """Does a client certificate lead to these authorities? A verdict holds for a minute; a reload forgets it."""

    def __init__(self, authorities: Sequence[x509.Certificate]):
        # as `openssl verify` does, a chain must end at a self-signed authority
        self._roots = [authority for authority in authorities if authority.issuer == authority.subject]
        self._intermediates = [authority for authority in authorities if authority.issuer != authority.subject]
        self._verdicts: dict[bytes, tuple[datetime, Chain, str]] = {}

    def refusal(self, der: bytes, now: datetime) -> str:
        """Why the certificate is not accepted, empty when it is."""
        return self._verdict(der, now)[1]

    def chain(self, der: bytes, now: datetime) -> Chain:
        """The certificate, the authority whose key signed it, … up to a root; empty when it is not accepted.

        The same object as long as the verdict holds.
        """
        return self._verdict(der, now)[0]

    def find(self, der: bytes, now: datetime, untrusted: Sequence[x509.Certificate]) -> tuple[Chain, str]:
        """The same two, through certificates that came along as well; nothing is remembered."""
        return self._verify(der, now, untrusted)

    def _verdict(self, der: bytes, now: datetime) -> tuple[Chain, str]:
        known = self._verdicts.get(der)
        if known is not None and timedelta(0) <= now - known[0] < VERDICT_HOLDS:
            return known[1:]
        if len(self._verdicts) >= REMEMBERED:
            self._verdicts.clear()
        chain, refusal = self._verify(der, now)
        self._verdicts[der] = (now, chain, refusal)
        return chain, refusal

    def _verify(self, der: bytes, now: datetime, untrusted: Sequence[x509.Certificate] = ()) -> tuple[Chain, str]:
        if not self._roots:
            return (), "aucune autorité n'est acceptée pour la télétransmission"
        builder = PolicyBuilder().store(Store(self._roots)).time(now)
        builder = builder.extension_policies(ca_policy=_authority_policy(), ee_policy=_any_extension())
        try:
            verifier = builder.build_client_verifier()
            verified = verifier.verify(x509.load_der_x509_certificate(der), [*self._intermediates, *untrusted])
        except (VerificationError, *MALFORMED) as error:
            return (), str(error)
        return tuple(verified.chain), ""


def _any_extension() -> ExtensionPolicy:
    """Client certificates rarely carry a SAN, which the usual profile demands.

    Critical policies are no fault: nobody demands one here (RFC 5280 §6.1.1), their level is judged apart (rgs).
    """
    return ExtensionPolicy.permit_all().may_be_present(x509.CertificatePolicies, Criticality.AGNOSTIC, None)


def _authority_policy() -> ExtensionPolicy:
    return (
        _any_extension()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_is_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_may_sign)
    )


def _check_is_authority(_policy: object, _certificate: x509.Certificate, extension: x509.BasicConstraints) -> None:
    if not extension.ca:
        raise ValueError("an issuer of the chain is not an authority")


def _check_may_sign(_policy: object, _certificate: x509.Certificate, extension: x509.KeyUsage | None) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("an issuer of the chain may not sign certificates")
