"""HELIOS over the wire: deposit, status, downloads; exact bytes of each answer."""

import asyncpg
import pytest

from tdt.domain.ids import ContentId, HeliosId
from tests.wire.client import Answer, File, Parts
from tests.wire.stack import Stack

IMPORT = "/modules/helios/api/helios_importer_fichier.php"
STATUS = "/modules/helios/api/helios_transac_get_status.php"
FILE = "/modules/helios/helios_download_file.php"
ACQUIT = "/modules/helios/helios_download_acquit.php"
PES = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:PES_Aller xmlns:n="urn:x">\xe9</n:PES_Aller>\n'

ROOT = "https://tdt.example"
INDEX = "https://tdt.example/modules/helios/index.php"


def imported(identifier: str, result: str, message: str) -> bytes:
    return (
        f'<?xml version="1.0"?>\n<import>\n  {identifier}\n  <resultat>{result}</resultat>\n'
        f"  <message>{message}</message>\n</import>\n"
    ).encode("ascii")


def status(number: int, result: str, message: str, value: str) -> bytes:
    """A success is ISO-8859-1 and says so; a refusal is ASCII and says nothing."""
    encoding = ' encoding="ISO-8859-1"' if result == "OK" else ""
    answer = (
        f'<?xml version="1.0"{encoding}?>\n<transaction >\n'
        f"        <id>{number}</id><resultat>{result}</resultat><message>{message}</message>"
        f"<status>{value}</status></transaction>\n            "
    )
    return (
        answer.encode("latin-1") if encoding else answer.replace("é", "&#xE9;").replace("è", "&#xE8;").encode("ascii")
    )


async def deposit(stack: Stack, data: bytes = PES, name: str = "PES_é.xml", account: str = "certonly") -> HeliosId:
    answer = await stack.client(account).post(IMPORT, [("enveloppe", File(name, data))])
    number = int(answer.body.split(b"<id>")[1].split(b"</id>")[0])
    assert answer.body == imported(f"<id>{number}</id>", "OK", "T&#xE9;l&#xE9;chargement du fichier r&#xE9;ussi.")
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["content-disposition"] == 'attachment; filename="import.xml"'
    return HeliosId(number)


async def test_a_pes_is_accepted_then_told_and_given_back(stack: Stack) -> None:
    number = await deposit(stack)
    answer = await stack.client().get(f"{STATUS}?transaction={number}")
    assert answer.body == status(number, "OK", "Fichier bien reçu par la plate-forme S2low", "1")
    assert answer.headers["content-type"] == "text/xml"
    given = await stack.client().get(f"{FILE}?id={number}")
    assert (given.status, given.body) == (200, PES)
    assert given.headers["content-type"] == "text/xml"
    assert given.headers["content-disposition"] == 'attachment; filename="PES_é.xml"'
    assert given.headers["expires"] == "0"
    assert given.headers["pragma"] == "public"


async def test_a_large_pes_goes_through_the_spool(stack: Stack) -> None:
    data = PES + b"<!-- " + b"x" * 3_000_000 + b" -->"
    number = await deposit(stack, data)
    assert len(stack.spooled()) == 1
    assert (await stack.client().get(f"{FILE}?id={number}")).body == data


async def test_status_refusals(stack: Stack) -> None:
    number = await deposit(stack)
    client = stack.client()
    assert (await client.get(STATUS)).body == status(0, "KO", "Pas de numéro de transaction.", "")
    assert (await client.get(f"{STATUS}?transaction=999")).body == status(
        999, "KO", "Numéro de transaction invalide", ""
    )
    foreign = await stack.client("other").get(f"{STATUS}?transaction={number}")
    assert foreign.body == status(number, "KO", "Numéro de transaction invalide", "")
    for account in ("sadm", "gadm", "arch"):
        answer = await stack.client(account).get(f"{STATUS}?transaction={number}")
        assert answer.body == status(number, "KO", "Accès refusé", "")


async def test_a_status_with_acquit_is_3_until_the_acquit_is_there(stack: Stack) -> None:
    number = await deposit(stack)
    message = f"Transaction {number} : information disponible"
    await run(stack, f"update helios_transaction set status = 8 where id = {number}")
    await run(
        stack,
        f"insert into helios_workflow (authority_id, transaction_id, status, message)"
        f" values ({stack.authorities['A']}, {number}, 8, '{message}')",
    )
    assert (await stack.client().get(f"{STATUS}?transaction={number}")).body == status(number, "OK", message, "3")
    missing = await stack.client().get(f"{ACQUIT}?id={number}")
    assert (missing.status, missing.headers["location"], missing.body) == (302, INDEX, b"")
    content = await acquit(stack, number, b"<PES_ACQUIT>\xe9</PES_ACQUIT>")
    assert content
    assert (await stack.client().get(f"{STATUS}?transaction={number}")).body == status(number, "OK", message, "8")
    given = await stack.client().get(f"{ACQUIT}?id={number}")
    assert given.body == b"<PES_ACQUIT>\xe9</PES_ACQUIT>"
    assert given.headers["content-disposition"] == 'attachment; filename="ACQ_1.xml"'


