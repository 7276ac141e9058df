"""Trusted lists of our own, signed. They are written in canonical form by hand: no canonicaliser signs them."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

TSL = "http://uri.etsi.org/02231/v2#"
SIE = "http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = f'<ds:Transform Algorithm="{DS}enveloped-signature"></ds:Transform>'
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
STATUS = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
DIGESTS = {"sha1": f"{DS}sha1", "sha256": SHA256, "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384"}
DIGESTS["sha512"] = "http://www.w3.org/2001/04/xmlenc#sha512"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


# ---------------------------------------------------------------------------------------------- the list


def policy_set(*oids: str) -> str:
    named = (
        f'<q:PolicyIdentifier><x:Identifier xmlns:x="{XADES}">{oid}</x:Identifier></q:PolicyIdentifier>' for oid in oids
    )
    return f"<q:PolicySet>{''.join(named)}</q:PolicySet>"


def criteria(rule: str, *children: str) -> str:
    return f'<q:CriteriaList assert="{rule}">{"".join(children)}</q:CriteriaList>'


KEY_USAGE = '<q:KeyUsage><q:KeyUsageBit name="digitalSignature">true</q:KeyUsageBit></q:KeyUsage>'


def qualification(qualifier: str, criteria_list: str) -> str:
    qualifiers = f'<q:Qualifiers><q:Qualifier uri="{qualifier}"></q:Qualifier></q:Qualifiers>'
    element = f"<q:QualificationElement>{qualifiers}{criteria_list}</q:QualificationElement>"
    return extension(f'<q:Qualifications xmlns:q="{SIE}">{element}</q:Qualifications>')


def extension(content: str, critical: str = "true") -> str:
    return f'<Extension Critical="{critical}">{content}</Extension>'


def information(uri: str) -> str:
    return extension(f'<AdditionalServiceInformation><URI xml:lang="en">{uri}</URI></AdditionalServiceInformation>')


def service(
    certificate: x509.Certificate | str,
    *extensions: str,
    status: str = "granted",
    since: str = "2020-01-01T00:00:00Z",
    name: str = "AC agents",
) -> str:
    if isinstance(certificate, x509.Certificate):
        encoded = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
        certificate = f"<X509Certificate>{encoded}</X509Certificate>"
    return (
        "<TSPService><ServiceInformation>"
        "<ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/CA/QC</ServiceTypeIdentifier>"
        f'<ServiceName><Name xml:lang="fr">{name}</Name></ServiceName>'
        f"<ServiceDigitalIdentity><DigitalId>{certificate}</DigitalId></ServiceDigitalIdentity>"
        f"<ServiceStatus>{STATUS}{status}</ServiceStatus><StatusStartingTime>{since}</StatusStartingTime>"
        f"<ServiceInformationExtensions>{''.join(extensions)}</ServiceInformationExtensions>"
        "</ServiceInformation></TSPService>"
    )


def list_body(
    *services: str, next_update: str = "2999-12-01T00:00:00Z", territory: str = "FR", sequence: str = "7"
) -> str:
    """What stands below the root."""
    update = f"<dateTime>{next_update}</dateTime>" if next_update else ""
    return (
        f"<SchemeInformation><TSLSequenceNumber>{sequence}</TSLSequenceNumber>"
        f"<SchemeTerritory>{territory}</SchemeTerritory><ListIssueDateTime>2026-05-01T00:00:00Z</ListIssueDateTime>"
        f"<NextUpdate>{update}</NextUpdate></SchemeInformation>\n<TrustServiceProviderList><TrustServiceProvider>"
        '<TSPInformation><TSPName><Name xml:lang="fr">Prestataire</Name></TSPName></TSPInformation>'
        f"<TSPServices>{''.join(services)}</TSPServices></TrustServiceProvider></TrustServiceProviderList>"
    )


# ---------------------------------------------------------------------------------------------- the signature


@dataclass(frozen=True)
class Recipe:
    """How to sign; the defaults are those of the lists of the field."""

    key: Key
    method: str = RSA_SHA256
    digest: str = "sha256"
    canonical: str = EXCLUSIVE
    uri: str = ""
    properties: bool = True
    transforms: str | None = None
    key_info: str = ""


def sign(body: str, recipe: Recipe) -> bytes:
    """The list, signed at its end, some white space after the signature."""
    head, tail = f'<TrustServiceStatusList xmlns="{TSL}" Id="list">', "\n</TrustServiceStatusList>"
    signature = sign_canonical((head + body + tail).encode(), recipe)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{body}{signature}{tail}'.encode()


def sign_canonical(content: bytes, recipe: Recipe) -> str:
    """A signature over these octets, to be put below a root of the namespace TSL."""
    # canonical form of an apex: the inclusive one repeats what its ancestors declare
    inherited = f'xmlns="{TSL}" ' if recipe.canonical == INCLUSIVE else ""
    also_ds = f'xmlns:ds="{DS}" ' if recipe.canonical == INCLUSIVE else ""
    properties = (
        "<x:SigningTime>2026-05-01T00:00:00Z</x:SigningTime></x:SignedSignatureProperties></x:SignedProperties>"
    )
    properties = f' Id="props"><x:SignedSignatureProperties>{properties}'
    canonical = f'<ds:Transform Algorithm="{recipe.canonical}"></ds:Transform>'
    transforms = recipe.transforms if recipe.transforms is not None else ENVELOPED + canonical
    references = reference(recipe.uri, transforms, content, recipe.digest)
    if recipe.properties:
        apex = f'<x:SignedProperties {inherited}{also_ds}xmlns:x="{XADES}"{properties}'
        references += reference(
            "#props", canonical, apex.encode(), recipe.digest, ' Type="http://uri.etsi.org/01903#SignedProperties"'
        )
    inside = (
        f'<ds:CanonicalizationMethod Algorithm="{recipe.canonical}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{recipe.method}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    value = sign_octets(f'<ds:SignedInfo {inherited}xmlns:ds="{DS}">{inside}'.encode(), recipe)
    holder = f'<x:QualifyingProperties xmlns:x="{XADES}" Target="#sig"><x:SignedProperties{properties}'
    holder = f"<ds:Object>{holder}</x:QualifyingProperties></ds:Object>" if recipe.properties else ""
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="sig"><ds:SignedInfo>{inside}'
        f"<ds:SignatureValue>\n{base64.encodebytes(value).decode()}</ds:SignatureValue>{recipe.key_info}"
        f"{holder}</ds:Signature>"
    )


def reference(uri: str, transforms: str, content: bytes, digest: str, attributes: str = "") -> str:
    value = base64.b64encode(hashlib.new(digest, content, usedforsecurity=False).digest()).decode()
    wrapped = f"<ds:Transforms>{transforms}</ds:Transforms>" if transforms else ""
    method = f'<ds:DigestMethod Algorithm="{DIGESTS[digest]}"></ds:DigestMethod>'
    value = f"<ds:DigestValue>{value}</ds:DigestValue>"
    return f'<ds:Reference{attributes} URI="{uri}">{wrapped}{method}{value}</ds:Reference>'


HASHES: Sequence[hashes.HashAlgorithm] = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512(), hashes.SHA1())


def sign_octets(octets: bytes, recipe: Recipe) -> bytes:
    digest = next((one for one in HASHES if one.name in recipe.method), hashes.SHA256())
    if isinstance(recipe.key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(recipe.key.sign(octets, ec.ECDSA(digest)))
        size = (recipe.key.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if recipe.method.endswith("MGF1"):
        return recipe.key.sign(octets, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    return recipe.key.sign(octets, padding.PKCS1v15(), digest)
