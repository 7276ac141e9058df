"""Enveloped XML signatures, as trusted lists carry them: the least that they need, everything else refused.

W3C XML Signature 1.1 (the sections below are its own) and ETSI TS 119 612 annex B: one signature, a child of the
root; one reference that covers the whole document, one more at most, over the properties of this very signature
(XAdES). The key is that of a certificate given by the caller: what the document says of its key (KeyInfo, §4.5) is
never read.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from tdt.certificates.files import MALFORMED
from tdt.domain.xml import parse_tree

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXCLUSIVE_NAMESPACE = "{http://www.w3.org/2001/10/xml-exc-c14n#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
XADES_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
ID_ATTRIBUTES = ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id")
SMALLEST_RSA = 2048


class Scheme(Enum):
    """How the octets of a signature value are made (§6.4; RFC 6931 §2.3 for RSA-PSS)."""

    PKCS1 = "rsa"
    PSS = "rsa-MGF1"
    ECDSA = "ecdsa"


_HASHES: tuple[hashes.HashAlgorithm, ...] = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
METHODS: dict[str, tuple[Scheme, hashes.HashAlgorithm]] = {
    **{f"http://www.w3.org/2001/04/xmldsig-more#rsa-{one.name}": (Scheme.PKCS1, one) for one in _HASHES},
    **{f"http://www.w3.org/2007/05/xmldsig-more#{one.name}-rsa-MGF1": (Scheme.PSS, one) for one in _HASHES},
    **{f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-{one.name}": (Scheme.ECDSA, one) for one in _HASHES},
}


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Those that a kind of document may be signed with: digests and signatures by their URI."""

    digests: Mapping[str, str]
    methods: Mapping[str, tuple[Scheme, hashes.HashAlgorithm]]


STRONG = Algorithms(DIGESTS, METHODS)
OLD_TOO = Algorithms(
    {**DIGESTS, "http://www.w3.org/2000/09/xmldsig#sha1": "sha1"},
    {**METHODS, "http://www.w3.org/2000/09/xmldsig#rsa-sha1": (Scheme.PKCS1, hashes.SHA1())},  # noqa: S303
)
"""SHA-1 as well: for PES alone, where the DGFiP still has it; never for what says whom to trust."""


class SignatureError(ValueError):
    """The document is not signed as it must be; the text, in French, is for the operator."""


class Altered(SignatureError):
    """What is there is not what was signed; any other SignatureError says that it could not be verified."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed, canonical and without its signature (nothing else must be read), and by which certificate."""

    content: bytes
    signer: x509.Certificate


@dataclass(frozen=True, slots=True)
class _Canonical:
    """A canonicalisation: exclusive or inclusive, always without comments."""

    exclusive: bool = False
    prefixes: tuple[str, ...] = ()

    def __call__(self, tree: etree._Element | etree._ElementTree) -> bytes:
        prefixes = list(self.prefixes) or None
        try:
            return etree.tostring(
                tree, method="c14n", exclusive=self.exclusive, with_comments=False, inclusive_ns_prefixes=prefixes
            )
        except etree.C14NError as error:  # an address of a namespace that is relative, for one
            raise SignatureError("le document n'a pas de forme canonique") from error


def verify_enveloped(data: bytes, signers: Sequence[x509.Certificate]) -> Signed:
    """Check the signature of the document by one of these certificates. Raises SignatureError, or XmlError."""
    root = parse_tree(data)
    signature = _signature(root)
    info = only(signature, f"{DS}SignedInfo")
    signer = find_signer(signature, info, signers)
    content: bytes | None = None
    properties = 0
    for reference in list_references(info):
        if reference.get("Type") == XADES_PROPERTIES:
            check_properties(root, signature, reference)
            properties += 1
        elif content is not None:
            raise SignatureError("la signature porte sur plusieurs parties du document")
        else:
            content = _whole_document(data, root, reference)
    if content is None or properties > 1:
        raise SignatureError("la signature ne porte pas sur le document entier")
    return Signed(content, signer)


