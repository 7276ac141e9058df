"""What a XAdES signature of a PES says of itself, in its signed properties: date, policy, role, certificate."""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from tdt.certificates.xmldsig import DS, SignatureError, decode
from tdt.domain.calendar import PARIS
from tdt.domain.helios.signatures import PesSignature

VERSIONS = ("1.1.1", "1.2.2", "1.3.2")
"""Of XAdES: the first is imported by the schemas of the DGFiP, all are seen."""
NAMESPACES = tuple(f"{{http://uri.etsi.org/01903/v{version}#}}" for version in VERSIONS)
HASHES: dict[str, hashes.HashAlgorithm] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": hashes.SHA1(),  # noqa: S303
    "http://www.w3.org/2001/04/xmlenc#sha256": hashes.SHA256(),
    "http://www.w3.org/2001/04/xmldsig-more#sha384": hashes.SHA384(),
    "http://www.w3.org/2001/04/xmlenc#sha512": hashes.SHA512(),
}
LONGEST, MOST_ROLES = 200, 10


def signed_properties(signature: etree._Element) -> list[etree._Element]:
    """Where the standard puts them, and nowhere else."""
    return [
        one
        for space in NAMESPACES
        for one in signature.findall(f"{DS}Object/{space}QualifyingProperties/{space}SignedProperties")
    ]


def read_properties(
    told: PesSignature,
    signature: etree._Element,
    properties: etree._Element | None,
    certificate: x509.Certificate | None = None,
) -> PesSignature:
    """What `properties`, which the signature covers, say; those that it does not cover are worth nothing."""
    if properties is None:
        present = bool(signed_properties(signature))
        what = "ses propriétés ne sont pas signées" if present else "elle n'a pas de propriétés (XAdES)"
        return replace(told, remarks=(f"{what} : sa date n'est pas connue",))
    space = etree.QName(properties).namespace or ""
    space = f"{{{space}}}"
    remarks = []
    signing_time = _signing_time(_text(properties, f"{space}SigningTime"))
    if signing_time is None:
        remarks.append("elle ne dit pas sa date")
    holder = properties.getparent()
    target = holder.get("Target", "") if holder is not None else ""
    if target != f"#{signature.get('Id')}":
        remarks.append("ses propriétés disent être celles d'une autre signature")
    if certificate is not None and not _names(properties, space, certificate):
        remarks.append("le certificat qu'elle annonce dans ses propriétés n'est pas celui de sa clé")
    roles = [_clip(one.text) for one in properties.iter(f"{space}ClaimedRole")]
    return replace(
        told,
        signing_time=signing_time,
        policy=_clip(_text(properties, f"{space}SignaturePolicyId/{space}SigPolicyId/{space}Identifier")),
        roles=tuple(roles[:MOST_ROLES]),
        remarks=tuple(remarks),
    )


def _text(properties: etree._Element, path: str) -> str:
    return next((one.text or "" for one in properties.iterfind(f".//{path}")), "")


def _clip(text: str | None) -> str:
    return (text or "").strip()[:LONGEST]


def _signing_time(text: str) -> datetime | None:
    """An instant; without zone it is a French one."""
    try:
        told = datetime.fromisoformat(text.strip())
        return (told if told.tzinfo is not None else told.replace(tzinfo=PARIS)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _names(properties: etree._Element, space: str, certificate: x509.Certificate) -> bool:
    """Is it the certificate whose digest they tell? When they tell none that can be compared, they say nothing else."""
    compared = list(_compare(properties, space, certificate))
    return not compared or any(compared)


def _compare(properties: etree._Element, space: str, certificate: x509.Certificate) -> Iterator[bool]:
    for one in properties.iter(f"{space}CertDigest"):
        method = one.find(f"{DS}DigestMethod")
        method = one.find(f"{space}DigestMethod") if method is None else method
        value = one.find(f"{DS}DigestValue")
        value = one.find(f"{space}DigestValue") if value is None else value
        algorithm = HASHES.get(method.get("Algorithm", "")) if method is not None else None
        if algorithm is None or value is None:
            continue
        try:
            yield hmac.compare_digest(certificate.fingerprint(algorithm), decode(value))
        except SignatureError:
            yield False
