"""Every outcome of the authentication, one row each: what an API client reads, where a browser is sent."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tdt.config import Config
from tdt.flows import logins
from tdt.sandbox.pki import Pki
from tests.postgres import TestDatabase
from tests.wire.administration import rows
from tests.wire.client import Answer, Client, close, read_answer
from tests.wire.stack import Stack, changed, run_stack

TEST = "/api/test-connexion.php"
FETCH = "/modules/actes/actes_classification_fetch.php"
NONCE = "/api/get-nounce.php"
INFO = "/api/info-connexion.php"
PAGE = "https://tdt.example/connexion-status"
LOGIN = "https://tdt.example/login.php"
FORWARD = "org.s2low.forward-x509-identification"

NOBODY = "Le certificat n&#039;est pas valide : aucun compte trouvé"
SEVERAL = "La connexion n&#039;a pas pu être établie"
INACTIVE = "Échec de l&#039;authentification"

PEM = "-----BEGIN CERTIFICATE-----\nAAECAwQ=\n-----END CERTIFICATE-----\n"
GROUP = "update authority_group set active = false"


@dataclass(frozen=True, slots=True)
class Row:
    """Who connects, how, after what; `message` and `page` of the refusal, or none of them when it comes in."""

    name: str
    account: str = "certonly"
    login: str = ""
    password: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    message: str = ""
    page: str = PAGE


def basic(text: bytes) -> Mapping[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text).decode("ascii")}


OUTCOMES = (
    Row("alone on its certificate"),
    Row("the right login", "system", "system"),
    Row("the other login", "system", "system-2"),
    Row("a certificate of nobody", "no-account", message=NOBODY),
    Row("a certificate of nobody, with a login", "no-account", "system", message=NOBODY),
    Row("several accounts", "system", message=SEVERAL, page=LOGIN),
    Row("a wrong password", "system", "system", "wrong", message=NOBODY),
    Row("the password of the other", "system", "system-2", "%system", message=NOBODY),
    Row("an empty password", "system", "system", "", message=NOBODY),
    Row("an unknown login", "system", "nobody", "x", message=NOBODY),
    Row("another case", "system", "SYSTEM", "%system", message=NOBODY),
    Row("the login of another certificate", "certonly", "system", message=NOBODY),
    Row("an account without login asked by one", "certonly", "certonly", "x", message=NOBODY),
    Row("an empty login", headers=basic(b":x")),
    Row("an empty login on a shared certificate", "system", headers=basic(b":x"), message=SEVERAL, page=LOGIN),
    Row("no colon", headers=basic(b"system")),
    Row("no base64", headers={"Authorization": "Basic !!!!"}),
    Row("another scheme", headers={"Authorization": "Bearer abc"}),
    Row("a NUL in the login", "system", headers=basic(b"sys\0tem:x"), message=NOBODY),
    Row("a NUL in the password", "system", headers=basic(b"system:x\0"), message=NOBODY),
    Row("a login that is not UTF-8", "system", headers=basic(b"syst\xe8me:x"), message=NOBODY),
    Row("a huge password", "system", headers=basic(b"system:" + b"x" * 20_000), message=NOBODY),
    Row("a login alone on its certificate", "system", before="delete from service_member; "
        "update account set certificate_hash = 'x' where login = 'system-2'"),
    Row("an inactive account", before="update account set status = 0", message=INACTIVE),
    Row("an inactive account with its password", "system", "system", before="update account set status = 0",
        message=INACTIVE),
    Row("an inactive account with a wrong password", "system", "system", "wrong",
        before="update account set status = 0", message=NOBODY),
    Row("an inactive collectivité", before="update authority set status = 0", message=INACTIVE),
    Row("an inactive group", before=GROUP, message=INACTIVE),
    Row("a forwarded certificate that the account has", headers={FORWARD: "AAECAwQ="},
        before=f"update account set certificate_rgs_2_etoiles = '{PEM}'"),
    Row("a forwarded certificate that is missing", before=f"update account set certificate_rgs_2_etoiles = '{PEM}'",
        message=NOBODY),
    Row("a forwarded certificate that the account has not", headers={FORWARD: "AAECAwQ="}, message=NOBODY),
    Row("a forwarded certificate that is another", headers={FORWARD: "BBBB"},
        before=f"update account set certificate_rgs_2_etoiles = '{PEM}'", message=NOBODY),
    Row("a forwarded certificate that is not base64", headers={FORWARD: "<>"}, message=NOBODY),
    Row("an empty header of a forwarded certificate", headers={FORWARD: ""}),
    Row("a huge forwarded certificate", headers={FORWARD: "AAAA" * 5_000}, message=NOBODY),
)  # fmt: skip


def client_of(stack: Stack, row: Row) -> Client:
    password = row.password
    if password is None:
        password = stack.settings.passwords.get(row.login, "") if row.login else ""
    elif password.startswith("%"):
        password = stack.settings.password(password[1:])
    return Client(stack.port, stack.pki, row.account, row.login, password)


@pytest.mark.parametrize("row", OUTCOMES, ids=lambda row: row.name)
async def test_outcome(stack: Stack, row: Row) -> None:
    for statement in filter(None, row.before.split(";")):
        await rows(stack, statement)
    client = client_of(stack, row)
    api = await client.get(f"{FETCH}?api=1", row.headers)
    browser = await client.get(FETCH, row.headers)
    test = await client.get(TEST, row.headers)
    if not row.message:
        assert (test.status, test.body) == (200, b"OK")
        return
    expected = f"KO\n{row.message}\n".encode("latin-1")
    assert (api.status, api.headers["content-type"], api.body) == (200, "text/html; charset=utf-8", expected)
    assert (browser.status, browser.headers["location"], browser.body) == (302, row.page, b"")
    if row.message == INACTIVE:
        assert (test.status, test.headers["location"], test.body) == (302, PAGE, b"")
    else:
        assert (test.status, test.body) == (200, expected)


async def test_a_header_beyond_all_measure_is_refused_and_nothing_breaks(stack: Stack) -> None:
    answer = await stack.client("system").get(TEST, {"Authorization": "Basic " + "A" * 200_000})
    assert answer.status == 400
    assert (await stack.client("system", basic=True).get(TEST)).body == b"OK"


async def test_refused_logins_are_measured(stack: Stack) -> None:
    await Client(stack.port, stack.pki, "system", "system", "wrong").get(TEST)
    reader, writer = await asyncio.open_unix_connection(str(stack.health))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    measured = (await reader.read()).decode()
    await close(writer)
    assert 'tdt_logins_refused_total{code="NON_IDENTIFIE"} 1.0' in measured


# ------------------------------------------------------------------------------------------------ without a certificate


@pytest.fixture
async def behind(config: Config, database: TestDatabase, pki: Pki, tmp_path: Path) -> AsyncIterator[Path]:
    """The server that believes what is told on its socket."""
    path = tmp_path / "http.sock"
    server = msgspec.structs.replace(
        config.server, listen=f"unix:{path}", client_certificate="nginx", certificate="", key=""
    )
    async with run_stack(changed(config, server=server), database, pki):
        yield path


async def ask(path: Path, target: str, headers: Mapping[str, str]) -> Answer:
    reader, writer = await asyncio.open_unix_connection(str(path))
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", *(f"{name}: {headers[name]}" for name in headers)]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = await read_answer(reader)
    await close(writer)
    return answer


ABSENT, UNREADABLE = "Aucune information de certificat trouvée", "Impossible de lire le certificat"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, ABSENT),
        ({"X-Client-Verify": "NONE"}, ABSENT),
        ({"X-Client-Verify": "FAILED", "X-Client-Cert": "x"}, ABSENT),
        ({"X-Client-Verify": "SUCCESS"}, UNREADABLE),
        ({"X-Client-Verify": "SUCCESS", "X-Client-Cert": "%00%ff"}, UNREADABLE),
        ({"X-Client-Verify": "SUCCESS", "X-Client-Cert": "A" * 20_000}, UNREADABLE),
    ],
)
async def test_a_certificate_that_nginx_does_not_tell(behind: Path, headers: Mapping[str, str], message: str) -> None:
    expected = f"KO\n{message}\n".encode("latin-1")
    for target in (f"{FETCH}?api=1", TEST, NONCE):
        answer = await ask(behind, target, headers)
        assert (answer.status, answer.body) == (200, expected)
    answer = await ask(behind, FETCH, headers)
    assert (answer.status, answer.headers["location"], answer.body) == (302, PAGE, b"")
    # where it arrives: no redirection to the same place for ever
    answer = await ask(behind, "/connexion-status", headers)
    assert answer.status == 200
    assert "aucun certificat, ou un certificat illisible" in answer.body.decode("utf-8")
    assert (await ask(behind, "/login.php", headers)).status == 200


# ------------------------------------------------------------------------------------------------ nonces


async def nonce_of(stack: Stack, login: str = "system") -> str:
    client = Client(stack.port, stack.pki, "system", login, stack.settings.password(login))
    answer = await client.get(NONCE)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert re.fullmatch(rb'\{"nounce":"[0-9A-Za-z]{7}"\}', answer.body)
    nonce: str = json.loads(answer.body)["nounce"]
    return nonce


def proof(stack: Stack, nonce: str, login: str = "system") -> str:
    return hashlib.sha256(f"{stack.settings.password(login)}:{nonce}".encode()).hexdigest()


def opening(nonce: str, login: str, digest: str) -> str:
    return f"?nounce={nonce}&login={login}&hash={digest}"


async def who(stack: Stack, account: str, query: str) -> Answer | int:
    """The account that a browser with this certificate becomes, or the refusal."""
    answer = await stack.client(account).get(INFO + query)
    if answer.body.startswith(b"{"):
        number: int = json.loads(answer.body)["user_info"]["id"]
        return number
    return answer


async def test_a_nonce_opens_the_first_account_of_the_certificate_in_its_collectivite(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    query = opening(nonce, "system", proof(stack, nonce))
    first = await rows(
        stack, "select id from account where certificate_hash in "
        "(select certificate_hash from account where login = 'system') order by id"
    )  # fmt: skip
    # the certificate of two accounts, that says nothing by itself; several times, as a page that is loaded again
    for _ in range(2):
        assert await who(stack, "system", query) == first[0]["id"]
    answers = await asyncio.gather(*(who(stack, "system", query) for _ in range(4)))
    assert answers == [first[0]["id"]] * 4
    assert (await stack.client("system").get(TEST + query)).body == b"OK"


async def test_nothing_of_the_password_nor_of_its_proof_is_stored(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    (row,) = await rows(stack, "select nonce, login, hash from nonce")
    assert (row["nonce"], row["login"]) == (nonce, "system")
    assert row["hash"].startswith("$argon2id$")
    assert proof(stack, nonce) not in row["hash"]


async def test_a_bad_nonce_is_nothing_and_the_certificate_speaks_for_itself(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    good = proof(stack, nonce)
    several = f"KO\n{SEVERAL}\n".encode("latin-1")
    bad = (
        opening(nonce, "system", proof(stack, nonce + "x")),
        opening(nonce, "system", good.upper()),
        opening(nonce, "system", ""),
        opening(nonce, "system-2", good),
        opening(nonce, "system%00", good),
        opening(nonce, "", good),
        opening("aaaaaaa", "system", good),
        opening(nonce + "%00", "system", good),
        opening("%ff%fe", "system", good),
        opening(nonce, "system", good + "%00"),
        f"?nounce[]={nonce}&login=system&hash={good}",
        f"?nounce={nonce}&login=system&hash={'f' * 20_000}",
    )
    for query in bad:
        assert (await stack.client("system").get(TEST + query)).body == several, query
    answer = await stack.client("system").get(FETCH + bad[0])
    assert (answer.status, answer.headers["location"]) == (302, LOGIN)
    assert (await stack.client("certonly").get(TEST + bad[0])).body == b"OK"


async def test_a_nonce_ends_after_five_minutes(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    query = opening(nonce, "system", proof(stack, nonce))
    await rows(stack, "update nonce set created_at = created_at - interval '290 seconds'")
    assert (await stack.client("system").get(TEST + query)).body == b"OK"
    assert await logins.forget(stack.deps) == 0
    await rows(stack, "update nonce set created_at = created_at - interval '10 seconds'")
    assert (await stack.client("system").get(TEST + query)).body == f"KO\n{SEVERAL}\n".encode("latin-1")
    # the next one that is asked for, or housekeeping, deletes it
    await nonce_of(stack)
    assert [row["nonce"] for row in await rows(stack, "select nonce from nonce")] != [nonce]
    await rows(stack, "update nonce set created_at = created_at - interval '300 seconds'")
    assert await logins.forget(stack.deps) == 1


async def test_a_nonce_of_another_collectivite_opens_nothing_of_ours(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    query = opening(nonce, "system", proof(stack, nonce))
    (own,) = await rows(stack, "select id from account where email = 'other@valsonge.example'")
    # a certificate of the other collectivité stays its own account
    assert await who(stack, "other", query) == own["id"]
    # the same certificate in both: the nonce says in which
    await rows(
        stack, "update account set login = 'other', certificate_hash = "
        "(select certificate_hash from account where login = 'system') where email = 'other@valsonge.example'"
    )  # fmt: skip
    opened = await who(stack, "system", query)
    (row,) = await rows(stack, "select authority_id from account where id = $1", opened)
    assert row["authority_id"] == stack.authorities["A"]


async def test_login_and_password_come_before_a_nonce(stack: Stack) -> None:
    """A client sends both with every call, long after the end of its nonce."""
    nonce = await nonce_of(stack)
    query = opening(nonce, "system", proof(stack, nonce))
    second = Client(stack.port, stack.pki, "system", "system-2", stack.settings.password("system-2"))
    info = json.loads((await second.get(INFO + query)).body)
    assert info["user_info"]["login"] == "system-2"
    assert (await second.get(TEST + opening("aaaaaaa", "x", "y"))).body == b"OK"
    wrong = Client(stack.port, stack.pki, "system", "system", "wrong")
    assert (await wrong.get(TEST + query)).body == f"KO\n{NOBODY}\n".encode("latin-1")


async def test_a_nonce_opens_no_inactive_account(stack: Stack) -> None:
    nonce = await nonce_of(stack)
    await rows(stack, "update account set status = 0")
    answer = await stack.client("system").get(TEST + opening(nonce, "system", proof(stack, nonce)))
    assert (answer.status, answer.headers["location"]) == (302, PAGE)


async def test_the_refusals_of_get_nounce(stack: Stack) -> None:
    for headers in ({}, {"Authorization": "Basic !!"}, {"Authorization": "Bearer x"}, basic(b":x")):
        for account in ("system", "certonly", "no-account"):
            answer = await stack.client(account).get(NONCE, headers)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="API S2low"')
            assert answer.body == b"La fonction n'est utilisable qu'avec un login+mot de passe HTTP"
    wrong = Client(stack.port, stack.pki, "system", "system", "wrong")
    assert (await wrong.get(NONCE)).body == f"KO\n{NOBODY}\n".encode("latin-1")
    await rows(stack, "update account set role = 'SADM', authority_id = null where login = 'system-2'")
    admin = Client(stack.port, stack.pki, "system", "system-2", stack.settings.password("system-2"))
    assert (await admin.get(NONCE)).body == "KO\nAccès refusé\n".encode("latin-1")
    await rows(stack, "update account set status = 0")
    assert (await stack.client("system", basic=True).get(NONCE)).body == f"KO\n{INACTIVE}\n".encode("latin-1")
    assert await rows(stack, "select from nonce") == []


# ------------------------------------------------------------------------------------------------ pages


async def test_info_connexion_gives_no_column_of_the_certificate(stack: Stack) -> None:
    info = json.loads((await stack.client("system", basic=True).get(INFO)).body)
    assert list(info["user_info"]) == [
        "id", "name", "givenname", "email", "role", "authority_id", "login", "status",
        "pretty_name", "role_str", "nb_user_with_my_certificate",
    ]  # fmt: skip


async def shown(stack: Stack, account: str, path: str) -> str:
    """The text of a page, which must be as ours are."""
    answer = await stack.client(account).get(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    return answer.body.decode("utf-8")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page must say; it names no other code."""

    account: str
    path: str
    says: tuple[str, ...]
    before: str = ""