@pytest.mark.parametrize("code", [4, 6, 8])
async def test_each_status_with_acquit_is_3_until_then_and_no_other_is(stack: Stack, code: int) -> None:
    number = await deposit(stack)
    for value, shown in ((code, "3"), (21, "21"), (-1, "-1"), (24, "24")):
        await step(stack, number, value)
        answer = await stack.client().get(f"{STATUS}?transaction={number}")
        assert answer.body == status(number, "OK", "l&#039;étape &lt;1&gt; &#x2014; é", shown)


async def test_a_flow_at_0_has_no_status(stack: Stack) -> None:
    number = await deposit(stack)
    await step(stack, number, 0)
    answer = await stack.client().get(f"{STATUS}?transaction={number}")
    assert answer.body == status(number, "KO", "Erreur consultation statut", "")


async def test_an_inactive_account_is_told_so_in_the_shape_of_each(stack: Stack) -> None:
    await run(stack, "update authority set status = 0")
    answer = await stack.client().get(f"{STATUS}?transaction=7")
    assert answer.body == status(7, "KO", "&#xC9;chec de l&#039;authentification", "")
    # the number is looked for before the account is known
    assert (await stack.client().get(STATUS)).body == status(0, "KO", "Pas de numéro de transaction.", "")
    answer = await stack.client().post(IMPORT, [("enveloppe", File("p.xml", PES))])
    assert answer.body == "KO\nÉchec de l'authentification".encode("latin-1")
    for path in (FILE, ACQUIT):
        answer = await stack.client().get(f"{path}?id=7")
        assert redirected(answer) == (302, f"{ROOT}/connexion-status", b"")


async def step(stack: Stack, number: HeliosId, value: int) -> None:
    """A step of the workflow, its words difficult to write."""
    words = "l''étape <1> — é"
    await run(stack, f"update helios_transaction set status = {value} where id = {number}")
    await run(
        stack,
        f"insert into helios_workflow (authority_id, transaction_id, status, message)"
        f" values ({stack.authorities['A']}, {number}, {value}, '{words}')",
    )


async def test_downloads_are_for_the_owner_its_colleagues_and_the_administrators(stack: Stack) -> None:
    number = await deposit(stack)
    for account, basic in (("agent", False), ("system", True), ("adm", False), ("arch", False), ("sadm", False)):
        answer = await stack.client(account, basic).get(f"{FILE}?id={number}")
        assert answer.body == PES, account
    foreign = await stack.client("other").get(f"{FILE}?id={number}")
    unknown = await stack.client("other").get(f"{FILE}?id=123456789")
    assert redirected(foreign) == redirected(unknown) == (302, INDEX, b"")
    assert redirected(await stack.client().get(f"{FILE}?id=x")) == (302, ROOT, b"")
    assert redirected(await stack.client().get(FILE)) == (302, ROOT, b"")


async def test_a_post_with_an_old_form_reads_its_parameters_in_the_url(stack: Stack) -> None:
    number = await deposit(stack)
    old: Parts = [("id", "77"), ("enveloppe", File("p.xml", b"y" * 2_000_000))]
    assert (await stack.client().post(f"{FILE}?id={number}", old)).body == PES
    assert b"<resultat>OK</resultat>" in (await stack.client().post(f"{STATUS}?transaction={number}", old)).body


def redirected(answer: Answer) -> tuple[int, str, bytes]:
    return answer.status, answer.headers["location"], answer.body


async def acquit(stack: Stack, number: HeliosId, data: bytes) -> ContentId:
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        content = await connection.fetchval(
            "insert into content (authority_id, sha256, size, place, data) values ($1, '', $2, 'row', $3) returning id",
            stack.authorities["A"],
            len(data),
            data,
        )
        await connection.execute(
            "update helios_transaction set acquit_content_id = $1, acquit_filename = 'ACQ_1.xml' where id = $2",
            content,
            number,
        )
        return ContentId(content)
    finally:
        await connection.close()


async def run(stack: Stack, statement: str) -> None:
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
