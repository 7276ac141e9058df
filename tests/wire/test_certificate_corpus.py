"""A corpus of hostile or odd client certificates on the real TLS server: each gets the outcome that the docs promise.

docs/certificates.md holds the same table, in the same words; a test compares them.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tdt.certificates.revocation import name_of_answer
from tdt.config import Config, Server
from tdt.db.accounts import NewAccount, insert_account
from tdt.deps import utc_now
from tdt.domain.authorities import Role
from tdt.domain.identity import certificate_hash
from tdt.sandbox.pki import Pki
from tests import ocsp as made
from tests.postgres import TestDatabase
from tests.wire.administration import rows
from tests.wire.client import close, read_answer
from tests.wire.stack import Stack, changed, run_stack

DAY = timedelta(days=1)
DOCS = Path(__file__).parents[2] / "docs" / "certificates.md"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

HANDSHAKE = "refusé à la poignée de main TLS"
CLOSED = "connexion fermée à la première requête, sans réponse"
SERVED = "servi"
UNPROVEN = "refus REVOCATION_INCONNUE"


@dataclass(frozen=True, slots=True)
class Signer:
    certificate: x509.Certificate
    key: Key


@dataclass(frozen=True, slots=True)
class Wish:
    """What a certificate of the corpus is to be; all else is as it should be."""

    cn: str = "Logiciel"
    start: timedelta = -DAY
    end: timedelta = 30 * DAY
    key: Callable[[], Key] = field(default=lambda: ec.generate_private_key(ec.SECP256R1()))
    usage: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.CLIENT_AUTH
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = ()


def sign(wish: Wish, issuer: Signer | None, now: datetime) -> tuple[x509.Certificate, Key]:
    key = wish.key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.cn)])
    by, signer = (issuer.certificate.subject, issuer.key) if issuer is not None else (subject, key)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now + wish.start).not_valid_after(now + wish.end)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(authority, critical=False)
    if wish.usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([wish.usage]), critical=False)
    for extension, critical in wish.extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256()), key


def with_sha1(certificate: x509.Certificate, signer: Key) -> x509.Certificate:
    """The same, signed by RSA with SHA-1, which no library makes any more: both algorithms have names of one length."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    sha256, sha1 = (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01" + last for last in (b"\x0b", b"\x05"))
    signed = certificate.tbs_certificate_bytes.replace(sha256, sha1)
    signature = signer.sign(signed, PKCS1v15(), hashes.SHA1())
    der = certificate.public_bytes(serialization.Encoding.DER).replace(sha256, sha1)
    return x509.load_der_x509_certificate(der.replace(certificate.signature, signature))


def authority(
    cn: str, issuer: Signer | None, now: datetime, *more: x509.ExtensionType, path: int | None = None
) -> Signer:
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    extensions = ((x509.BasicConstraints(True, path), True), (usage, True), *((one, True) for one in more))
    return Signer(*sign(Wish(cn, usage=None, extensions=extensions), issuer, now))


def rsa_authority(cn: str, now: datetime) -> Signer:
    extensions = ((x509.BasicConstraints(True, None), True),)
    return Signer(*sign(Wish(cn, usage=None, extensions=extensions, key=lambda: rsa_key(2048)), None, now))


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def elsewhere() -> x509.NameConstraints:
    subtree = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ailleurs")]))
    return x509.NameConstraints([subtree], None)


@dataclass(slots=True)
class Corpus:
    """Authorities that are trusted, one that only has their name, and certificates of all."""

    folder: Path
    now: datetime = field(default_factory=utc_now)
    authorities: dict[str, Signer] = field(default_factory=dict)
    files: dict[str, tuple[x509.Certificate, Path]] = field(default_factory=dict)

    def make(self, case: str, wish: Wish, issuer: str = "bonne") -> x509.Certificate:
        certificate, key = sign(wish, self.authorities[issuer], self.now)
        if case == "signature SHA-1":
            certificate = with_sha1(certificate, self.authorities[issuer].key)
        path = self.folder / f"{len(self.files)}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        self.files[case] = certificate, path
        return certificate

    def list_of(
        self, issuer: str, *revoked: x509.Certificate, signer: str = "", age: timedelta = timedelta(0)
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.authorities[issuer].certificate.subject)
        builder = builder.last_update(self.now - timedelta(hours=1) - age).next_update(self.now + DAY - age)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(self.now - DAY).build())
        crl = builder.sign(self.authorities[signer or issuer].key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.DER)


