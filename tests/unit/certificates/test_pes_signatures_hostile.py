"""Signatures of PES made to be believed of something else: each is refused, its arithmetic right as it is."""

import re
import tempfile

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tdt.certificates.pes_places import MOST_SIGNATURES, MOST_TOGETHER
from tdt.certificates.pes_signatures import MOST_REFERENCES, read_pes_signatures
from tdt.domain.helios.signatures import NO_ID, PesSignatures, PesSignaturesOrder
from tests.pes_signing import DS, ENVELOPED, EXCLUSIVE, PLAIN, draft, seal, sign, signed, unsigned
from tests.signing import Authority, Person

AUTHORITY = Authority("AC des ordonnateurs")
MAYOR = AUTHORITY.person("Le maire")
FLOW = unsigned("12", "13")
TRANSFORM = f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform>'
WRAPPED = f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
SHA256 = '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'


def told(data: bytes) -> PesSignatures:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return read_pes_signatures(PesSignaturesOrder(), [file.fileno()])


def fault(data: bytes) -> str:
    found = told(data)
    faults = [one.fault for one in found.found if one.fault] or [found.fault]
    assert faults[0], "nothing was found wrong"
    return faults[0]


def resealed(before: str, after: str) -> bytes:
    """What the signer itself signs, changed in what it says."""
    flow = draft(FLOW, MAYOR)
    assert before.encode("latin-1") in flow
    return seal(flow.replace(before.encode("latin-1"), after.encode("latin-1"), 1), MAYOR, "B12_SIG_1", PLAIN)


def original() -> tuple[bytes, bytes, bytes]:
    """What comes before the signed bordereau, it, and what comes after."""
    data = signed(MAYOR)
    start, end = data.index(b"<Bordereau"), data.index(b"</Bordereau>") + len(b"</Bordereau>")
    return data[:start], data[start:end], data[end:]


def forged(slip: bytes) -> bytes:
    return re.sub(rb"<ds:Signature .*</ds:Signature>", b"", slip, flags=re.DOTALL).replace(b"100.00", b"999.00")


def test_the_signed_bordereau_hidden_beside_a_forged_one_of_its_id() -> None:
    before, slip, after = original()
    assert "plusieurs éléments portent l'identifiant B12" in fault(before + forged(slip) + slip + after)
    hidden = before + forged(slip) + after.replace(b"</n:PES_Aller>", b"<Extra>" + slip + b"</Extra></n:PES_Aller>")
    assert fault(hidden) == "elle n'est ni dans un bordereau ni à la fin du flux"


def test_the_signature_moved_to_a_forged_bordereau() -> None:
    before, slip, after = original()
    start = slip.index(b"<ds:Signature ")
    signature = slip[start : -len(b"</Bordereau>")]
    bare = slip[:start] + b"</Bordereau>"
    false = forged(slip).replace(b' Id="B12"', b"").replace(b"</Bordereau>", signature + b"</Bordereau>")
    data = before + false + b"<Extra>" + bare + b"</Extra>" + after
    assert fault(data) == "elle porte sur un autre élément que celui qui la contient (#B12)"


@pytest.mark.parametrize("key", ["ID", "id", "xml:id", "Id"])
def test_an_identifier_under_another_name_does_not_hide_a_double(key: str) -> None:
    data = signed(MAYOR).replace(b"<Enveloppe>", f'<Enveloppe {key}="B12">'.encode())
    assert fault(data) == "plusieurs éléments portent l'identifiant B12"
    data = signed(MAYOR).replace(b"<Enveloppe>", f'<Enveloppe {key}="B12_SIG_1_SP">'.encode())
    assert fault(data) == "plusieurs éléments portent l'identifiant B12_SIG_1_SP"


@pytest.mark.parametrize(
    "algorithm",
    [
        "http://www.w3.org/TR/1999/REC-xpath-19991116",
        "http://www.w3.org/2002/06/xmldsig-filter2",
        "http://www.w3.org/TR/1999/REC-xslt-19991116",
        f"{DS}base64",
        "http://www.w3.org/2006/12/xml-c14n11",
    ],
)
def test_a_transformation_that_chooses(algorithm: str) -> None:
    chosen = f'<ds:Transform Algorithm="{algorithm}"><ds:XPath>false()</ds:XPath></ds:Transform>'
    assert "transformation" in fault(resealed(WRAPPED + TRANSFORM, WRAPPED + chosen))
    assert "transformations non acceptées" in fault(resealed(WRAPPED + TRANSFORM, WRAPPED + chosen + TRANSFORM))
    assert "n'est pas enveloppée" in fault(resealed(WRAPPED + TRANSFORM, chosen + WRAPPED + TRANSFORM))
    assert "n'est pas enveloppée" in fault(resealed(WRAPPED + TRANSFORM, TRANSFORM))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/a.xml", "file:///etc/passwd", "autre.xml", "FLUX1"])
