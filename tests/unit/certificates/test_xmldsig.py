"""Enveloped signatures: each accepted form on documents made canonical by hand, and every way to cheat."""

import base64
import datetime
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tdt.certificates.xmldsig import SignatureError, verify_enveloped
from tdt.domain.xml import XmlError
from tests.trusted_lists import (
    DS,
    ENVELOPED,
    EXCLUSIVE,
    INCLUSIVE,
    RSA_SHA256,
    TSL,
    Key,
    Recipe,
    reference,
    sign,
    sign_canonical,
)

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
BODY = "<SchemeInformation>à lire</SchemeInformation>"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
CURVES: dict[str, ec.EllipticCurve] = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "521": ec.SECP521R1()}


@cache
def rsa_key(size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


@cache
def ec_key(curve: str = "256") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[curve])


@cache
def certificate(key: Key) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + datetime.timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def fast() -> Recipe:
    return Recipe(ec_key(), f"{MORE}ecdsa-sha256")


def test_every_accepted_form() -> None:
    recipes = [
        Recipe(rsa_key()),
        Recipe(rsa_key(), f"{MORE}rsa-sha384", digest="sha384"),
        Recipe(rsa_key(), f"{MORE}rsa-sha512", digest="sha512"),
        *(Recipe(rsa_key(), f"http://www.w3.org/2007/05/xmldsig-more#sha{n}-rsa-MGF1") for n in (256, 384, 512)),
        *(Recipe(ec_key(curve), f"{MORE}ecdsa-sha{n}") for curve, n in (("256", 256), ("384", 384), ("521", 512))),
    ]
    for recipe in recipes:
        for canonical in (EXCLUSIVE, INCLUSIVE):
            for uri in ("", "#list"):
                for properties in (True, False):
                    asked = replace(recipe, canonical=canonical, uri=uri, properties=properties)
                    signed = verify_enveloped(sign(BODY, asked), [certificate(ec_key("384")), certificate(recipe.key)])
                    assert signed.signer == certificate(recipe.key)
                    whole = f'<TrustServiceStatusList xmlns="{TSL}" Id="list">{BODY}\n</TrustServiceStatusList>'
                    assert signed.content.decode() == whole


def test_canonical_xml_is_the_default_after_the_signature_is_taken_out() -> None:
    assert verify_enveloped(sign(BODY, replace(fast(), transforms=ENVELOPED)), [certificate(ec_key())])


def test_prefixes_that_the_exclusive_form_must_repeat() -> None:
    prefixes = f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="u"></ec:InclusiveNamespaces>'
    transforms = f'{ENVELOPED}<ds:Transform Algorithm="{EXCLUSIVE}">{prefixes}</ds:Transform>'
    root = f'<p:TrustServiceStatusList xmlns:p="{TSL}" xmlns:u="urn:u">'
    tail = "</p:TrustServiceStatusList>"
    signature = sign_canonical((root + tail).encode(), replace(fast(), transforms=transforms, properties=False))
    data = root + signature + tail
    assert verify_enveloped(data.encode(), [certificate(ec_key())]).content.decode() == root + tail


def test_what_is_read_is_what_was_signed() -> None:
    """Comments are not signed: they go, and cannot cut a text in two."""
    data = sign(BODY, fast()).replace("à lire".encode(), "à <!-- ne pas -->lire".encode())
    assert BODY in verify_enveloped(data, [certificate(ec_key())]).content.decode()


def test_signed_by_another_key_whatever_the_document_says_of_it() -> None:
    encoded = base64.b64encode(certificate(ec_key("384")).public_bytes(Encoding.DER)).decode()
    info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{encoded}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    data = sign(BODY, Recipe(ec_key("384"), f"{MORE}ecdsa-sha384", key_info=info))
    assert verify_enveloped(data, [certificate(ec_key("384"))])
    for signers in ([certificate(ec_key())], [certificate(rsa_key())], []):
        with pytest.raises(SignatureError, match="d'aucun des certificats donnés"):
            verify_enveloped(data, signers)


