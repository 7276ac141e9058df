"""Detached CMS (PKCS#7) signatures of documents of the platform: made with its key, and checked again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from tdt.certificates.files import PEM_MARK
from tdt.config import Signing
from tdt.domain.errors import Temporary

UNUSABLE = "Le certificat ou la clé de [signing] ne peut pas servir : {}."


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature in DER, and the certificate in PEM that verifies it."""

    signature: bytes
    certificate: bytes


def open_signer(signing: Signing) -> Callable[[bytes], Signed] | None:
    """What signs a document with the key of the configuration; None without key. Blocks.

    Raises Temporary when the files cannot be used: what is to be signed waits until they can.
    """
    if not signing.certificate:
        return None
    try:
        found = Path(signing.certificate).read_bytes()
        chain = x509.load_pem_x509_certificates(found) if PEM_MARK in found else [x509.load_der_x509_certificate(found)]
        key = serialization.load_pem_private_key(Path(signing.key).read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Temporary(UNUSABLE.format(error)) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) or key.public_key() != chain[0].public_key():
        raise Temporary(UNUSABLE.format("la clé n'est pas celle du certificat, RSA ou EC"))
    pem = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)

    def sign(document: bytes) -> Signed:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document).add_signer(chain[0], key, hashes.SHA256())
        for one in chain[1:]:
            builder = builder.add_certificate(one)
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        return Signed(builder.sign(serialization.Encoding.DER, options), pem)

    return sign


def find_signature_fault(document: bytes, signature: bytes, certificate: bytes) -> str:
    """Why this is not the signature of this document by this certificate; empty when it is."""
    try:
        signed = cms.ContentInfo.load(signature, strict=True)["content"]
        [signer] = signed["signer_infos"]
        attributes = {one["type"].native: one["values"][0].native for one in signer["signed_attrs"]}
        holder = x509.load_pem_x509_certificates(certificate)[0]
        digest = hashes.Hash(hashes.SHA256())
        digest.update(document)
        if attributes.get("message_digest") != digest.finalize():
            return "le document n'est pas celui qui a été signé"
        _verify(holder, signer["signature"].native, signer["signed_attrs"].untag().dump())
    except (ValueError, TypeError, KeyError) as error:
        return f"signature illisible ({error})"
    except InvalidSignature:
        return "la signature n'est pas de ce certificat"
    return ""


def _verify(holder: x509.Certificate, signature: bytes, signed: bytes) -> None:
    key = holder.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    else:
        raise ValueError("clé ni RSA ni EC")
