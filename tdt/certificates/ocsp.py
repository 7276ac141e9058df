"""OCSP (RFC 6960): the request about a certificate, and an answer read only when somebody entitled signed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from tdt.certificates.files import MALFORMED


@dataclass(frozen=True, slots=True)
class Answer:
    """What an authority says of one certificate. `known` is false when it says that it does not know it."""

    issuer: x509.Certificate
    serial: int
    revoked: bool
    known: bool
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None = None


def build_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The request about a certificate, in DER. SHA-1 names the issuer, as every responder understands."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


def read_answer(response: ocsp.OCSPResponse, authorities: Sequence[x509.Certificate]) -> Answer | None:
    """What it says, when one of these authorities, or a responder that it delegated, signed it; None otherwise."""
    try:
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        issuer = next((one for one in authorities if _is_about(response, one)), None)
        if issuer is None or not _is_entitled(response, issuer):
            return None
        return Answer(
            issuer,
            response.serial_number,
            response.certificate_status is ocsp.OCSPCertStatus.REVOKED,
            response.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN,
            response.this_update_utc,
            response.next_update_utc,
            response.revocation_time_utc,
        )
    except MALFORMED:
        return None


def _is_about(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    return response.issuer_key_hash == _key_hash(issuer, response.hash_algorithm) and (
        response.issuer_name_hash == _digest(issuer.subject.public_bytes(), response.hash_algorithm)
    )


def _key_hash(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> bytes:
    """RFC 6960 §4.1.1: of the bits of the public key, without what says of which kind it is."""
    if type(algorithm) is hashes.SHA1:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    whole = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _digest(_bits_of(whole), algorithm)


def _bits_of(key_info: bytes) -> bytes:
    """The content of the BIT STRING that ends a SubjectPublicKeyInfo: SEQUENCE { algorithm, BIT STRING }."""
    body, _ = _content(key_info)
    _, rest = _content(body)
    bits, _ = _content(rest)
    return bits[1:]


def _content(der: bytes) -> tuple[bytes, bytes]:
    """The content of the first element, and what follows it."""
    length, start = der[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[2 : 2 + size], "big"), 2 + size
    return der[start : start + length], der[start + length :]


def _digest(data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _is_entitled(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Signed by the issuer itself, or by a certificate that it issued for this use (RFC 6960 §4.2.2.2)."""
    if _verifies(response, issuer):
        return True
    return any(_is_delegated(one, issuer, response) and _verifies(response, one) for one in response.certificates)


def _is_delegated(responder: x509.Certificate, issuer: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    try:
        usages = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        responder.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, InvalidSignature, TypeError, ValueError):
        return False
    at = response.this_update_utc
    in_time = responder.not_valid_before_utc <= at <= responder.not_valid_after_utc
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages and in_time


def _verifies(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, algorithm = signer.public_key(), response.signature_hash_algorithm
    try:
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(response.signature, response.tbs_response_bytes)
        elif algorithm is None or isinstance(algorithm, hashes.SHA1 | hashes.MD5):
            return False
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
