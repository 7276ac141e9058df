"""Certificates, chains, revocation lists, OCSP answers, trusted lists, signatures of PES and of files of signature.

They are judged at a fixed instant, against authorities kept beside the corpus (public parts only).
"""

import base64
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast
from urllib.parse import quote

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tdt.certificates.account import read_certificate
from tdt.certificates.chain import ChainVerifier
from tdt.certificates.files import read_certificates
from tdt.certificates.pes_signatures import read_pes_signatures
from tdt.certificates.revocation import Revocations, read_cache, read_crls
from tdt.certificates.rgs import Assessor
from tdt.certificates.sources import AnswerSource, ListSource, check_answer, check_list, find_sources
from tdt.certificates.trusted_list import TrustedListError, read_trusted_list
from tdt.certificates.xades import read_xml_signatures
from tdt.certificates.xmldsig import SignatureError, verify_enveloped
from tdt.config import ConfigError, Server
from tdt.documents.pdf.detached import read_detached
from tdt.documents.signatures import Detached
from tdt.domain.actes.signatures import XmlSignaturesOrder
from tdt.domain.errors import Refused
from tdt.domain.helios.signatures import PesSignaturesOrder
from tdt.domain.signatures import Signatures
from tdt.domain.xml import XmlError
from tdt.web.auth import Unidentified, peer_certificate
from tests import ocsp, trusted_lists
from tests.fuzz.targets.base import DIRECTORY, Target, check_told
from tests.pes_signing import SHAPES, everything, signed
from tests.signing import Authority, sign_apart
from tests.unit.certificates import test_chain_and_lists as made

KNOWN = Path(__file__).resolve().parents[1] / "known"
NOW, DAY = made.NOW, timedelta(days=1)
DIGESTS = ("00" * 32,)
BEHIND_NGINX = Server(client_certificate="nginx", listen="unix:/run/tdt.sock")
Answer = TypeVar("Answer")


@cache
def known(name: str) -> x509.Certificate:
    """A certificate kept beside the corpus."""
    return x509.load_der_x509_certificate((KNOWN / f"{name}.der").read_bytes())


def certificate(data: bytes) -> None:
    """That of an account: read as itself, or refused; then what a connection with it goes through."""
    try:
        read = read_certificate(data)
    except Refused as error:
        check_told(error.message)
        return
    assert read_certificate(read.pem.encode()) == read
    der = x509.load_pem_x509_certificate(read.pem.encode()).public_bytes(Encoding.DER)
    authorities = [known("root"), known("middle")]
    ChainVerifier(authorities).refusal(der, NOW)
    with suppress(ValueError):  # its contract
        Assessor(authorities, ()).assess(der, NOW)
    leaf = x509.load_der_x509_certificate(der)
    Revocations(authorities, []).look(leaf, NOW)
    find_sources(authorities, [leaf], NOW, [], lambda _: True)


def forwarded(data: bytes) -> None:
    """What nginx hands over of a client's certificate: read and judged as at the door, or refused."""
    headers = {"X-Client-Verify": "SUCCESS", "X-Client-Cert": quote(data)}
    try:
        der = peer_certificate(cast(web.Request, SimpleNamespace(headers=headers, remote="")), BEHIND_NGINX)
    except Unidentified as error:
        check_told(error.message)
        return
    assert der is not None
    with suppress(ValueError):  # its contract
        Assessor([known("root"), known("middle")], ()).assess(der, NOW)


def files(data: bytes) -> None:
    """A file that the configuration names: authorities, or a revocation list."""
    path = _written(data, "authority.pem")
    for read in (read_certificates, read_crls):
        try:
            read(str(path))
        except ConfigError:
            continue


def revocation(data: bytes) -> None:
    """A list or an answer that was fetched: it replaces the one held, or is refused with a reason."""
    authority = known("middle")
    held = _written(data, "held.crl")
    for told in (
        check_list(data, ListSource("http://x.test/l.crl", (authority,)), DIRECTORY / "none", NOW),
        check_list(data, ListSource("http://x.test/l.crl", (authority,)), held, NOW),
        check_answer(data, AnswerSource("http://x.test/", known("leaf"), authority), DIRECTORY / "none", NOW),
        check_answer(data, AnswerSource("http://x.test/", known("leaf"), authority), held, NOW),
    ):
        check_told(told)
    folder = DIRECTORY / "cache"
    folder.mkdir(exist_ok=True)
    for name in ("a.crl", "a.ocsp"):
        (folder / name).write_bytes(data)
    lists, answers = read_cache(folder)
    Revocations([known("root"), authority], lists, answers).look(known("leaf"), NOW)


def trusted(data: bytes) -> None:
    """The national list: signed by who must, and read; or refused."""
    for read in (lambda: verify_enveloped(data, [known("root")]), lambda: read_trusted_list(data)):
        try:
            read()
        except (TrustedListError, SignatureError, XmlError):
            continue


def pes_signatures(data: bytes) -> None:
    """The signatures of a flow: a verdict, always."""
    found = _with_file(data, lambda file: read_pes_signatures(PesSignaturesOrder(), [file]))
    check_told(found.fault)
    for one in found.found:
        check_told(one.fault)


