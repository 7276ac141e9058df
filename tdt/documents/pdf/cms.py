"""One signer of a CMS message (PKCS#7): does its signature agree with its certificate, and with the bytes signed?"""

import hashlib
from datetime import UTC, datetime

from asn1crypto import cms, tsp, x509
from cryptography.exceptions import UnsupportedAlgorithm
from pyhanko.sign.general import find_cms_attribute_iter
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, validate_sig_integrity

MOST_CERTIFICATES = 20
MISREAD = (
    SignatureValidationError,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    LookupError,
    NotImplementedError,
    AttributeError,
)
"""What the libraries raise on a message that is not one."""
DETAIL = 200


def find_signer(data: cms.SignedData, signer: cms.SignerInfo) -> x509.Certificate:
    """The certificate that the signer names, among those that came along. ValueError when it did not."""
    named = signer["sid"]
    for certificate in list_certificates(data):
        if named.name == "issuer_and_serial_number":
            if (certificate.issuer, certificate.serial_number) == (
                named.chosen["issuer"],
                named.chosen["serial_number"].native,
            ):
                return certificate
        elif certificate.key_identifier == named.chosen.native:
            return certificate
    raise ValueError("the certificate of the signer is missing")


def list_certificates(data: cms.SignedData) -> list[x509.Certificate]:
    """Those that came along, a bounded number of them."""
    certificates = data["certificates"]
    if not isinstance(certificates, cms.CertificateSet):
        return []
    return [one.chosen for one in certificates if one.name == "certificate"][:MOST_CERTIFICATES]


def list_others(data: cms.SignedData, certificate: x509.Certificate) -> tuple[bytes, ...]:
    """The certificates that came along beside that of the signer."""
    own = certificate.dump()
    return tuple(der for one in list_certificates(data) if (der := one.dump()) != own)


def check(signer: cms.SignerInfo, certificate: x509.Certificate, kind: str, digest: bytes) -> tuple[bool, bool]:
    """Is the digest of the content the one that was signed, and is the signature that of the certificate's key?"""
    return validate_sig_integrity(signer, certificate, kind, digest)


def claimed_time(signer: cms.SignerInfo) -> datetime | None:
    """When the signer says that it signed; None when it does not, or says no instant."""
    try:
        told = extract_self_reported_ts(signer)
        return told.astimezone(UTC) if told is not None else None
    except (*MISREAD, OverflowError):
        return None


def stamped_time(signer: cms.SignerInfo) -> datetime | None:
    """When a time stamp proves that the signature was there; None without one that is right."""
    try:
        tokens = list(find_cms_attribute_iter(signer["unsigned_attrs"], "signature_time_stamp_token"))
    except MISREAD:
        return None
    times = [stamp_of(token["content"], signer["signature"].native) for token in tokens]
    return min((time for time in times if time is not None), default=None)


def stamp_of(data: cms.SignedData, stamped: bytes) -> datetime | None:
    """The time of a stamp (RFC 3161) if it is one over these bytes."""
    try:
        info: tsp.TSTInfo = data["encap_content_info"]["content"].parsed
        imprint = info["message_imprint"]
        if digest_of(imprint["hash_algorithm"], stamped) != imprint["hashed_message"].native:
            return None
        [signer] = data["signer_infos"]
        content = bytes(data["encap_content_info"]["content"])
        intact, valid = check(
            signer, find_signer(data, signer), "tst_info", digest_of(signer["digest_algorithm"], content)
        )
    except MISREAD:
        return None
    return info["gen_time"].native.astimezone(UTC) if intact and valid else None


def digest_of(algorithm: cms.DigestAlgorithm, data: bytes) -> bytes:
    """By this algorithm. ValueError when it is not known."""
    return hashlib.new(algorithm["algorithm"].native, data).digest()


def describe(error: BaseException) -> str:
    """The words of a library, on one line."""
    return " ".join((str(error) or type(error).__name__).split())[:DETAIL]