def transform(algorithm: str, inside: str = "") -> str:
    return f'<ds:Transform Algorithm="{algorithm}">{inside}</ds:Transform>'


WEAK: dict[str, Callable[[], Recipe]] = {
    "SHA-1 signature": lambda: Recipe(rsa_key(), f"{DS}rsa-sha1"),
    "SHA-1 digest": lambda: replace(fast(), digest="sha1"),
    "HMAC": lambda: Recipe(rsa_key(), f"{MORE}hmac-sha256"),
    "short RSA": lambda: Recipe(rsa_key(1024)),
    "RSA method, EC key": lambda: Recipe(ec_key(), RSA_SHA256),
    "no transform": lambda: replace(fast(), transforms=""),
    "not enveloped": lambda: replace(fast(), transforms=transform(EXCLUSIVE)),
    "with comments": lambda: replace(fast(), canonical=f"{EXCLUSIVE}WithComments"),
    **{
        name: lambda more=more: replace(fast(), transforms=ENVELOPED + more)  # type: ignore[misc]
        for name, more in {
            "XPath": transform("http://www.w3.org/TR/1999/REC-xpath-19991116", "<ds:XPath>1</ds:XPath>"),
            "XSLT": transform("http://www.w3.org/TR/1999/REC-xslt-19991116"),
            "base64": transform(f"{DS}base64"),
            "a child in a canonicalisation": transform(INCLUSIVE, "<ds:XPath></ds:XPath>"),
            "two canonicalisations": transform(EXCLUSIVE) * 2,
            "the default prefix": transform(
                EXCLUSIVE,
                f'<i:InclusiveNamespaces xmlns:i="{EXCLUSIVE}" PrefixList="#default"></i:InclusiveNamespaces>',
            ),
        }.items()
    },
    "another element": lambda: replace(fast(), uri="#sig"),
    "nothing of this name": lambda: replace(fast(), uri="#nothing"),
    "a file": lambda: replace(fast(), uri="file:///etc/passwd"),
    "an XPointer": lambda: replace(fast(), uri="#xpointer(/)"),
}


@pytest.mark.parametrize("name", WEAK)
def test_other_algorithms_transforms_and_targets_are_refused(name: str) -> None:
    recipe = WEAK[name]()
    with pytest.raises(SignatureError):
        verify_enveloped(sign(BODY, recipe), [certificate(recipe.key)])


def test_two_references_to_the_document() -> None:
    """The first is right, the second tells of something else."""
    twice = f"{ENVELOPED}</ds:Transforms>"
    content = f'<TrustServiceStatusList xmlns="{TSL}" Id="list">{BODY}\n</TrustServiceStatusList>'.encode()
    second = reference("", ENVELOPED, content, "sha256")
    rest = twice + second[second.index("<ds:DigestMethod") :] + '<ds:Reference URI="#list"><ds:Transforms>' + ENVELOPED
    with pytest.raises(SignatureError, match="plusieurs parties"):
        verify_enveloped(sign(BODY, replace(fast(), transforms=rest, properties=False)), [certificate(ec_key())])