def _signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(f"{DS}Signature"))
    if not found:
        raise SignatureError("le document n'est pas signé")
    if len(found) > 1:
        raise SignatureError("le document porte plusieurs signatures")
    if found[0].getparent() is not root:
        raise SignatureError("la signature n'est pas à sa place, juste sous la racine")
    return found[0]


# ---------------------------------------------------------------------------------------------- the signature value


def find_signer(
    signature: etree._Element, info: etree._Element, signers: Sequence[x509.Certificate]
) -> x509.Certificate:
    """§3.2.2: the octets of the canonical SignedInfo are those that were signed."""
    method = read_method(info)
    octets = _canonicalization(only(info, f"{DS}CanonicalizationMethod"))(info)
    signer = match_signer(signature, method, octets, signers)
    if signer is None:
        raise Altered("la signature n'est celle d'aucun des certificats donnés, ou le document a été modifié")
    return signer


def read_method(info: etree._Element, algorithms: Algorithms = STRONG) -> tuple[Scheme, hashes.HashAlgorithm]:
    """How the value was made. One with a parameter (the length of an HMAC) is none of ours."""
    method = only(info, f"{DS}SignatureMethod")
    known = algorithms.methods.get(method.get("Algorithm", ""))
    if known is None or len(method):
        raise SignatureError(f"algorithme de signature non accepté : {method.get('Algorithm')}")
    return known


def match_signer(
    signature: etree._Element,
    method: tuple[Scheme, hashes.HashAlgorithm],
    octets: bytes,
    signers: Sequence[x509.Certificate],
) -> x509.Certificate | None:
    """Of these certificates, the one whose key signed these octets."""
    value = decode(only(signature, f"{DS}SignatureValue"))
    return next((signer for signer in signers if _is_signed_by(signer, method, value, octets)), None)


def _is_signed_by(
    signer: x509.Certificate, method: tuple[Scheme, hashes.HashAlgorithm], value: bytes, octets: bytes
) -> bool:
    scheme, digest = method
    try:
        key = signer.public_key()
        if isinstance(key, rsa.RSAPublicKey) and scheme is not Scheme.ECDSA and key.key_size >= SMALLEST_RSA:
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            key.verify(value, octets, pss if scheme is Scheme.PSS else padding.PKCS1v15(), digest)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and scheme is Scheme.ECDSA:
            key.verify(_dss(value, key), octets, ec.ECDSA(digest))
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return False


def _dss(value: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """§6.4.3: r then s, each as long as the order of the curve."""
    size = (key.key_size + 7) // 8
    if len(value) != 2 * size:
        raise ValueError("not an ECDSA value of this curve")
    return encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))


# ---------------------------------------------------------------------------------------------- the references


def list_references(info: etree._Element) -> Iterator[etree._Element]:
    """§4.4.3. A SignedInfo holds its two methods and the references, nothing else."""
    methods = (f"{DS}CanonicalizationMethod", f"{DS}SignatureMethod")
    for child in info.iterchildren(etree.Element):
        if child.tag == f"{DS}Reference":
            yield child
        elif child.tag not in methods:
            raise SignatureError(f"la signature contient un élément inattendu : {child.tag}")


def _whole_document(data: bytes, root: etree._Element, reference: etree._Element) -> bytes:
    """The canonical document without its signature (§6.6.4), when its digest is the right one."""
    uri, transforms = reference.get("URI"), list_transforms(reference)
    if uri != "" and (uri is None or not uri.startswith("#") or uri[1:] != root.get("Id")):
        raise SignatureError("la signature ne porte pas sur le document entier")
    if uri:
        check_unique(root, uri[1:])
    if not transforms or transforms[0].get("Algorithm") != ENVELOPED or len(transforms[0]):
        raise SignatureError("la signature n'est pas enveloppée dans le document")
    canonical = canonical_of(transforms[1:])
    bare = parse_tree(data)
    _remove(_signature(bare))
    content = canonical(bare if uri else bare.getroottree())
    check_digest(reference, content)
    return content


