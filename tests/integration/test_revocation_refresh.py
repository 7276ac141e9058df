"""Lists and OCSP answers fetched over real HTTP: what is kept, what never replaces it, and what it changes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tdt.config import Config, Database, Revocation, Server, Spool
from tdt.db.accounts import NewAccount, insert_account
from tdt.deps import Deps, open_deps, utc_now
from tdt.domain.authorities import Role
from tdt.domain.identity import certificate_hash
from tdt.flows.revocation import Fetched, refresh
from tdt.web.trust import Trust
from tests import ocsp as made
from tests.certificates import TestAuthority
from tests.postgres import TestDatabase

DAY = timedelta(days=1)


@dataclass(slots=True)
class Field:
    """An authority whose list and responder are on a real HTTP server; `answer` replaces what it would say."""

    deps: Deps
    url: str
    authority: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    leaf: x509.Certificate
    stranger: x509.Certificate
    asked: list[str] = field(default_factory=list)
    crl: Callable[[], bytes] = bytes
    said: Callable[[], bytes] = bytes

    def trust(self) -> Trust:
        config = self.deps.config
        return Trust(config.server, utc_now, cache=config.revocation_cache)

    def refusal(self) -> str:
        return self.trust().refusal(self.leaf.public_bytes(Encoding.DER))

    def list_of(self, *serials: int, age: timedelta = timedelta(hours=1), lasts: timedelta = DAY) -> bytes:
        return sign_list(self.authority.subject, self.key, serials, age, lasts)

    def answer(self, status: ocsp.OCSPCertStatus) -> bytes:
        return made.answer(self.leaf, self.authority, (self.authority, self.key), utc_now(), status)

    def cached(self) -> list[str]:
        folder = self.deps.config.revocation_cache
        return sorted(path.suffix for path in folder.glob("[!.]*")) if folder.is_dir() else []


def sign_list(
    issuer: x509.Name, key: ec.EllipticCurvePrivateKey, serials: tuple[int, ...], age: timedelta, lasts: timedelta
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    builder = builder.last_update(utc_now() - age).next_update(utc_now() - age + lasts)
    builder = builder.add_extension(x509.CRLNumber(7), critical=False)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(utc_now() - age)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def issue(
    name: str, url: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A root, or a client certificate with the addresses of its list and of its responder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer or (subject, key)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(signer[0]).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(utc_now() - DAY).not_valid_after(utc_now() + 30 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key())
    builder = builder.add_extension(authority_key, critical=False)
    if issuer is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(f"{url}/liste.crl")], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        access = x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{url}/ocsp")
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    return builder.sign(signer[1], hashes.SHA256()), key


@pytest.fixture
async def field_of(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Field]:
    asked: list[str] = []
    holder: list[Field] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        body = holder[0].crl() if request.path == "/liste.crl" else holder[0].said()
        return web.Response(body=body) if body else web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    root, key = issue("Autorité", url)
    leaf, _ = issue("Logiciel", url, (root.subject, key))
    stranger, _ = issue("Étranger", url, (root.subject, ec.generate_private_key(ec.SECP256R1())))
    folder = tmp_path / "connect"
    folder.mkdir()
    (folder / "racine.pem").write_bytes(root.public_bytes(Encoding.PEM))
    pair = TestAuthority(tmp_path).server()
    config = Config(
        server=Server(
            certificate=pair.certificate,
            key=pair.key,
            connect_authorities=str(folder),
            transmit_authorities=str(folder),
            crl_required=True,
        ),
        database=Database(dsn=database.app_dsn),
        spool=Spool(directory=str(tmp_path / "spool")),
        revocation=Revocation(refresh_seconds=0.001),
    )
    async with open_deps(config) as deps:
        for one in (leaf, stranger):
            await add_account(deps, one)
        found = Field(deps, url, root, key, leaf, stranger, asked)
        holder.append(found)
        yield found
    await runner.cleanup()


async def add_account(deps: Deps, certificate: x509.Certificate) -> None:
    pem = certificate.public_bytes(Encoding.PEM).decode()
    new = NewAccount(
        role=Role.SADM,
        name="x",
        certificate_hash=certificate_hash(certificate.public_bytes(Encoding.DER)),
        certificate=pem,
    )
    async with deps.transaction("system") as connection:
        await insert_account(connection, new)


async def test_a_list_is_fetched_once_for_all_and_obeyed(field_of: Field) -> None:
    assert field_of.refusal() == "no current revocation information"
    field_of.crl = field_of.list_of
    field_of.said = lambda: field_of.answer(ocsp.OCSPCertStatus.GOOD)
    assert await refresh(field_of.deps) == Fetched(2, 2, 0)
    assert field_of.refusal() == ""
    evidence = field_of.trust().identify(field_of.leaf.public_bytes(Encoding.DER)).evidence
    assert evidence["certificate"] == field_of.leaf.fingerprint(hashes.SHA256()).hex()
    assert evidence["chain"] == [one.fingerprint(hashes.SHA256()).hex() for one in (field_of.leaf, field_of.authority)]
    # the issuer has a list now: nobody is asked about its certificates one by one any more
    field_of.asked.clear()
    field_of.crl = lambda: field_of.list_of(field_of.leaf.serial_number, age=timedelta(minutes=1))
    assert await refresh(field_of.deps) == Fetched(1, 1, 0)
    assert field_of.asked == ["/liste.crl"]
    assert field_of.refusal() == "revoked"


async def test_what_is_forged_stale_older_or_broken_never_replaces_what_is_held(field_of: Field) -> None:
    field_of.crl = lambda: field_of.list_of(field_of.leaf.serial_number)
    config = msgspec.structs.replace(field_of.deps.config, revocation=Revocation(refresh_seconds=0.001, ocsp="never"))
    object.__setattr__(field_of.deps, "config", config)
    assert (await refresh(field_of.deps)).renewed == 1
    assert field_of.refusal() == "revoked"
    wrong = ec.generate_private_key(ec.SECP256R1())
    hour = timedelta(hours=1)
    attempts: list[Callable[[], bytes]] = [
        lambda: sign_list(field_of.authority.subject, wrong, (), timedelta(0), DAY),
        lambda: sign_list(field_of.leaf.subject, field_of.key, (), timedelta(0), DAY),
        lambda: field_of.list_of(age=2 * DAY, lasts=DAY),
        lambda: field_of.list_of(age=2 * hour),
        lambda: b"<html>portail captif</html>",
        bytes,
    ]
    for attempt in attempts:
        field_of.crl = attempt
        assert await refresh(field_of.deps) == Fetched(1, 0, 1)
        assert field_of.refusal() == "revoked"
    field_of.crl = lambda: field_of.list_of(age=timedelta(minutes=1))
    assert (await refresh(field_of.deps)).renewed == 1
    assert field_of.refusal() == ""


async def test_without_a_list_the_responder_is_asked_and_a_refusal_stays(field_of: Field) -> None:
    field_of.said = lambda: field_of.answer(ocsp.OCSPCertStatus.GOOD)
    assert await refresh(field_of.deps) == Fetched(2, 1, 1)  # the list cannot be had
    assert field_of.refusal() == ""
    assert field_of.cached() == [".ocsp"]
    field_of.said = lambda: field_of.answer(ocsp.OCSPCertStatus.REVOKED)
    await refresh(field_of.deps)
    assert field_of.refusal() == "revoked"
    # an outage, an answer that knows nothing, one that somebody else signed: it stays revoked
    other, key = issue("Autorité", field_of.url)
    for attempt in (
        bytes,
        lambda: field_of.answer(ocsp.OCSPCertStatus.UNKNOWN),
        lambda: made.answer(field_of.leaf, field_of.authority, (other, key), utc_now()),
        lambda: b"\x30\x03",
    ):
        field_of.said = attempt
        assert (await refresh(field_of.deps)).renewed == 0
        assert field_of.refusal() == "revoked"


async def test_addresses_in_a_certificate_of_nobody_s_authority_are_never_called(field_of: Field) -> None:
    """Its addresses are those of the good one, which is therefore taken away."""
    async with field_of.deps.transaction("system") as connection:
        await connection.execute(
            "delete from account where certificate <> $1", field_of.stranger.public_bytes(Encoding.PEM).decode()
        )
    assert await refresh(field_of.deps) == Fetched(0, 0, 0)
    assert field_of.asked == []


async def test_a_list_of_the_configuration_needs_no_certificate_that_names_it(field_of: Field) -> None:
    async with field_of.deps.transaction("system") as connection:
        await connection.execute("delete from account")
    revocation = Revocation(refresh_seconds=3600.0, urls=[f"{field_of.url}/liste.crl"])
    object.__setattr__(field_of.deps, "config", msgspec.structs.replace(field_of.deps.config, revocation=revocation))
    field_of.crl = field_of.list_of
    assert await refresh(field_of.deps) == Fetched(1, 1, 0)
    assert await refresh(field_of.deps) == Fetched(1, 0, 0)  # not due
    assert field_of.asked == ["/liste.crl"]