def test_an_outer_content_is_never_fetched(uri: str) -> None:
    assert fault(resealed('URI="#B12"', f'URI="{uri}"')) == f"elle porte sur un contenu extérieur ({uri})"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ('URI=""', "elle porte sur le flux entier sans être à sa fin"),
        ('URI="#FLUX1"', "elle porte sur un autre élément que celui qui la contient (#FLUX1)"),
        ('URI="#B13"', "elle porte sur un autre élément que celui qui la contient (#B13)"),
        ('URI="#absent"', "elle porte sur un autre élément que celui qui la contient (#absent)"),
        ('URI="#xpointer(/)"', "elle porte sur un autre élément que celui qui la contient (#xpointer(/))"),
        ("", "elle porte sur un contenu extérieur (sans adresse)"),
    ],
)
def test_another_part_of_the_flow(uri: str, words: str) -> None:
    assert fault(resealed('URI="#B12"', uri)) == words


def test_several_contents_or_none() -> None:
    inside = f"<ds:Transforms>{WRAPPED}</ds:Transforms>{SHA256}<ds:DigestValue>AA==</ds:DigestValue>"
    extra = f'<ds:Reference URI="#B13">{inside}</ds:Reference>'
    assert "plusieurs parties" in fault(resealed("</ds:SignedInfo>", extra + "</ds:SignedInfo>"))
    only_itself = draft(FLOW, MAYOR)
    start, end = only_itself.index(b"<ds:Reference "), only_itself.index(b"</ds:Reference>") + len(b"</ds:Reference>")
    nothing = seal(only_itself[:start] + only_itself[end:], MAYOR, "B12_SIG_1", PLAIN)
    assert fault(nothing) == "elle ne porte pas sur le contenu du flux"


def test_many_references_or_transformations() -> None:
    one = f'<ds:Reference URI="#B12_SIG_1_SV">{SHA256}<ds:DigestValue>AA==</ds:DigestValue></ds:Reference>'
    many = resealed("</ds:SignedInfo>", one * 2000 + "</ds:SignedInfo>")
    assert fault(many) == f"elle porte sur plus de {MOST_REFERENCES} parties"
    assert "transformations non acceptées" in fault(resealed(TRANSFORM, TRANSFORM * 2000))


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (f'<ds:SignatureMethod Algorithm="{DS}hmac-sha1"/>', "algorithme de signature non accepté"),
        (
            f'<ds:SignatureMethod Algorithm="{DS}hmac-sha1"><ds:HMACOutputLength>1</ds:HMACOutputLength>'
            "</ds:SignatureMethod>",
            "algorithme de signature non accepté",
        ),
        (
            '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256">'
            "<ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>",
            "algorithme de signature non accepté",
        ),
        (
            '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-md5"/>',
            "algorithme de signature non accepté",
        ),
        ("", "n'a pas exactement un élément SignatureMethod"),
    ],
)
def test_a_method_that_proves_nothing(method: str, words: str) -> None:
    kept = '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    assert words in fault(resealed(kept, method))


def test_a_digest_that_proves_nothing() -> None:
    md5 = SHA256.replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#md5")
    assert "algorithme d'empreinte non accepté" in fault(resealed(SHA256, md5))


@pytest.mark.parametrize(
    "info",
    [
        "<ds:KeyInfo/>",
        "<ds:KeyInfo><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
        "</ds:RSAKeyValue></ds:KeyValue></ds:KeyInfo>",
        '<ds:KeyInfo><ds:RetrievalMethod URI="http://127.0.0.1:1/key"/></ds:KeyInfo>',
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
        "",
    ],
)
def test_a_key_without_certificate(info: str) -> None:
    data = re.sub(rb"<ds:KeyInfo>.*</ds:KeyInfo>", info.encode(), signed(MAYOR), flags=re.DOTALL)
    assert fault(data) == "elle ne porte pas le certificat du signataire"
    inside = re.search(rb"<ds:X509Data>.*</ds:X509Data>", signed(MAYOR), re.DOTALL)
    assert inside is not None
    elsewhere = data.replace(b"<ds:Object>", b"<ds:Object>" + inside[0] + b"</ds:Object><ds:Object>")
    assert fault(elsewhere) == "elle ne porte pas le certificat du signataire"


