"""PES flows signed for tests in every shape that signing tools give; the canonical forms are libxml2's, not ours."""

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from tdt.domain.xml import parse_tree
from tests.dgfip_flows import ALLER, attachment, attachments
from tests.signing import Person

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = f"{DS}enveloped-signature"
DIGESTS = {"sha1": f"{DS}sha1", "sha256": "http://www.w3.org/2001/04/xmlenc#sha256"}
METHODS = {"sha1": f"{DS}rsa-sha1", "sha256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}
POLICY = "urn:oid:1.2.250.1.131.1.5.18.21.1.7"
HEADER = (
    '<Enveloppe><Parametres><Version V="2"/><TypFic V="PESALR2"/><NomFic V="{name}"/></Parametres>'
    '<Emetteur><Sigle V="Éditeur"/><Adresse V="Essais 1.0"/></Emetteur></Enveloppe>'
    '<EnTetePES><DteStr V="2026-01-15"/><IdPost V="034001"/><IdColl V="12345678200010"/><CodCol V="012"/>'
    '<CodBud V="00"/></EnTetePES>'
)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a signature is written. `at`: its SigningTime (None: without); `xades`: its version, empty for none."""

    digest: str = "sha256"
    xades: str = "1.1.1"
    form: str = EXCLUSIVE
    typed: bool = True
    empty_uri: bool = False
    enveloped_twice: bool = False
    bare: bool = False
    """Nothing is said of how the properties are made canonical: by the inclusive form, then."""
    tail: str = ""
    prefixes: str = ""
    covered: bool = True
    at: datetime | None = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


PLAIN = Shape()


def unsigned(*numbers: str, name: str = "PES-SIGNE-1", paperless: str = "1", attached: str = "H4sIAAAA") -> bytes:
    """A flow of these bordereaux of dépense (each has the Id B and its number), and one PJ."""
    slips = "".join(
        f'\n  <Bordereau Id="B{number}"><BlocBordereau><Exer V="2026"/><IdBord V="{number}"/>'
        '<DteBordEm V="2026-01-15"/><TypBord V="01"/><NbrPce V="1"/><MtBordHT V="100.00"/></BlocBordereau>'
        '<Piece><BlocPiece><InfoPce><IdPce V="345"/><TypPce V="01"/><NatPce V="01"/><Obj V="Réfection &lt;école&gt;"/>'
        "</InfoPce></BlocPiece>"
        '<LigneDePiece><BlocLignePiece><InfoLignePce><IdLigne V="1"/><Nature V="6068"/><TVAIntraCom V="0"/>'
        '<MtHT V="100.00"/></InfoLignePce></BlocLignePiece></LigneDePiece></Piece></Bordereau>'
        for number in numbers
    )
    text = (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:PES_Aller xmlns:n="{ALLER}" '
        f'xmlns:buda="urn:unused" Id="FLUX1">\n{HEADER.format(name=name)}\n <PES_DepenseAller><EnTeteDepense>'
        f'<IdVer V="2"/><InfoDematerialisee V="{paperless}"/></EnTeteDepense>{slips}\n </PES_DepenseAller>'
        f"{attachments(attachment('12345678200010ESSAI1', attached))}</n:PES_Aller>\n"
    )
    return text.encode("latin-1")


def sign(pes: bytes, person: Person, holder: str = "B12", shape: Shape = PLAIN, number: int = 1) -> bytes:
    """The flow with one more signature, the last child of the element of this Id."""
    return seal(draft(pes, person, holder, shape, number), person, f"{holder}_SIG_{number}", shape)


def draft(pes: bytes, person: Person, holder: str = "B12", shape: Shape = PLAIN, number: int = 1) -> bytes:
    """The same before its key is used: whoever signs may still change what it says (`seal`)."""
    end = _end_of(pes, holder)
    pes = pes[:end] + shape.tail.encode() + pes[end:]
    uri = "" if shape.empty_uri else f"#{holder}"
    name = f"{holder}_SIG_{number}"
    element = _by_id(parse_tree(pes), holder)
    content = _canonical(element.getroottree() if shape.empty_uri else element, shape)
    references = _reference(uri, f"{_transform(ENVELOPED)}{_form(shape)}", _digest(content, shape), shape)
    if shape.xades and shape.covered:
        kind = f' Type="http://uri.etsi.org/01903/v{shape.xades}#SignedProperties"' if shape.typed else ""
        twice = _transform(ENVELOPED) if shape.enveloped_twice else ""
        inside = twice if shape.bare else twice + _form(shape)
        references += _reference(f"#{name}_SP", inside, "DIGEST-OF-PROPERTIES", shape, kind)
    info = (
        f"<ds:SignedInfo><ds:CanonicalizationMethod{_form(shape)[len('<ds:Transform') :]}".replace(
            "</ds:Transform>", "</ds:CanonicalizationMethod>"
        )
        + f'<ds:SignatureMethod Algorithm="{METHODS[shape.digest]}"/>{references}</ds:SignedInfo>'
    )
    signature = (
        f'<ds:Signature xmlns:ds="{DS}" Id="{name}">{info}<ds:SignatureValue Id="{name}_SV">VALUE</ds:SignatureValue>'
        f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{_certificate(person)}</ds:X509Certificate></ds:X509Data>"
        f"</ds:KeyInfo>{_object(name, person, shape)}</ds:Signature>"
    )
    return pes[:end] + signature.encode("latin-1") + pes[end:]


def seal(pes: bytes, person: Person, name: str, shape: Shape = PLAIN) -> bytes:
    """Fill in the digest of the properties and the value of the signature of this Id."""
    properties = [one for one in parse_tree(pes).iter() if one.get("Id") == f"{name}_SP"]
    if properties:
        form = replace(shape, form=INCLUSIVE) if shape.bare else shape
        digest = _digest(_canonical(properties[0], form), shape)
        pes = pes.replace(b"DIGEST-OF-PROPERTIES", digest.encode(), 1)
    [info] = _by_id(parse_tree(pes), name).findall(f"{{{DS}}}SignedInfo")
    algorithm = hashes.SHA1() if shape.digest == "sha1" else hashes.SHA256()
    value = person.key.sign(_canonical(info, shape), padding.PKCS1v15(), algorithm)
    return pes.replace(b">VALUE<", b">" + base64.b64encode(value) + b"<", 1)


def signed(person: Person, shape: Shape = PLAIN, name: str = "PES-SIGNE-1") -> bytes:
    """A flow of one bordereau, signed."""
    return sign(unsigned("12", name=name), person, shape=shape)


def everything(person: Person, shape: Shape = PLAIN) -> bytes:
    """Two signed bordereaux, then the whole flow signed."""
    flow = sign(sign(unsigned("12", "13"), person, "B12", shape), person, "B13", shape)
    return sign(flow, person, "FLUX1", shape)


def _end_of(pes: bytes, holder: str) -> int:
    start = pes.index(f'Id="{holder}"'.encode())
    return pes.index(b"</Bordereau>" if holder.startswith("B") else b"</n:PES_Aller>", start)


def _by_id(root: etree._Element, name: str) -> etree._Element:
    return next(one for one in root.iter(etree.Element) if one.get("Id") == name)


def _canonical(tree: etree._Element | etree._ElementTree, shape: Shape) -> bytes:
    prefixes = shape.prefixes.split() or None
    return etree.tostring(
        tree,
        method="c14n",
        exclusive=shape.form == EXCLUSIVE,
        with_comments=False,
        inclusive_ns_prefixes=prefixes,
    )


def _digest(content: bytes, shape: Shape) -> str:
    return base64.b64encode(hashlib.new(shape.digest, content).digest()).decode()


def _reference(uri: str, transforms: str, value: str, shape: Shape, kind: str = "") -> str:
    return (
        f'<ds:Reference URI="{uri}"{kind}><ds:Transforms>{transforms}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGESTS[shape.digest]}"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>'
    )


def _transform(algorithm: str, inside: str = "") -> str:
    return f'<ds:Transform Algorithm="{algorithm}">{inside}</ds:Transform>'


def _form(shape: Shape) -> str:
    listed = f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{shape.prefixes}"/>' if shape.prefixes else ""
    return _transform(shape.form, listed)


def _certificate(person: Person) -> str:
    return base64.encodebytes(person.certificate.public_bytes(Encoding.DER)).decode()


def _object(name: str, person: Person, shape: Shape) -> str:
    if not shape.xades:
        return ""
    digest = base64.b64encode(hashlib.new(shape.digest, person.certificate.public_bytes(Encoding.DER)).digest())
    time = f"<xad:SigningTime>{shape.at:%Y-%m-%dT%H:%M:%SZ}</xad:SigningTime>" if shape.at else ""
    return (
        f'<ds:Object>\n<xad:QualifyingProperties xmlns:xad="http://uri.etsi.org/01903/v{shape.xades}#" '
        f'Target="#{name}"><xad:SignedProperties Id="{name}_SP"><xad:SignedSignatureProperties>{time}'
        f'<xad:SigningCertificate><xad:Cert><xad:CertDigest><xad:DigestMethod Algorithm="{DIGESTS[shape.digest]}"/>'
        f"<xad:DigestValue>{digest.decode()}</xad:DigestValue></xad:CertDigest></xad:Cert></xad:SigningCertificate>"
        f"<xad:SignaturePolicyIdentifier><xad:SignaturePolicyId><xad:SigPolicyId><xad:Identifier>{POLICY}"
        "</xad:Identifier></xad:SigPolicyId></xad:SignaturePolicyId></xad:SignaturePolicyIdentifier>"
        "<xad:SignatureProductionPlace><xad:City>Céret</xad:City></xad:SignatureProductionPlace>"
        "<xad:SignerRole><xad:ClaimedRoles><xad:ClaimedRole>Ordonnateur</xad:ClaimedRole></xad:ClaimedRoles>"
        "</xad:SignerRole></xad:SignedSignatureProperties></xad:SignedProperties></xad:QualifyingProperties></ds:Object>"
    )


SHAPES = {
    "libersign": PLAIN,
    "sha1": Shape(digest="sha1"),
    "1.2.2": Shape(xades="1.2.2", typed=False),
    "1.3.2": Shape(xades="1.3.2"),
    "sha1 1.2.2": Shape(digest="sha1", xades="1.2.2"),
    "enveloped twice": Shape(enveloped_twice=True),
    "enveloped alone": Shape(enveloped_twice=True, bare=True),
    "no transformation": Shape(bare=True),
    "tail": Shape(tail="\n   \t\n"),
    "inclusive": Shape(form=INCLUSIVE),
    "prefixes": Shape(prefixes="buda n"),
    "no properties": Shape(xades=""),
    "no time": Shape(at=None),
}
"""What must hold, at a bordereau and at the root."""
GLOBAL_SHAPES = {**SHAPES, "empty URI": Shape(empty_uri=True), "empty URI, tail": Shape(empty_uri=True, tail="\n ")}


def at(moment: datetime, shape: Shape = PLAIN) -> Shape:
    """The same, signed at that instant."""
    return replace(shape, at=moment)
