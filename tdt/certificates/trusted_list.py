"""A trusted list (ETSI TS 119 612 XML): its services, their state, the policies that its criteria name.

The signature is checked before (xmldsig); here the signed content is read, section numbers are those of TS 119 612.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from lxml import etree

from tdt.certificates.files import MALFORMED
from tdt.domain.xml import parse_tree

TSL = "{http://uri.etsi.org/02231/v2#}"
SIE = "{http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
TAKEN_OVER = "{http://uri.etsi.org/02231/v2/additionaltypes#}TakenOverBy"
UNDERSTOOD = (
    f"{SIE}Qualifications",
    f"{TSL}AdditionalServiceInformation",
    f"{TSL}ExpiredCertsRevocationInfo",
    TAKEN_OVER,
)


MOST_DIGITS = 18


class TrustedListError(ValueError):
    """Not a trusted list that can be read; the text, in French, is for the operator."""


@dataclass(frozen=True, slots=True)
class Qualification:
    """A QualificationElement (§5.5.9.2): what it says of the certificates that meet its criteria.

    `named`: the policies that the criteria name; `enough`: those that are enough by themselves to meet them.
    """

    qualifiers: tuple[str, ...]
    named: tuple[str, ...]
    enough: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """A service in its present state (§5.5); its history is not read.

    `fault` says in French why nothing may be drawn from it: a critical extension that we do not know, no certificate.
    """

    provider: str
    name: str
    kind: str
    status: str
    since: datetime | None
    certificates: tuple[x509.Certificate, ...]
    informations: tuple[str, ...]
    qualifications: tuple[Qualification, ...]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class TrustedList:
    """The list; `next_update` is None when the scheme is closed (§5.3.15)."""

    territory: str
    sequence: int
    issued: datetime
    next_update: datetime | None
    services: tuple[Service, ...]


def read_trusted_list(content: bytes) -> TrustedList:
    """Read a list whose signature was checked. Raises TrustedListError, or XmlError."""
    root = parse_tree(content)
    scheme = root.find(f"{TSL}SchemeInformation")
    if root.tag != f"{TSL}TrustServiceStatusList" or scheme is None:
        raise TrustedListError("ce n'est pas une liste de confiance ETSI TS 119 612")
    sequence, issued = _text(scheme, "TSLSequenceNumber"), _instant(_text(scheme, "ListIssueDateTime"))
    territory = _text(scheme, "SchemeTerritory")
    if not territory.isalnum() or not sequence.isdecimal() or len(sequence) > MOST_DIGITS or issued is None:
        raise TrustedListError("la liste de confiance n'a ni territoire, ni numéro, ni date lisibles")
    return TrustedList(
        territory=territory,
        sequence=int(sequence),
        issued=issued,
        next_update=_instant(_text(scheme, f"NextUpdate/{TSL}dateTime")),
        services=tuple(_services(root)),
    )


def _services(root: etree._Element) -> Iterator[Service]:
    for provider in root.iterfind(f"{TSL}TrustServiceProviderList/{TSL}TrustServiceProvider"):
        name = _text(provider, f"TSPInformation/{TSL}TSPName/{TSL}Name")
        for information in provider.iterfind(f"{TSL}TSPServices/{TSL}TSPService/{TSL}ServiceInformation"):
            yield _service(name, information)


def _service(provider: str, information: etree._Element) -> Service:
    certificates, fault = _certificates(information)
    extensions = information.findall(f"{TSL}ServiceInformationExtensions/{TSL}Extension")
    return Service(
        provider=provider,
        name=_text(information, f"ServiceName/{TSL}Name"),
        kind=_text(information, "ServiceTypeIdentifier"),
        status=_text(information, "ServiceStatus").rstrip("/").rpartition("/")[2],
        since=_instant(_text(information, "StatusStartingTime")),
        certificates=certificates,
        informations=tuple(
            uri
            for extension in extensions
            for one in extension.iterfind(f"{TSL}AdditionalServiceInformation")
            if (uri := _text(one, "URI"))
        ),
        qualifications=tuple(
            _qualification(element)
            for extension in extensions
            for element in extension.iterfind(f"{SIE}Qualifications/{SIE}QualificationElement")
        ),
        fault=_unknown(extensions) or fault,
    )


def _certificates(information: etree._Element) -> tuple[tuple[x509.Certificate, ...], str]:
    """§5.5.3: a key may also be told by its name or identifier only, which proves nothing here."""
    found = []
    for element in information.iterfind(f"{TSL}ServiceDigitalIdentity/{TSL}DigitalId/{TSL}X509Certificate"):
        try:
            der = base64.b64decode("".join((element.text or "").split()), validate=True)
            found.append(x509.load_der_x509_certificate(der))
        except MALFORMED:  # base64 that is none is a ValueError too
            return (), "son certificat est illisible"
    return tuple(found), "" if found else "aucun certificat n'est donné"


def _unknown(extensions: list[etree._Element]) -> str:
    """§5.5.9: a critical extension that is not understood forbids to rely on the service."""
    for extension in extensions:
        if extension.get("Critical") in ("true", "1"):
            for child in extension.iterchildren(etree.Element):
                if child.tag not in UNDERSTOOD:
                    return f"une extension critique est inconnue ({child.tag})"
    return ""


# ---------------------------------------------------------------------------------------------- criteria


def _qualification(element: etree._Element) -> Qualification:
    qualifiers = (one.get("uri", "") for one in element.iterfind(f"{SIE}Qualifiers/{SIE}Qualifier"))
    criteria = element.find(f"{SIE}CriteriaList")
    return Qualification(
        qualifiers=tuple(uri for uri in qualifiers if uri),
        named=() if criteria is None else tuple(dict.fromkeys(_named(criteria))),
        enough=() if criteria is None else tuple(dict.fromkeys(_enough(criteria))),
    )


def _named(criteria: etree._Element) -> Iterator[str]:
    """Every policy that counts in favour: not those under an assertion of `none`."""
    if criteria.get("assert") not in ("all", "atLeastOne"):
        return
    for child in criteria.iterchildren(etree.Element):
        if child.tag == f"{SIE}PolicySet":
            yield from _policies(child)
        elif child.tag == f"{SIE}CriteriaList":
            yield from _named(child)


def _enough(criteria: etree._Element) -> Iterator[str]:
    """The policies each of which meets the criteria alone: a PolicySet asks for all of its own (§5.5.9.2.2.2)."""
    children = [child for child in criteria.iterchildren(etree.Element) if child.tag != f"{SIE}Description"]
    rule = criteria.get("assert")
    if not (rule == "atLeastOne" or (rule == "all" and len(children) == 1)):
        return
    for child in children:
        policies = _policies(child) if child.tag == f"{SIE}PolicySet" else []
        if len(policies) == 1:
            yield policies[0]
        elif child.tag == f"{SIE}CriteriaList":
            yield from _enough(child)


def _policies(element: etree._Element) -> list[str]:
    """The OIDs in dotted form; the list also writes them as URN (`urn:oid:`)."""
    found = element.iterfind(f"{SIE}PolicyIdentifier/{XADES}Identifier")
    return [(one.text or "").strip().lower().removeprefix("urn:oid:") for one in found]


# ---------------------------------------------------------------------------------------------- texts


def _text(element: etree._Element, path: str) -> str:
    """The text of the first such element, on one line; empty without."""
    found = element.find(f"{TSL}{path}")
    return "" if found is None else " ".join("".join(map(str, found.itertext())).split())


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
