"""The certificate of an account, from the file that an administrator gives."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.files import MALFORMED, PEM_MARK
from tdt.domain.accounts import Certificate
from tdt.domain.errors import Refused
from tdt.domain.identity import certificate_hash

UNREADABLE = "Impossible de lire le certificat"


def read_certificate(data: bytes) -> Certificate:
    """The first certificate of a PEM file, or a DER; whatever else the file holds (a key!) is left. Raises Refused."""
    try:
        certificate = x509.load_pem_x509_certificate(data) if PEM_MARK in data else x509.load_der_x509_certificate(data)
        der = certificate.public_bytes(Encoding.DER)
        return Certificate(
            hash=certificate_hash(der),
            pem=certificate.public_bytes(Encoding.PEM).decode("ascii"),
            subject_dn=certificate.subject.rfc4514_string(),
            issuer_dn=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:X}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )
    except MALFORMED as error:
        raise Refused(UNREADABLE) from error