def test_a_key_that_is_too_short() -> None:
    key = rsa.generate_private_key(65537, 1024)
    weak = Person(AUTHORITY.certify("Le maire", key.public_key()), key)
    assert fault(sign(FLOW, weak)) == "la clé de son certificat a moins de 2048 bits"


def test_what_it_says_is_told_in_one_line() -> None:
    data = resealed('URI="#B12"', 'URI="http://a/&#10;&#13;x&#9;' + "y" * 500 + '"')
    assert fault(data) == f"elle porte sur un contenu extérieur (http://a/ x {'y' * 500}"[:200]


def test_one_without_id_as_s2low_says_it() -> None:
    data = signed(MAYOR).replace(b' Id="B12_SIG_1">', b">")
    assert fault(data) == NO_ID == "Impossible d'extraire l'attribut Id de l'entité \\<Signature\\>"


def test_two_of_one_id() -> None:
    double = signed(MAYOR).replace(b"<Enveloppe>", b'<Enveloppe Id="B12_SIG_1">')
    assert fault(double) == "plusieurs éléments portent son identifiant (B12_SIG_1)"


def test_what_is_no_whole_signature() -> None:
    empty = f'<ds:Signature xmlns:ds="{DS}" Id="S"/>'.encode()
    assert fault(FLOW.replace(b"</Bordereau>", empty + b"</Bordereau>", 1)) == "elle est vide"
    nested = signed(MAYOR).replace(b"<ds:Object>", b"<ds:Object>" + empty, 1)
    assert fault(nested) == "elle en contient une autre"
    assert "un commentaire" in fault(resealed("<ds:SignatureMethod", "<!-- c --><ds:SignatureMethod"))


def test_what_only_looks_like_one() -> None:
    comment = FLOW.replace(b"</Bordereau>", b"<!-- <ds:Signature/> --></Bordereau>", 1)
    assert told(comment).found == ()
    other = FLOW.replace(b"</Bordereau>", b'<ds:Signature xmlns:ds="urn:other"/></Bordereau>', 1)
    assert told(other).found == ()


def test_a_default_namespace_hides_none() -> None:
    data = signed(MAYOR).replace(b"ds:", b"").replace(b"xmlns:ds=", b"xmlns=")
    [one] = told(data).found
    assert (one.name, one.valid) == ("B12_SIG_1", False)


def test_too_many() -> None:
    one = f'<ds:Signature xmlns:ds="{DS}" Id="S"/>'.encode()
    together = FLOW.replace(b"</Bordereau>", one * (MOST_TOGETHER + 1) + b"</Bordereau>", 1)
    assert told(together).fault.endswith(f"(plus de {MOST_TOGETHER} signatures portent sur le même contenu)")
    apart = FLOW.replace(b"</Bordereau>", (b"<x>" + one + b"</x>") * (MOST_SIGNATURES + 1) + b"</Bordereau>", 1)
    assert told(apart).fault.endswith(f"(plus de {MOST_SIGNATURES} signatures)")


def test_one_that_is_enormous() -> None:
    data = signed(MAYOR).replace(b"<ds:Object>", b"<ds:Object>" + b" " * (1 << 20) + b"</ds:Object><ds:Object>", 1)
    assert fault(data) == "elle est démesurée"


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00", "hier", "2026-13-01T00:00:00Z", ""]
)
def test_a_date_that_is_none(date: str) -> None:
    time = PLAIN.at
    assert time is not None
    written = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    [one, *_] = told(resealed(written, date)).found
    assert (one.fault, one.intact, one.valid, one.signing_time) == ("", True, True, None)
    assert one.remarks == ("elle ne dit pas sa date",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"pas du xml",
        b"<a>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        sign(FLOW, MAYOR).replace(b"ISO-8859-1", b"inconnu-9"),
    ],
)
def test_what_cannot_be_read(data: bytes) -> None:
    assert told(data).fault.startswith("le fichier ne peut pas être relu")
