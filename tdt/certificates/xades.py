"""XML signatures (XAdES) in a file of their own: what each covers, of the file itself or of the documents beside it.

Runs in a child (tdt.documents.child): what is posted may be of any size and shape. What `xmldsig` does not accept
(an algorithm, a transformation) is told as not verified, never as wrong.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tdt.certificates.xmldsig import (
    DIGESTS,
    DS,
    ENVELOPED,
    ID_ATTRIBUTES,
    XADES,
    XADES_PROPERTIES,
    Altered,
    SignatureError,
    canonical_of,
    check_digest,
    check_properties,
    check_unique,
    decode,
    find_signer,
    list_references,
    list_transforms,
    load_certificates,
    only,
    verify_enveloped,
)
from tdt.domain.actes.signatures import XmlSignaturesOrder
from tdt.domain.signatures import Signature, Signatures
from tdt.domain.xml import XmlError, parse_tree

BASE64 = "http://www.w3.org/2000/09/xmldsig#base64"
MOST_CERTIFICATES, MOST_SIGNATURES = 20, 50


@dataclass(frozen=True, slots=True)
class _File:
    data: bytes
    root: etree._Element
    digests: Collection[str]


def read_xml_signatures(order: XmlSignaturesOrder, files: Sequence[int]) -> Signatures:
    """The signatures of the first file, none for one that is no XML."""
    data = os.pread(files[0], os.fstat(files[0]).st_size, 0)
    try:
        file = _File(data, parse_tree(data), frozenset(order.digests))
    except XmlError:
        return Signatures()
    return Signatures(tuple(_read(file, one) for one in list(file.root.iter(f"{DS}Signature"))[:MOST_SIGNATURES]))


def _read(file: _File, signature: etree._Element) -> Signature:
    name = signature.get("Id", "")
    certificate = None
    try:
        certificates = _certificates(signature)
        info = only(signature, f"{DS}SignedInfo")
        certificate = find_signer(signature, info, certificates)
        covered = [_covers(file, signature, one, certificate) for one in list_references(info)]
    except Altered:
        # the value of the signature comes first: once the signer is known, a digest is what is wrong
        return _told(name, certificate, signature, valid=certificate is not None)
    except SignatureError as error:
        return Signature(name=name, unverified=str(error))
    if not any(covered):
        return Signature(name=name, unverified="elle ne porte sur aucun document de l'acte")
    return _told(name, certificate, signature, intact=True, valid=True)


def _told(
    name: str,
    certificate: x509.Certificate | None,
    signature: etree._Element,
    intact: bool = False,
    valid: bool = False,
) -> Signature:
    others = [_der(one) for one in _certificates(signature) if one != certificate]
    return Signature(
        name=name,
        certificate=_der(certificate) if certificate is not None else b"",
        others=tuple(others),
        digest=_digest_name(signature),
        signed_at=_signing_time(signature),
        # a value that is of no certificate says nothing of the content
        intact=intact or not valid,
        valid=valid,
        covers="file",
    )


def _covers(file: _File, signature: etree._Element, reference: etree._Element, certificate: x509.Certificate) -> bool:
    """Does this part of the signature cover a document? Altered when what it covers is not what was signed."""
    uri, transforms = reference.get("URI"), list_transforms(reference)
    if reference.get("Type") == XADES_PROPERTIES:
        check_properties(file.root, signature, reference)
        return False
    if any(one.get("Algorithm") == ENVELOPED for one in transforms):
        verify_enveloped(file.data, [certificate])
        return True
    if uri is not None and uri.startswith("#"):
        return _check_inside(file, reference, uri[1:])
    if uri == "":
        raise SignatureError("elle porte sur une partie du fichier qui ne peut pas être vérifiée")
    if transforms:
        raise SignatureError("elle transforme le document sur lequel elle porte")
    told = decode(only(reference, f"{DS}DigestValue")).hex()
    if told not in file.digests:
        raise SignatureError("elle porte sur un fichier qui n'est pas dans l'acte, ou qui a été modifié")
    return True


def _check_inside(file: _File, reference: etree._Element, name: str) -> bool:
    """An element of the file; it covers a document when it carries its very bytes, in base64."""
    check_unique(file.root, name)
    [element] = [one for one in file.root.iter(etree.Element) if name in [one.get(key) for key in ID_ATTRIBUTES]]
    transforms = list_transforms(reference)
    if [one.get("Algorithm") for one in transforms] == [BASE64]:
        content = _decoded(element)
        check_digest(reference, content)
        return _is_posted(content, file.digests)
    check_digest(reference, canonical_of(transforms)(element))
    return _is_posted(_decoded(element), file.digests)


def _decoded(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join("".join(str(text) for text in element.itertext()).split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_posted(content: bytes, digests: Collection[str]) -> bool:
    return bool(content) and any(hashlib.new(name, content).hexdigest() in digests for name in DIGESTS.values())


def _certificates(signature: etree._Element) -> list[x509.Certificate]:
    return load_certificates(list(signature.iter(f"{DS}X509Certificate"))[:MOST_CERTIFICATES])


def _digest_name(signature: etree._Element) -> str:
    methods = [DIGESTS.get(one.get("Algorithm", ""), "") for one in signature.iter(f"{DS}DigestMethod")]
    return next(iter(methods), "")


def _signing_time(signature: etree._Element) -> datetime | None:
    text = next((one.text or "" for one in signature.iter(f"{XADES}SigningTime")), "")
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return told.astimezone(UTC) if told.tzinfo is not None else told.replace(tzinfo=UTC)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