def xml_signatures(data: bytes) -> None:
    """A file of signature beside an act."""
    for one in _with_file(data, lambda file: read_xml_signatures(XmlSignaturesOrder(DIGESTS), [file])).found:
        check_told(one.fault + one.unverified)


def detached(data: bytes) -> None:
    """A PKCS#7 signature, in PEM as it is posted; the same bytes as its content."""
    armoured = f"-----BEGIN PKCS7-----\n{base64.encodebytes(data).decode()}-----END PKCS7-----"
    for text in (data.decode("latin-1"), armoured):
        check_told(_with_file(b"%PDF-1.4\n", partial(_read_detached, Detached(text))).fault)


def _read_detached(order: Detached, file: int) -> Signatures:
    return read_detached(order, [file])


def _with_file(data: bytes, read: Callable[[int], Answer]) -> Answer:
    file = os.memfd_create("fuzz")
    try:
        os.write(file, data)
        return read(file)
    finally:
        os.close(file)


def _written(data: bytes, name: str) -> Path:
    DIRECTORY.mkdir(exist_ok=True)
    path = DIRECTORY / name
    path.write_bytes(data)
    return path


def _certificate_seeds() -> dict[str, bytes]:
    pem = known("leaf").public_bytes(Encoding.PEM)
    return {"der": known("leaf").public_bytes(Encoding.DER), "pem": pem, "authority": _der("middle"), "rsa": _rsa()}


def _der(name: str) -> bytes:
    return known(name).public_bytes(Encoding.DER)


def _rsa() -> bytes:
    return Authority("AC du fuzz").person("Zoé").certificate.public_bytes(Encoding.DER)


def _file_seeds() -> dict[str, bytes]:
    chain = b"".join(known(name).public_bytes(Encoding.PEM) for name in ("root", "middle"))
    return {"chain": chain, "der": _der("root"), "list": _list()}


def _list() -> bytes:
    return made.revoke(made.MIDDLE, made.LEAF).public_bytes(Encoding.PEM)


def _revocation_seeds() -> dict[str, bytes]:
    """Signed by the authority that is kept: written together with it, once (`write_known`)."""
    signer = (made.MIDDLE.certificate, made.MIDDLE.key)
    answer = ocsp.answer(made.LEAF.certificate, made.MIDDLE.certificate, signer, NOW - DAY / 2)
    listed = made.revoke(made.MIDDLE, made.LEAF)
    return {"list": listed.public_bytes(Encoding.DER), "answer": answer, "pem": listed.public_bytes(Encoding.PEM)}


def write_known() -> None:
    """The authorities of the corpus, whose keys are forgotten: what they signed is written with them."""
    KNOWN.mkdir(exist_ok=True)
    for name, signer in (("root", made.ROOT), ("middle", made.MIDDLE), ("leaf", made.LEAF)):
        (KNOWN / f"{name}.der").write_bytes(made.der(signer))
    known.cache_clear()


def _trusted_seeds() -> dict[str, bytes]:
    one = trusted_lists.service(known("middle"), trusted_lists.information("http://x.test/"))
    criteria = trusted_lists.criteria("atLeastOne", trusted_lists.policy_set("1.2.250.1.1", "1.2.3"))
    two = trusted_lists.service(known("root"), trusted_lists.qualification("http://x.test/q", criteria))
    recipe = trusted_lists.Recipe(made.ROOT.key, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
    return {"signed": trusted_lists.sign(trusted_lists.list_body(one, two), recipe)}


def _pes_seeds() -> dict[str, bytes]:
    person = Authority("AC des flux").person("Maire")
    shapes = ("libersign", "1.2.2", "prefixes", "no properties")
    return {"everything": everything(person)} | {name: signed(person, SHAPES[name]) for name in shapes}


def _xml_seeds() -> dict[str, bytes]:
    person = Authority("AC des actes").person("Maire")
    [at, *_] = [signed(person)]
    start, end = at.index(b"<ds:Signature "), at.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    return {"alone": at[start:end], "inside": at}


def _detached_seeds() -> dict[str, bytes]:
    person = Authority("AC des actes").person("Maire")
    text = sign_apart(b"%PDF-1.4\n", person)
    body = "".join(text.splitlines()[1:-1])
    attached = "".join(sign_apart(b"%PDF-1.4\n", person, attached=True).splitlines()[1:-1])
    return {"pem": text.encode(), "der": base64.b64decode(body), "attached": base64.b64decode(attached)}


TARGETS = [
    Target("certificate", certificate, _certificate_seeds),
    Target("forwarded", forwarded, lambda: {"pem": known("leaf").public_bytes(Encoding.PEM)}),
    Target("files", files, _file_seeds),
    Target("revocation", revocation, _revocation_seeds),
    Target("trusted", trusted, _trusted_seeds),
    Target("pes_signatures", pes_signatures, _pes_seeds),
    Target("xml_signatures", xml_signatures, _xml_seeds),
    Target("detached", detached, _detached_seeds),
]
