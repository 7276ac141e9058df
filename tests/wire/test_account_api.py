"""Who may come in, and what each is told: certificates, Basic credentials, the endpoints about the connection."""

import asyncio
import json
import re
import ssl
from pathlib import Path

import asyncpg
import msgspec
import pytest

from tdt.config import Config
from tdt.deps import utc_now
from tdt.domain.identity import certificate_hash
from tdt.sandbox.pki import Pki, make_pki
from tests.postgres import TestDatabase
from tests.wire.client import Client, File, close, multipart, read_answer
from tests.wire.stack import Stack, changed, run_stack

TEST = "/api/test-connexion.php"
RGS = "/api/test-rgs.php"
INFO = "/api/info-connexion.php"
LOGINS = "/admin/users/api-list-login.php"
STATUS = "/modules/actes/actes_transac_get_status.php"

NOBODY = "KO\nLe certificat n&#039;est pas valide : aucun compte trouvé\n".encode("latin-1")
SEVERAL = "KO\nLa connexion n&#039;a pas pu être établie\n".encode("latin-1")


async def test_a_certificate_alone_on_its_account_comes_in(stack: Stack) -> None:
    answer = await stack.client("certonly").get(TEST)
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_shared_certificate_needs_basic(stack: Stack) -> None:
    assert (await stack.client("system").get(TEST)).body == SEVERAL
    assert (await stack.client("system", basic=True).get(TEST)).body == b"OK"
    assert (await stack.client("system", basic=True).get(TEST)).body == b"OK"


async def test_wrong_credentials_are_no_account(stack: Stack) -> None:
    for login, password in (("system", "wrong"), ("nobody", "x"), ("system-2", stack.settings.password("system"))):
        answer = await Client(stack.port, stack.pki, "system", login, password).get(TEST)
        assert answer.body == NOBODY


async def test_a_changed_password_is_forgotten_at_once(stack: Stack) -> None:
    client = stack.client("system", basic=True)
    assert (await client.get(TEST)).body == b"OK"
    await execute(stack, "update account set password_hash = 'x' where login = 'system'")
    assert (await client.get(TEST)).body == NOBODY


async def test_a_certificate_of_nobody(stack: Stack) -> None:
    assert (await stack.client("no-account").get(TEST)).body == NOBODY
    assert (await stack.client("no-account").get(STATUS + "?api=1&transaction=1")).body == NOBODY
    answer = await stack.client("no-account").get(STATUS + "?transaction=1")
    assert (answer.status, answer.body) == (302, b"")
    assert answer.headers["location"] == "https://tdt.example/connexion-status"


async def test_without_api_a_shared_certificate_is_sent_to_the_login_page(stack: Stack) -> None:
    answer = await stack.client("system").get(RGS)
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example/login.php")


async def test_api_in_the_form_of_a_post_gives_the_text_answer(stack: Stack) -> None:
    answer = await stack.client("no-account").post(STATUS, [("api", "1"), ("f", File("a.pdf", b"x" * 100_000))])
    assert answer.body == NOBODY


