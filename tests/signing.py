"""Documents signed for tests: PAdES, PKCS#7, by certificates of an authority of our own."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs: certificate, key, and the certificates to send along."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    others: tuple[x509.Certificate, ...] = ()

    def signer(self) -> SimpleSigner:
        """As pyHanko wants it."""
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple([_asn1(one) for one in self.others])
        return SimpleSigner(signing_cert=_asn1(self.certificate), signing_key=_key(self.key), cert_registry=registry)


class Authority:
    """A root, an intermediate below it, and the persons that it certifies."""

    def __init__(self, name: str):
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = _issue(name, self._root_key.public_key(), (name, self._root_key), authority=True)
        self.below = _issue(f"{name} fille", self._key.public_key(), (name, self._root_key), authority=True)
        self._name = f"{name} fille"

    def write(self, path: Path) -> str:
        """The root alone, as a file of authorities."""
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def certify(self, name: str, key: rsa.RSAPublicKey) -> x509.Certificate:
        """A certificate of that key."""
        return _issue(name, key, (self._name, self._key))

    def person(self, name: str, ended: bool = False) -> Person:
        key = rsa.generate_private_key(65537, 2048)
        certificate = _issue(name, key.public_key(), (self._name, self._key), ended=ended)
        return Person(certificate, key, (self.below,))

    def revoke(self, person: Person, since: timedelta = DAY, lost: timedelta | None = None) -> bytes:
        """A revocation list of the intermediate that names the person; `lost`: it says since when the key was."""
        now = datetime.now(UTC)
        entry = x509.RevokedCertificateBuilder().serial_number(person.certificate.serial_number)
        if lost is not None:
            entry = entry.add_extension(x509.InvalidityDate(now - lost), critical=False)
        builder = x509.CertificateRevocationListBuilder().issuer_name(_name(self._name))
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        builder = builder.add_revoked_certificate(entry.revocation_date(now - since).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def sign_pdf(
    pdf: bytes,
    person: Person,
    field: str = "Maire",
    pades: bool = True,
    certify: bool = False,
    stamped_by: Person | None = None,
) -> bytes:
    """The PDF with one more signature; `certify`: nothing may be added after it."""
    metadata = PdfSignatureMetadata(
        field_name=field,
        subfilter=SigSeedSubFilter.PADES if pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        certify=certify,
        docmdp_permissions=MDPPerm.NO_CHANGES if certify else MDPPerm.FILL_FORMS,
    )
    stamper = None
    if stamped_by is not None:
        registry = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        stamper = DummyTimeStamper(_asn1(stamped_by.certificate), _key(stamped_by.key), registry)
    signer = PdfSigner(metadata, person.signer(), timestamper=stamper)
    with ThreadPoolExecutor(1) as threads:
        # the library runs a loop of its own, which the thread of a test may have already
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
        signed = threads.submit(signer.sign_pdf, writer, output=io.BytesIO()).result()
    data: bytes = signed.getvalue()
    return data


def sign_apart(data: bytes, person: Person, attached: bool = False) -> str:
    """A PKCS#7 signature of these bytes, in PEM; `attached`: it carries them."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    builder = builder.add_signer(person.certificate, person.key, hashes.SHA256())
    for other in person.others:
        builder = builder.add_certificate(other)
    options = [pkcs7.PKCS7Options.Binary] + ([] if attached else [pkcs7.PKCS7Options.DetachedSignature])
    der = builder.sign(serialization.Encoding.DER, options)
    return "-----BEGIN PKCS7-----\n" + base64.encodebytes(der).decode() + "-----END PKCS7-----\n"


def _issue(
    name: str,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    by: tuple[str, ec.EllipticCurvePrivateKey],
    authority: bool = False,
    ended: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    issuer, issuer_key = by
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 400 * DAY)
        .not_valid_after(now - DAY if ended else now + 30 * DAY)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(not authority, not authority, False, False, False, authority, authority, False, False),
            critical=True,
        )
    )
    if not authority:
        usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.TIME_STAMPING]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _asn1(certificate: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))


def _key(key: rsa.RSAPrivateKey) -> keys.PrivateKeyInfo:
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return keys.PrivateKeyInfo.load(key.private_bytes(serialization.Encoding.DER, *form))


def pem(certificate: x509.Certificate) -> bytes:
    """As a file of authorities holds it."""
    return certificate.public_bytes(serialization.Encoding.PEM)