CODES = ("NON_IDENTIFIE", "COMPTE_INACTIF", "TROP_D_ECHECS")
INACTIVE_CODE = ("COMPTE_INACTIF", "Qui doit agir", "Faites-le activer.")
PAGES = (
    Shown("no-account", "/connexion-status", ("NON_IDENTIFIE", "enregistré sur aucun compte", "Empreinte")),
    Shown("system", "/connexion-status", ("NON_IDENTIFIE", "Plusieurs comptes", f'href="{LOGIN}"', "system-2")),
    Shown("certonly", "/connexion-status", ("Votre certificat est reconnu", "cinq minutes")),
    Shown("certonly", "/connexion-status", (*INACTIVE_CODE, "le compte est désactivé"),
          "update account set status = 0"),
    Shown("certonly", "/connexion-status", (*INACTIVE_CODE, "la collectivité est désactivée"),
          "update authority set status = 0"),
    Shown("certonly", "/connexion-status", (*INACTIVE_CODE, "le groupe de la collectivité est désactivé"),
          GROUP),
    Shown("system", "/connexion-status", ("TROP_D_ECHECS", "« system »", "dans 15 min"),
          "insert into login_failure select id, authority_id, '127.0.0.1', 10, now() from account"
          " where login = 'system'"),
    Shown("system", "/login.php", ("system : actif", "system-2 : actif", "Basic", f'href="{PAGE}"')),
    Shown("certonly", "/login.php", ("rien à choisir",)),
    Shown("no-account", "/login.php", ("rien à choisir",)),
    Shown("system", "/login.php", ("&lt;b&gt;&amp;&quot; : actif",),
          "update account set login = '<b>&\"' where login = 'system'"),
)  # fmt: skip


@pytest.mark.parametrize("case", PAGES, ids=lambda case: f"{case.account} {case.path} {case.says[-1]}")
async def test_page(stack: Stack, case: Shown) -> None:
    if case.before:
        await rows(stack, case.before)
    text = await shown(stack, case.account, case.path)
    for words in case.says:
        assert words in text.replace("&#x27;", "'")
    assert {code for code in CODES if code in text} - set(case.says) <= {"NON_IDENTIFIE"}


async def test_a_browser_that_is_refused_arrives(stack: Stack) -> None:
    """It follows the redirection with its own method and whatever it has in its URL."""
    client = stack.client("no-account")
    answer = await client.get(FETCH)
    path = answer.headers["location"].removeprefix("https://tdt.example")
    assert "aucun compte" in (await shown(stack, "no-account", path + "?nounce=%00&login=<script>"))
    posted = await client.post(path, [("login", "<script>"), ("password", "x" * 60)])
    assert posted.status == 200
    assert b"<script>" not in posted.body


async def test_a_page_without_database_is_an_error_and_no_endless_redirection(stack: Stack) -> None:
    await rows(stack, "alter table account rename column login to gone")
    assert (await stack.client().get("/connexion-status")).status == 500
