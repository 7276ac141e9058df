"""What the listener shows and believes: certificates, versions of TLS, forwarded certificates; the proof recorded."""

import asyncio
import json
import ssl
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tdt.config import Config, ConfigError, Server
from tdt.sandbox.pki import Pki
from tests.certificates import TestAuthority
from tests.postgres import TestDatabase
from tests.wire.administration import rows
from tests.wire.client import File, close, read_answer
from tests.wire.stack import Stack, changed, run_stack
from tests.wire.test_server import leaf, plain

TEST = "/api/test-connexion.php"
IMPORT = "/modules/helios/api/helios_importer_fichier.php"


def rsa_pair(folder: Path) -> tuple[str, str]:
    """A server certificate of an RSA key: TestAuthority makes P-256 ones, as the sandbox does."""
    key = rsa.generate_private_key(65537, 2048)
    files = TestAuthority(folder, "Autorité RSA").server()
    made = x509.load_pem_x509_certificate(Path(files.certificate).read_bytes())
    builder = x509.CertificateBuilder().subject_name(made.subject).issuer_name(made.subject)
    builder = builder.public_key(key.public_key()).serial_number(1)
    builder = builder.not_valid_before(made.not_valid_before_utc).not_valid_after(made.not_valid_after_utc)
    certificate, private = folder / "rsa.pem", folder / "rsa.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(certificate), str(private)


async def shown(stack: Stack, ciphers: str) -> object:
    """The kind of key of the certificate that the server shows to a client of TLS 1.2 that only knows these."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    pair = stack.pki.client("certonly")
    context.load_cert_chain(pair.cert, pair.key)
    _, writer = await asyncio.open_connection("localhost", stack.port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await close(writer)
    return type(x509.load_der_x509_certificate(der).public_key())


async def test_two_certificates_are_shown_each_to_those_who_can_read_it(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    certificate, key = rsa_pair(tmp_path)
    server = msgspec.structs.replace(config.server, second_certificate=certificate, second_key=key)
    async with run_stack(changed(config, server=server), database, pki) as stack:
        elliptic, other = (
            await shown(stack, "ECDHE-ECDSA-AES128-GCM-SHA256"),
            await shown(stack, "ECDHE-RSA-AES128-GCM-SHA256"),
        )
    assert issubclass(elliptic, ec.EllipticCurvePublicKey)  # type: ignore[arg-type]
    assert issubclass(other, rsa.RSAPublicKey)  # type: ignore[arg-type]


async def test_a_second_certificate_of_the_same_kind_of_key_is_a_fault(
    config: Config, database: TestDatabase, pki: Pki
) -> None:
    server = msgspec.structs.replace(
        config.server, second_certificate=config.server.certificate, second_key=config.server.key
    )
    with pytest.raises(ConfigError, match="another kind"):
        async with run_stack(changed(config, server=server), database, pki):
            pass


@pytest.mark.parametrize(
    ("minimum", "maximum", "spoken"), [("1.2", "1.2", "TLSv1.2"), ("1.3", "1.3", "TLSv1.3"), ("1.2", "1.3", "TLSv1.3")]
)
async def test_the_versions_of_tls_are_those_of_the_settings(
    config: Config, database: TestDatabase, pki: Pki, minimum: str, maximum: str, spoken: str
) -> None:
    server = msgspec.structs.replace(config.server, tls_minimum=minimum, tls_maximum=maximum)
    async with run_stack(changed(config, server=server), database, pki) as stack:
        reader, writer = await stack.client().connect()
        assert writer.get_extra_info("ssl_object").version() == spoken
        writer.write(plain(TEST))
        assert (await read_answer(reader)).body == b"OK"
        await close(writer)


@pytest.mark.parametrize(("proxies", "believed"), [(["127.0.0.0/8", "::1"], True), (["192.0.2.7"], False)])
async def test_a_forwarded_certificate_is_believed_from_the_declared_proxy_alone(
    config: Config, database: TestDatabase, pki: Pki, proxies: list[str], believed: bool
) -> None:
    server: Server = msgspec.structs.replace(config.server, client_certificate="nginx", trusted_proxies=proxies)
    async with run_stack(changed(config, server=server), database, pki) as stack:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.port)
        headers = {"X-Client-Verify": "SUCCESS", "X-Client-Cert": quote(leaf(stack, "certonly"))}
        writer.write(plain(TEST, **headers))
        answer = await read_answer(reader)
        await close(writer)
    assert (answer.body == b"OK") is believed
    if not believed:
        assert "Aucune information de certificat" in answer.body.decode("latin-1")


async def test_a_deposit_keeps_what_let_its_certificate_in(stack: Stack) -> None:
    flow = b'<?xml version="1.0" encoding="ISO-8859-1"?><n:PES_Aller xmlns:n="urn:x"/>'
    answer = await stack.client().post(IMPORT, [("enveloppe", File("f.xml", flow))])
    assert b"<resultat>OK</resultat>" in answer.body
    [row] = await rows(stack, "select data from audit where tag = 'api:helios:submit'")
    data = json.loads(row["data"])
    der = x509.load_pem_x509_certificate(stack.pki.client("certonly").cert.read_bytes())
    assert data["certificate"] == data["chain"][0] == der.fingerprint(hashes.SHA256()).hex()
    assert len(data["chain"]) == 3
    revocation = data["revocation"]
    assert (revocation["source"], revocation["number"], revocation["current"]) == ("crl", 1, True)
    assert revocation["this_update"] < revocation["next_update"]