OUTCOMES = {
    "ordinaire": SERVED,
    "expiré": HANDSHAKE,
    "pas encore valide": HANDSHAKE,
    "usage d'un serveur (EKU)": HANDSHAKE,
    "clé sans signature (KU)": HANDSHAKE,
    "chaîne plus longue que permise (pathlen)": HANDSHAKE,
    "nom hors des contraintes de son autorité": HANDSHAKE,
    "extension critique inconnue": HANDSHAKE,
    "clé RSA de 1024 bits": HANDSHAKE,
    "signature SHA-1": HANDSHAKE,
    "révoqué par une liste": CLOSED,
    "révoqué par OCSP": CLOSED,
    "liste périmée, autorité exigeante": UNPROVEN,
    "liste périmée, autorité tolérante": SERVED,
    "révoqué par une liste périmée": CLOSED,
    "révoqué par une liste forgée": SERVED,
    "autorité de même nom, autre clé": HANDSHAKE,
    "énorme (60 ko)": SERVED,
    "énorme (200 ko)": HANDSHAKE,
    "nom hors de Latin-1": SERVED,
    "nom à caractères de contrôle": SERVED,
}


def make_corpus(folder: Path) -> Corpus:
    corpus = Corpus(folder)
    now = corpus.now
    corpus.authorities["bonne"] = authority("Autorité du corpus", None, now)
    corpus.authorities["fausse"] = authority("Autorité du corpus", None, now)
    corpus.authorities["courte"] = authority("Autorité sans suite", corpus.authorities["bonne"], now, path=0)
    corpus.authorities["de trop"] = authority("Autorité de trop", corpus.authorities["courte"], now)
    corpus.authorities["contrainte"] = authority("Autorité d'ailleurs", corpus.authorities["bonne"], now, elsewhere())
    corpus.authorities["rsa"] = rsa_authority("Autorité RSA", now)
    for name in ("périmée", "exigeante", "tolérante", "forgée"):
        corpus.authorities[name] = authority(f"Autorité {name}", None, now)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    no_signature = x509.KeyUsage(False, False, True, False, False, False, False, False, False)

    def padding(size: int) -> tuple[tuple[x509.ExtensionType, bool], ...]:
        blob = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.2"), b"\x04\x00" * (size // 2))
        return ((blob, False),)

    corpus.make("ordinaire", Wish())
    corpus.make("expiré", Wish(start=-9 * DAY, end=-DAY))
    corpus.make("pas encore valide", Wish(start=DAY))
    corpus.make("usage d'un serveur (EKU)", Wish(usage=ExtendedKeyUsageOID.SERVER_AUTH))
    corpus.make("clé sans signature (KU)", Wish(extensions=((no_signature, True),)))
    corpus.make("chaîne plus longue que permise (pathlen)", Wish(), "de trop")
    corpus.make("nom hors des contraintes de son autorité", Wish(), "contrainte")
    corpus.make("extension critique inconnue", Wish(extensions=((unknown, True),)))
    corpus.make("clé RSA de 1024 bits", Wish(key=lambda: rsa_key(1024)))
    corpus.make("signature SHA-1", Wish(), "rsa")
    by_list = corpus.make("révoqué par une liste", Wish())
    corpus.make("révoqué par OCSP", Wish())
    corpus.make("liste périmée, autorité exigeante", Wish(), "exigeante")
    corpus.make("liste périmée, autorité tolérante", Wish(), "tolérante")
    stale = corpus.make("révoqué par une liste périmée", Wish(), "périmée")
    forged = corpus.make("révoqué par une liste forgée", Wish(), "forgée")
    corpus.make("autorité de même nom, autre clé", Wish(), "fausse")
    corpus.make("énorme (60 ko)", Wish(extensions=padding(60_000)))
    corpus.make("énorme (200 ko)", Wish(extensions=padding(200_000)))
    corpus.make("nom hors de Latin-1", Wish("Łódź 東京 \U0001f3db"))
    corpus.make("nom à caractères de contrôle", Wish("Logiciel\nSet-Cookie: a=b"))

    (folder / "connect").mkdir()
    for name in ("rsa", "bonne", "courte", "de trop", "contrainte", "périmée", "exigeante", "tolérante", "forgée"):
        pem = corpus.authorities[name].certificate.public_bytes(serialization.Encoding.PEM)
        (folder / "connect" / f"{name}.pem").write_bytes(pem)
    (folder / "crl").mkdir()
    for name, data in (
        ("bonne", corpus.list_of("bonne", by_list)),
        ("exigeante", corpus.list_of("exigeante", age=2 * DAY)),
        ("tolérante", corpus.list_of("tolérante", age=2 * DAY)),
        ("périmée", corpus.list_of("périmée", stale, age=2 * DAY)),
        ("forgée", corpus.list_of("forgée", forged, signer="fausse")),
    ):
        (folder / "crl" / f"{name}.crl").write_bytes(data)
    (folder / "rgs.toml").write_text(
        "".join(
            f'[[authority]]\nsubject = "CN=Autorité {name}"\nrevocation = "{policy}"\n'
            '[[authority.policy]]\noid = "1.3.6.1.4.1.55555.3"\nlevel = "*"\nholder = "server"\n'
            for name, policy in (("exigeante", "hard"), ("tolérante", "soft"))
        ),
        encoding="utf-8",
    )
    return corpus