@pytest.mark.parametrize("account", ["unknown-ca", "expired"])
async def test_a_certificate_that_does_not_verify_ends_the_handshake(stack: Stack, account: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        await stack.client(account).get(TEST)


async def test_a_revoked_certificate_gets_no_http_answer_and_leaves_a_trace(stack: Stack) -> None:
    client = stack.client("revoked")
    reader, writer = await client.connect()
    try:
        # the body has not come yet: the connection ends without waiting for it
        writer.write(client.head("POST", TEST, {"Content-Length": "1000000", "Content-Type": "text/plain"}))
        assert await reader.read() == b""
    finally:
        await close(writer)
    row = await fetch(stack, "select tag, data from audit where tag = 'tls:certificate:refused'")
    assert json.loads(row["data"])["reason"] == "revoked"
    assert "revoked" in json.loads(row["data"])["subject"]


async def test_a_new_revocation_list_is_obeyed_on_an_open_connection(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    lists = tmp_path / "crl"
    lists.mkdir()
    server = msgspec.structs.replace(config.server, crl_directory=str(lists))
    async with run_stack(changed(config, server=server), database, pki) as stack:
        reader, writer = await stack.client("revoked").connect()
        request = stack.client("revoked").head("GET", TEST, {})
        writer.write(request)
        assert (await read_answer(reader)).body == b"OK"
        (lists / "serveurs.crl").write_bytes((pki.crl / "serveurs.crl").read_bytes())
        answer = b"?"
        while answer:
            writer.write(request)
            answer = await reader.read(4096)
        await close(writer)


async def test_certificate_key_and_authorities_are_replaced_live(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    files = tmp_path / "tls"
    (files / "connect").mkdir(parents=True)
    install(pki, files)
    server = msgspec.structs.replace(
        config.server,
        certificate=str(files / "server.pem"),
        key=str(files / "server.key"),
        connect_authorities=str(files / "connect"),
    )
    async with run_stack(changed(config, server=server), database, pki) as stack:
        assert (await stack.client().get(TEST)).body == b"OK"
        renewed = make_pki(tmp_path / "renewed", utc_now())
        install(renewed, files)
        await until_answer(Client(stack.port, renewed, "certonly"), NOBODY)
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            await stack.client().get(TEST)


async def test_rgs(stack: Stack) -> None:
    assert (await stack.client("certonly").get(RGS)).body == b"OK"


async def test_a_certificate_outside_the_transmit_authorities_is_not_rgs(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    (tmp_path / "transmit").mkdir()
    server = msgspec.structs.replace(config.server, transmit_authorities=str(tmp_path / "transmit"))
    async with run_stack(changed(config, server=server), database, pki) as stack:
        answer = await stack.client("certonly").get(RGS)
        assert (answer.status, answer.body) == (200, b"KO")
        parts: list[tuple[str, str | bytes | File]] = [("api", "1"), ("number", "A1")]
        created = await stack.client("certonly").post("/modules/actes/actes_transac_create.php", parts)
        assert created.body.startswith(
            "KO\nLa télétransmission nécessite un certificat RGS&lt;br/&gt;Erreur : ".encode("latin-1")
        )
        pes: list[tuple[str, str | bytes | File]] = [("enveloppe", File("p.xml", b"<a/>"))]
        imported = await stack.client("certonly").post("/modules/helios/api/helios_importer_fichier.php", pes)
        assert b"<message>Votre certificat n'est pas RGS et ne vous permet donc pas" in imported.body


async def test_an_inactive_account_or_collectivite(stack: Stack) -> None:
    await execute(stack, "update authority set status = 0 where siren = '123456782'")
    answer = await stack.client("certonly").get(TEST)
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example/connexion-status")
    assert (await stack.client("certonly").get(STATUS + "?transaction=1")).body == (
        "KO\nÉchec de l'authentification".encode("latin-1")
    )


async def test_logins_of_a_certificate_by_get_and_by_a_post_of_any_size(stack: Stack) -> None:
    assert (await stack.client("system").get(LOGINS)).body == b"system\nsystem-2\n"
    assert (await stack.client("certonly").get(LOGINS)).body == b"\n"
    assert (await stack.client("no-account").get(LOGINS)).body == b""
    old_form: list[tuple[str, str | bytes | File]] = [
        ("subject", b"\xe9" * 100_000),
        ("enveloppe", File("p.xml", b"x" * 8_000_000)),
    ]
    answer = await stack.client("certonly").post(LOGINS, old_form)
    assert (answer.status, answer.body) == (200, b"\n")
    assert stack.spooled() == []


async def test_info_connexion_is_pretty_php_json_without_the_password(stack: Stack) -> None:
    answer = await stack.client("certonly").get(INFO)
    assert answer.body.startswith(b'{\n    "user_info": {\n        "id": ')
    info = json.loads(answer.body)
    assert info["user_info"]["role"] == "USER"
    assert info["user_info"]["nb_user_with_my_certificate"] == 1
    assert info["authority_info"]["id"] == stack.authorities["A"]
    assert answer.body.isascii()
    assert b"argon2" not in answer.body
    assert "password_hash" not in info["user_info"]


async def test_a_forwarded_certificate_must_be_that_of_the_account(stack: Stack) -> None:
    header = {"org.s2low.forward-x509-identification": "AAECAwQ="}
    assert (await stack.client("certonly").get(TEST, header)).body == NOBODY
    pem = "-----BEGIN CERTIFICATE-----\nAAECAwQ=\n-----END CERTIFICATE-----\n"
    digest = certificate_hash(der_of(stack, "certonly"))
    await execute(stack, f"update account set certificate_rgs_2_etoiles = '{pem}' where certificate_hash = '{digest}'")
    assert (await stack.client("certonly").get(TEST, header)).body == b"OK"
    assert (await stack.client("certonly").get(TEST)).body == NOBODY


async def test_administrators_are_refused_by_machine_endpoints(stack: Stack) -> None:
    for account in ("sadm", "gadm"):
        assert (await stack.client(account).get(TEST)).body == b"OK"
        answer = await stack.client(account).get(STATUS + "?transaction=1")
        assert answer.body == "KO\nAccès refusé".encode("latin-1")


async def test_a_forwarded_header_of_nginx_is_not_believed_over_tls(stack: Stack) -> None:
    pem = (stack.pki.client("certonly").cert.read_text()).replace("\n", "%0A")
    headers = {"X-Client-Cert": pem, "X-Client-Verify": "SUCCESS"}
    assert (await stack.client("no-account").get(TEST, headers)).body == NOBODY


async def test_a_fault_of_ours_shows_nothing_but_a_reference(stack: Stack) -> None:
    await execute(stack, "drop table acte_transaction cascade")
    answer = await stack.client().get("/modules/actes/actes_transac_get_files_list.php?transaction=1")
    assert answer.status == 500
    assert re.fullmatch(rb"KO\nErreur interne \(r\xe9f\xe9rence [0-9a-f]{32}\)\.\n", answer.body)


async def test_an_unknown_script_is_not_found(stack: Stack) -> None:
    assert (await stack.client().get("/api/nothing.php")).status == 404


async def test_keep_alive_serves_several_requests(stack: Stack) -> None:
    client = stack.client()
    reader, writer = await client.connect()
    for _ in range(3):
        body = multipart([("api", "1"), ("f", File("x", b"y" * 70_000))])
        head = client.head(
            "POST",
            LOGINS,
            {
                "Content-Type": "multipart/form-data; boundary=----------------------------7a1f0c9be2d4",
                "Content-Length": str(len(body)),
            },
        )
        writer.write(head + body)
        assert (await read_answer(reader)).body == b"\n"
    await close(writer)


def install(pki: Pki, files: Path) -> None:
    """Put the files of a PKI where the server reads its own, the key last."""
    for name in ("racine", "serveurs", "personnes"):
        (files / "connect" / f"{name}.pem").write_bytes((pki.connect / f"{name}.pem").read_bytes())
    (files / "server.pem").write_bytes(pki.server.cert.read_bytes())
    (files / "server.key").write_bytes(pki.server.key.read_bytes())


async def until_answer(client: Client, body: bytes) -> None:
    deadline = asyncio.get_running_loop().time() + 20
    while True:
        try:
            answer = await client.get(TEST)
        except (ssl.SSLError, ConnectionError, EOFError):
            assert asyncio.get_running_loop().time() < deadline, "never served with the new certificate"
            await asyncio.sleep(0.1)
        else:
            assert answer.body == body
            return


def der_of(stack: Stack, account: str) -> bytes:
    pem = stack.pki.client(account).cert.read_text()
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index("-----END")] + "-----END CERTIFICATE-----\n")


async def execute(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fetch(stack: Stack, query: str) -> asyncpg.Record:
    """The row, which may be written just after the connection was closed."""
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        deadline = asyncio.get_running_loop().time() + 10
        while (row := await connection.fetchrow(query)) is None:
            assert asyncio.get_running_loop().time() < deadline, "no such row"
            await asyncio.sleep(0.02)
        return row
    finally:
        await connection.close()
