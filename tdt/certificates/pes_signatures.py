"""The XML signatures (XAdES) of a PES flow: per bordereau and of the whole flow, verified in flat memory.

Runs in a child (tdt.documents.child). The flow is read twice: to find the signatures, then for the digest of what each
covers, which is always the element that it stands in, without itself. Whatever else a signature may say of what it
covers (another element, another file, a transformation that chooses) is refused: what is signed is what is read.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tdt.certificates.files import MALFORMED
from tdt.certificates.pes_places import Place, Places, chunks_of, find_places, read_alone
from tdt.certificates.pes_properties import read_properties, signed_properties
from tdt.certificates.xmldsig import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    EXCLUSIVE_NAMESPACE,
    INCLUSIVE,
    OLD_TOO,
    SMALLEST_RSA,
    SignatureError,
    list_references,
    list_transforms,
    load_certificates,
    match_signer,
    only,
    read_digest,
    read_method,
)
from tdt.domain.canonical import Form
from tdt.domain.canonical_parts import Part, Parts
from tdt.domain.helios.signatures import DOMAINS, NO_ID, PesSignature, PesSignatures, PesSignaturesOrder, Scope
from tdt.domain.xml import XmlError, parse_tree

MOST_CERTIFICATES, MOST_REFERENCES = 20, 10
EXCLUSIVENESS = {
    INCLUSIVE: False,
    f"{INCLUSIVE}#WithComments": False,
    EXCLUSIVE: True,
    f"{EXCLUSIVE}WithComments": True,
}
BUFFERED = 4_096


@dataclass(frozen=True, slots=True)
class _Alone:
    """A signature read by itself: its document, and its elements in their order."""

    data: bytes
    elements: list[etree._Element]
    signature: etree._Element
    place: Place
    places: Places


@dataclass(frozen=True, slots=True)
class _Content:
    """What the reference to the content says: how it is made canonical, and the digest that it must have."""

    whole: bool
    form: Form
    digest: str
    value: bytes


def read_pes_signatures(_order: PesSignaturesOrder, files: Sequence[int]) -> PesSignatures:
    """The signatures of the first file."""
    try:
        places = find_places(files[0])
        drafts = [_read(files[0], places, place) for place in places.signatures]
        contents = _digest(files[0], places.signatures, [content for _, content, _ in drafts])
    except XmlError as error:
        return PesSignatures(fault=f"le fichier ne peut pas être relu ({error})")
    ders: dict[bytes, int] = {}
    found = []
    for (signature, content, certificates), digest in zip(drafts, contents, strict=True):
        same = content is not None and hmac.compare_digest(content.value, digest)
        numbers = tuple(ders.setdefault(_der(one), len(ders)) for one in certificates)
        found.append(replace(signature, intact=signature.intact and same, certificates=numbers))
    return PesSignatures(tuple(found), tuple(ders), places.domains)


_Draft = tuple[PesSignature, _Content | None, list[x509.Certificate]]


def _read(file: int, places: Places, place: Place) -> _Draft:
    """All of a signature but the digest of its content."""
    told = _place(place)
    certificates: list[x509.Certificate] = []
    try:
        if place.nested or place.empty:
            raise SignatureError("elle en contient une autre" if place.nested else "elle est vide")
        alone = _open(file, places, place)
        told = replace(told, name=_clip(alone.signature.get("Id", "")))
        certificates = _certificates(alone.signature)
        told = _signer(told, certificates[0])
        _check_place(told, alone)
        return _verify(told, alone, certificates)
    except SignatureError as error:
        return replace(told, fault=_clip(str(error))), None, certificates


def _place(place: Place) -> PesSignature:
    scope: Scope = "elsewhere"
    if len(place.path) == 1:
        scope = "global"
    elif len(place.path) == 3 and place.path[1] in DOMAINS and place.path[2] == "Bordereau":
        scope = "bordereau"
    slip = place.slip if scope == "bordereau" else None
    return PesSignature(
        name="",
        scope=scope,
        target=_clip(place.holder_id),
        domain=slip.domain if slip else "",
        number=slip.number if slip else "",
        exercice=slip.exercice if slip else "",
    )


def _open(file: int, places: Places, place: Place) -> _Alone:
    data = read_alone(file, places, place)
    try:
        root = parse_tree(data)
    except XmlError as error:
        raise SignatureError("elle est illisible") from error
    elements = list(root.iter(etree.Element))
    return _Alone(data, elements, elements[len(place.path)], place, places)


def _check_place(told: PesSignature, alone: _Alone) -> None:
    name = alone.signature.get("Id", "")
    if not name:
        raise SignatureError(NO_ID)
    if alone.places.ids[name] != 1:
        raise SignatureError(f"plusieurs éléments portent son identifiant ({name})")
    if told.scope == "elsewhere":
        raise SignatureError("elle n'est ni dans un bordereau ni à la fin du flux")


def _verify(told: PesSignature, alone: _Alone, certificates: list[x509.Certificate]) -> _Draft:
    info = only(alone.signature, f"{DS}SignedInfo")
    scheme, digest = method = read_method(info, OLD_TOO)
    form = _form(only(info, f"{DS}CanonicalizationMethod"))
    if any(True for _ in info.iter(etree.Comment)):
        raise SignatureError("un commentaire se trouve dans ce qu'elle signe")
    told = replace(told, method=f"{scheme.value}-{digest.name}")
    signer = match_signer(alone.signature, method, _canonical(alone, info, form), certificates)
    if signer is not None:
        certificates = [signer, *(one for one in certificates if one != signer)]
        told = _signer(told, signer)
    elif _is_short(certificates[0]):
        raise SignatureError(f"la clé de son certificat a moins de {SMALLEST_RSA} bits")
    content, intact, properties = _check_references(alone, info)
    told = read_properties(replace(told, digest=content.digest), alone.signature, properties, certificates[0])
    return replace(told, valid=signer is not None, intact=intact), content, certificates


def _check_references(alone: _Alone, info: etree._Element) -> tuple[_Content, bool, etree._Element | None]:
    """What it covers: the content, whether what is inside it is intact, and the properties that are signed."""
    content: _Content | None = None
    intact, properties = True, None
    references = list(list_references(info))
    if len(references) > MOST_REFERENCES:
        raise SignatureError(f"elle porte sur plus de {MOST_REFERENCES} parties")
    for reference in references:
        inside = _find_inside(alone, reference)
        if inside is not None:
            intact = _is_intact(alone, reference, inside) and intact
            properties = inside if inside in signed_properties(alone.signature) else properties
        elif content is not None:
            raise SignatureError("elle porte sur plusieurs parties du flux")
        else:
            content = _content(alone, reference)
    if content is None:
        raise SignatureError("elle ne porte pas sur le contenu du flux")
    return content, intact, properties


def _find_inside(alone: _Alone, reference: etree._Element) -> etree._Element | None:
    """The element of this signature that the reference designates."""
    uri = reference.get("URI", "")
    if not uri.startswith("#"):
        return None
    found = [one for one in alone.signature.iterdescendants(etree.Element) if one.get("Id") == uri[1:]]
    if not found:
        return None
    if len(found) > 1 or alone.places.ids[uri[1:]] != 1:
        raise SignatureError(f"plusieurs éléments portent l'identifiant {uri[1:]}")
    return found[0]


def _is_intact(alone: _Alone, reference: etree._Element, inside: etree._Element) -> bool:
    transforms = list_transforms(reference)
    # some tools say here as well that the signature is to be left out, which would leave nothing, and do not mean it
    if transforms and _is_enveloped(transforms[0]):
        transforms = transforms[1:]
    name, value = read_digest(reference, OLD_TOO)
    content = _canonical(alone, inside, _form_of(transforms))
    return hmac.compare_digest(hashlib.new(name, content, usedforsecurity=False).digest(), value)


def _content(alone: _Alone, reference: etree._Element) -> _Content:
    """The reference to what the signature stands in. Anything else is refused."""
    uri, transforms = reference.get("URI"), list_transforms(reference)
    if uri is None or (uri and not uri.startswith("#")):
        raise SignatureError(f"elle porte sur un contenu extérieur ({uri or 'sans adresse'})")
    if uri == "" and len(alone.place.path) != 1:
        raise SignatureError("elle porte sur le flux entier sans être à sa fin")
    if uri and uri[1:] != alone.place.holder_id:
        raise SignatureError(f"elle porte sur un autre élément que celui qui la contient ({uri})")
    if uri and alone.places.ids[uri[1:]] != 1:
        raise SignatureError(f"plusieurs éléments portent l'identifiant {uri[1:]}")
    if not transforms or not _is_enveloped(transforms[0]):
        raise SignatureError("elle n'est pas enveloppée dans ce qu'elle signe")
    name, value = read_digest(reference, OLD_TOO)
    return _Content(uri == "", _form_of(transforms[1:]), name, value)


def _is_enveloped(transform: etree._Element) -> bool:
    return transform.get("Algorithm") == ENVELOPED and not len(transform)


def _form_of(transforms: Sequence[etree._Element]) -> Form:
    if len(transforms) > 1:
        raise SignatureError("elle emploie des transformations non acceptées")
    return _form(transforms[0]) if transforms else Form()


def _form(element: etree._Element) -> Form:
    """A canonicalisation. Comments: a reference by identifier has none (§4.4.3.3), nor has a SignedInfo of ours."""
    told, children = element.get("Algorithm", ""), list(element.iterchildren(etree.Element))
    exclusive = EXCLUSIVENESS.get(told)
    if exclusive is not None and not children:
        return Form(exclusive)
    if exclusive and [one.tag for one in children] == [f"{EXCLUSIVE_NAMESPACE}InclusiveNamespaces"]:
        prefixes = children[0].get("PrefixList", "").split()
        return Form(exclusive=True, prefixes=tuple("" if one == "#default" else one for one in prefixes))
    raise SignatureError(f"elle emploie une transformation non acceptée : {_clip(told)}")


def _canonical(alone: _Alone, element: etree._Element, form: Form) -> bytes:
    """Of an element inside the signature."""
    pieces: list[str] = []
    parts = Parts()
    parts.want(Part(alone.elements.index(element), None, form, pieces.append))
    parts.read([alone.data])
    return "".join(pieces).encode()


class _Digest:
    """A digest that is given text piece by piece."""

    def __init__(self, name: str):
        self._digest = hashlib.new(name, usedforsecurity=False)
        self._pieces: list[str] = []

    def write(self, text: str) -> None:
        self._pieces.append(text)
        if len(self._pieces) >= BUFFERED or len(text) >= BUFFERED:
            self._digest.update("".join(self._pieces).encode())
            self._pieces.clear()

    def end(self) -> bytes:
        self._digest.update("".join(self._pieces).encode())
        return self._digest.digest()


def _digest(file: int, places: Sequence[Place], contents: Sequence[_Content | None]) -> list[bytes]:
    """The digest of what each signature stands in, without it; the flow is read once for all of them."""
    parts = Parts()
    digests = []
    for place, content in zip(places, contents, strict=True):
        digest = _Digest(content.digest if content is not None else "sha256")
        if content is not None:
            holder = None if content.whole else place.holder
            parts.want(Part(holder, place.element, content.form, digest.write))
        digests.append(digest)
    if any(content is not None for content in contents):
        parts.read(chunks_of(file))
    return [one.end() for one in digests]


def _certificates(signature: etree._Element) -> list[x509.Certificate]:
    """Those of its KeyInfo, and of nothing else in it."""
    path = f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate"
    return load_certificates(signature.findall(path)[:MOST_CERTIFICATES])


def _signer(told: PesSignature, certificate: x509.Certificate) -> PesSignature:
    try:
        subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    except MALFORMED as error:
        raise SignatureError("le certificat du signataire est illisible") from error
    return replace(
        told,
        subject=subject,
        issuer=issuer,
        serial=f"{certificate.serial_number:x}",
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _is_short(certificate: x509.Certificate) -> bool:
    try:
        key = certificate.public_key()
    except MALFORMED:
        return False
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _clip(text: str) -> str:
    """What is told of a document that may hold anything: one line, not too long."""
    return " ".join(text.split())[:200]