async def connect(stack: Stack, file: Path) -> str:
    """What becomes of one request with this certificate."""
    context = ssl.create_default_context(cafile=str(stack.pki.root))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a client that dares
    context.load_cert_chain(file)
    try:
        reader, writer = await asyncio.open_connection("localhost", stack.port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return HANDSHAKE
    try:
        writer.write(b"GET /api/test-connexion.php HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await writer.drain()
        answer = await asyncio.wait_for(read_answer(reader), 10)
    except ssl.SSLError:
        return HANDSHAKE  # TLS 1.3 tells a client so once it has spoken
    except (asyncio.IncompleteReadError, ConnectionError):
        return CLOSED if await rows(stack, "select from audit where tag = 'tls:certificate:refused'") else HANDSHAKE
    finally:
        await close(writer)
    if answer.body == b"OK":
        return SERVED
    text = answer.body.decode("latin-1")
    return UNPROVEN if text.startswith("KO\nImpossible de vérifier") else text


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


async def test_each_certificate_of_the_corpus_gets_its_outcome(
    config: Config, database: TestDatabase, pki: Pki, corpus: Corpus
) -> None:
    folder = corpus.folder
    server: Server = msgspec.structs.replace(
        config.server,
        connect_authorities=str(folder / "connect"),
        transmit_authorities=str(folder / "connect"),
        crl_directory=str(folder / "crl"),
        rgs=str(folder / "rgs.toml"),
    )
    one = corpus.authorities["bonne"]
    revoked = corpus.files["révoqué par OCSP"][0]
    cache = config.revocation_cache
    cache.mkdir(parents=True)
    said = made.answer(revoked, one.certificate, (one.certificate, one.key), corpus.now, ocsp.OCSPCertStatus.REVOKED)
    (cache / name_of_answer(revoked)).write_bytes(said)
    found = {}
    async with run_stack(changed(config, server=server), database, pki) as stack:
        async with stack.deps.transaction("system") as connection:
            for certificate, _ in corpus.files.values():
                digest = certificate_hash(certificate.public_bytes(serialization.Encoding.DER))
                new = NewAccount(role=Role.SADM, name="x", certificate_hash=digest)
                await insert_account(connection, new)
        for case, (_, path) in corpus.files.items():
            async with stack.deps.transaction("system") as connection:
                await connection.execute("delete from audit")
            found[case] = await connect(stack, path)
    assert found == OUTCOMES


def test_the_docs_promise_these_outcomes() -> None:
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \|[^\n]*$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    promised = {case.strip(): outcome.strip() for case, outcome in table if case.strip() in OUTCOMES}
    assert promised == OUTCOMES
