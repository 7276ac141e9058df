"""Files of XML signatures: over the documents beside them, over what they carry, over themselves."""

import base64
import hashlib
import tempfile
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.xades import read_xml_signatures
from tdt.domain.actes.signatures import XmlSignaturesOrder
from tdt.domain.signatures import Signature, Signatures
from tests.pdf_files import PDF
from tests.signing import Authority, Person
from tests.trusted_lists import DS, ENVELOPED, EXCLUSIVE, RSA_SHA256, XADES, reference

DIGESTS = (hashlib.sha256(PDF).hexdigest(), hashlib.sha512(PDF).hexdigest())
CANONICAL = f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform>'
BASE64 = f'<ds:Transform Algorithm="{DS}base64"></ds:Transform>'
PROPERTIES = (
    f'<x:SignedProperties xmlns:x="{XADES}" Id="props"><x:SignedSignatureProperties>'
    "<x:SigningTime>2026-03-09T10:00:00+01:00</x:SigningTime></x:SignedSignatureProperties></x:SignedProperties>"
)
PROPERTIES_TYPE = ' Type="http://uri.etsi.org/01903#SignedProperties"'


@pytest.fixture(scope="module")
def mayor() -> Person:
    return Authority("AC des fichiers de signature").person("Le maire")


@dataclass(frozen=True, slots=True)
class Made:
    """A file of signature: its references, what it carries."""

    references: str
    objects: str = ""
    properties: bool = True


def write(mayor: Person, made: Made, root: str = "signatures") -> bytes:
    """By hand, in canonical form."""
    references = made.references
    if made.properties:
        references += reference("#props", CANONICAL, PROPERTIES.encode(), "sha256", PROPERTIES_TYPE)
    inside = (
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    octets = f'<ds:SignedInfo xmlns:ds="{DS}">{inside}'.encode()
    value = base64.b64encode(mayor.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())).decode()
    held = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in (mayor.certificate, *mayor.others)]
    certificates = "".join(f"<ds:X509Certificate>{one}</ds:X509Certificate>" for one in held)
    holder = f'<x:QualifyingProperties xmlns:x="{XADES}">{PROPERTIES}</x:QualifyingProperties>'
    holder = f"<ds:Object>{holder}</ds:Object>" if made.properties else ""
    text = (
        f'<?xml version="1.0"?><{root}><ds:Signature xmlns:ds="{DS}" Id="S1"><ds:SignedInfo>{inside}'
        f"<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>{certificates}"
        f"</ds:X509Data></ds:KeyInfo>{made.objects}{holder}</ds:Signature></{root}>"
    )
    return text.encode()


def told(data: bytes) -> Signatures:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return read_xml_signatures(XmlSignaturesOrder(DIGESTS), [file.fileno()])


def facts(one: Signature) -> tuple[bool, bool, str, str]:
    return one.intact, one.valid, one.fault, one.unverified


BESIDE = Made(reference("deliberation.pdf", "", PDF, "sha256"))
CARRIED = f'<ds:Object Id="doc" Encoding="base64">{base64.b64encode(PDF).decode()}</ds:Object>'
ENVELOPING = Made(reference("#doc", BASE64, PDF, "sha512"), CARRIED)


@pytest.mark.parametrize("made", [BESIDE, ENVELOPING], ids=["beside", "enveloping"])
def test_over_a_document_of_the_act(mayor: Person, made: Made) -> None:
    [one] = told(write(mayor, made)).found
    assert facts(one) == (True, True, "", "")
    assert (one.name, one.digest in {"sha256", "sha512"}) == ("S1", True)
    assert str(one.signed_at) == "2026-03-09 09:00:00+00:00"
    assert one.certificate == mayor.certificate.public_bytes(Encoding.DER)


def test_over_itself(mayor: Person) -> None:
    bare = b"<signatures></signatures>"
    made = Made(reference("", ENVELOPED + CANONICAL, bare, "sha256"), properties=False)
    [one] = told(write(mayor, made)).found
    assert facts(one) == (True, True, "", "")
    changed = write(mayor, made).replace(b"<signatures>", b"<signatures>et plus")
    [one] = told(changed).found
    assert facts(one) == (False, True, "", "")


def test_what_was_changed_after_is_seen(mayor: Person) -> None:
    data = write(mayor, ENVELOPING)
    [one] = told(data.replace(base64.b64encode(PDF)[:20], base64.b64encode(PDF[:14] + b"x")[:20])).found
    assert facts(one) == (False, True, "", "")
    [one] = told(data.replace(b"10:00:00", b"11:00:00")).found
    assert facts(one) == (False, True, "", "")


def test_a_value_of_another_key_is_seen(mayor: Person) -> None:
    data = write(mayor, BESIDE)
    start = data.index(b"<ds:SignatureValue>") + 30
    [one] = told(data[:start] + (b"AAAA" if data[start : start + 4] != b"AAAA" else b"BBBB") + data[start + 4 :]).found
    assert (one.valid, one.unverified) == (False, "")


@pytest.mark.parametrize(
    "made",
    [
        Made(reference("autre.pdf", "", b"un autre document", "sha256")),
        Made(reference("deliberation.pdf", CANONICAL, PDF, "sha256")),
        Made(reference("", CANONICAL, PDF, "sha256")),
        Made(reference("deliberation.pdf", "", PDF, "sha1")),
        Made(""),
    ],
    ids=["another document", "transformed", "itself", "old digest", "nothing"],
)
def test_what_cannot_be_verified_is_said_and_is_no_fault(mayor: Person, made: Made) -> None:
    [one] = told(write(mayor, made)).found
    assert one.unverified
    assert not one.fault


@pytest.mark.parametrize("data", [b"", b"<a/>", b"pas du xml", b"<a><b></a>", PDF])
def test_what_holds_none(data: bytes) -> None:
    assert told(data) == Signatures()