GOOD_EDITS: dict[str, Callable[[str], str]] = {
    "text": lambda text: text.replace("à lire", "à Lire"),
    "attribute": lambda text: text.replace('Id="list"', 'Id="liste"'),
    "white space": lambda text: text.replace("\n</Trust", "\n\n</Trust"),
    "an element more": lambda text: text.replace("<SchemeInformation>", "<Other></Other><SchemeInformation>"),
    "a processing instruction": lambda text: text.replace("<TrustService", "<?x y?><TrustService", 1),
    "signed properties": lambda text: text.replace("2026-05-01T", "2027-05-01T"),
    "no signature": lambda text: text[: text.index("<ds:Signature")] + text[text.index("</ds:Signature>") + 15 :],
    "two signatures": lambda text: text.replace(signature_of(text), signature_of(text) * 2),
    "a deeper signature": lambda text: text.replace(signature_of(text), f"<Deep>{signature_of(text)}</Deep>"),
    "no value": lambda text: text.replace("SignatureValue>", "Value>"),
    "value not base64": lambda text: text.replace("<ds:SignatureValue>", "<ds:SignatureValue>é"),
    "value cut": lambda text: text.replace("<ds:SignatureValue>\n", "<ds:SignatureValue>AAAA"),
    "digest in two": lambda text: text.replace("<ds:DigestValue>", "<ds:DigestValue>AA<!-- -->", 1),
    "method changed": lambda text: text.replace("ecdsa-sha256", "ecdsa-sha512"),
    "a manifest": lambda text: text.replace("</ds:SignedInfo>", "<ds:Manifest></ds:Manifest></ds:SignedInfo>"),
    "two SignedInfo": lambda text: text.replace("<ds:SignedInfo>", "<ds:SignedInfo></ds:SignedInfo><ds:SignedInfo>"),
}


def signature_of(text: str) -> str:
    return text[text.index("<ds:Signature") : text.index("</ds:Signature>") + 15]


@pytest.mark.parametrize("name", GOOD_EDITS)
@pytest.mark.parametrize("uri", ["", "#list"])
def test_an_altered_document_is_refused(name: str, uri: str) -> None:
    text = sign(BODY, replace(fast(), uri=uri)).decode()
    altered = GOOD_EDITS[name](text)
    assert altered != text
    if name == "a processing instruction" and uri:
        # outside what was signed, and outside what is read
        assert b"?x" not in verify_enveloped(altered.encode(), [certificate(ec_key())]).content
        return
    with pytest.raises(SignatureError):
        verify_enveloped(altered.encode(), [certificate(ec_key())])


def test_wrapping() -> None:
    """The signed list, whole, inside another: as a child of the new root, or hidden in the signature."""
    text = sign(BODY, replace(fast(), uri="#list")).decode().partition("\n")[2]
    signature = signature_of(text)
    original = text.replace(signature, "")
    forged = f'<TrustServiceStatusList xmlns="{TSL}" Id="%s">faux%s</TrustServiceStatusList>'
    for wrapped in (
        forged % ("new", f"<Deep>{text}</Deep>"),
        forged % ("new", text),
        forged % ("new", original + signature),
        forged % ("list", original + signature),
        forged % ("new", signature.replace("<ds:Object>", f"<ds:Object>{original}</ds:Object><ds:Object>")),
        forged % ("list", signature.replace("<ds:Object>", f"<ds:Object>{original}</ds:Object><ds:Object>")),
    ):
        with pytest.raises(SignatureError):
            verify_enveloped(wrapped.encode(), [certificate(ec_key())])


def test_signed_properties_of_another_place() -> None:
    text = sign(BODY, fast()).decode()
    start, end = text.index("<x:SignedProperties"), text.index("</x:SignedProperties>") + 21
    properties = text[start:end]
    fake = properties.replace("2026-05-01", "2027-05-01")
    for altered in (
        text.replace(properties, fake + properties),
        text.replace(properties, properties.replace('Id="props"', 'Id="other"')),
        text.replace("<SchemeInformation>", f"{properties.replace('x:S', 'S')}<SchemeInformation>"),
    ):
        assert altered != text
        with pytest.raises(SignatureError):
            verify_enveloped(altered.encode(), [certificate(ec_key())])


def test_hostile_xml() -> None:
    text = sign(BODY, fast()).decode()
    doctype = '<!DOCTYPE TrustServiceStatusList [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY a "lire">]>\n'
    for hostile in (
        text.replace("<TrustService", doctype + "<TrustService", 1),
        text.replace("<TrustService", doctype + "<TrustService", 1).replace("à lire", "à &a;"),
        text.replace("à lire", "&e;"),
        text[:-10],
        "",
        "\0",
    ):
        with pytest.raises(XmlError):
            verify_enveloped(hostile.encode(), [certificate(ec_key())])