def check_properties(root: etree._Element, signature: etree._Element, reference: etree._Element) -> None:
    """The signed properties of XAdES must be those of this signature (ETSI EN 319 132-1)."""
    name = reference.get("URI", "").removeprefix("#")
    found = [one for one in signature.iter(f"{XADES}SignedProperties") if name and one.get("Id") == name]
    if len(found) != 1:
        raise SignatureError("les propriétés signées ne sont pas celles de la signature")
    check_unique(root, name)
    check_digest(reference, canonical_of(list_transforms(reference))(found[0]))


def check_unique(root: etree._Element, name: str) -> None:
    """SignatureError unless one element alone has this identifier."""
    if sum(one.get(attribute) == name for one in root.iter(etree.Element) for attribute in ID_ATTRIBUTES) != 1:
        raise SignatureError(f"plusieurs éléments portent l'identifiant {name}")


def list_transforms(reference: etree._Element) -> list[etree._Element]:
    """The transformations of a reference, in their order."""
    holders = reference.findall(f"{DS}Transforms")
    if len(holders) > 1:
        raise SignatureError("transformations inattendues")
    return [] if not holders else list(holders[0].iterchildren(etree.Element))


def canonical_of(transforms: Sequence[etree._Element]) -> _Canonical:
    """§4.4.3.2: Canonical XML 1.0 when nothing is said."""
    if len(transforms) > 1:
        raise SignatureError("la signature emploie des transformations non acceptées")
    return _canonicalization(transforms[0]) if transforms else _Canonical()


def _canonicalization(element: etree._Element) -> _Canonical:
    algorithm, children = element.get("Algorithm"), list(element.iterchildren(etree.Element))
    if algorithm == INCLUSIVE and not children:
        return _Canonical()
    if algorithm == EXCLUSIVE and not children:
        return _Canonical(exclusive=True)
    if algorithm == EXCLUSIVE and [child.tag for child in children] == [f"{EXCLUSIVE_NAMESPACE}InclusiveNamespaces"]:
        prefixes = tuple(children[0].get("PrefixList", "").split())
        if "#default" not in prefixes:  # lxml leaves it out without a word
            return _Canonical(exclusive=True, prefixes=prefixes)
    raise SignatureError(f"la signature emploie une transformation non acceptée : {algorithm}")


def check_digest(reference: etree._Element, content: bytes) -> None:
    """Altered unless this is the content that the reference tells."""
    name, value = read_digest(reference)
    if not hmac.compare_digest(hashlib.new(name, content).digest(), value):
        raise Altered("le document a été modifié après sa signature")


def read_digest(reference: etree._Element, algorithms: Algorithms = STRONG) -> tuple[str, bytes]:
    """The digest that the reference tells: its algorithm and its value."""
    method = only(reference, f"{DS}DigestMethod").get("Algorithm", "")
    if method not in algorithms.digests:
        raise SignatureError(f"algorithme d'empreinte non accepté : {method}")
    return algorithms.digests[method], decode(only(reference, f"{DS}DigestValue"))


# ---------------------------------------------------------------------------------------------- XML


def _remove(element: etree._Element) -> None:
    """Take an element out and leave the text that follows it."""
    parent, before = element.getparent(), element.getprevious()
    assert parent is not None
    if element.tail and before is not None:
        before.tail = (before.tail or "") + element.tail
    elif element.tail:
        parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def only(parent: etree._Element, tag: str) -> etree._Element:
    """The only child of this name."""
    found = parent.findall(tag)
    if len(found) != 1:
        raise SignatureError(f"la signature n'a pas exactement un élément {tag.rpartition('}')[2]}")
    return found[0]


def decode(element: etree._Element) -> bytes:
    """The bytes of an element in base64."""
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("la signature est illisible") from error


def load_certificates(elements: Iterable[etree._Element]) -> list[x509.Certificate]:
    """Those of a signature's X509Certificate elements that can be read; SignatureError when none can."""
    found = []
    for element in elements:
        try:
            found.append(x509.load_der_x509_certificate(decode(element)))
        except MALFORMED:  # a SignatureError is a ValueError
            continue
    if not found:
        raise SignatureError("elle ne porte pas le certificat du signataire")
    return found
