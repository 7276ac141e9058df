"""OCSP answers for tests, as an authority or its responder signs them."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey]


def answer(
    about: x509.Certificate,
    issuer: x509.Certificate,
    signer: Signer,
    at: datetime,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    lasts: timedelta = timedelta(days=1),
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:
    """What is said of a certificate at an instant; a signer that is not the issuer encloses its certificate."""
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about,
        issuer=issuer,
        algorithm=algorithm or hashes.SHA1(),
        cert_status=status,
        this_update=at,
        next_update=at + lasts,
        revocation_time=at - timedelta(hours=1) if revoked else None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer[0])
    if signer[0] != issuer:
        builder = builder.certificates([signer[0]])
    return builder.sign(signer[1], hashes.SHA256()).public_bytes(Encoding.DER)
