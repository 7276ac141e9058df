"""ACTES over the wire: deposit in both dialects, status, files, downloads, classification; exact bytes."""

import json
import re

import asyncpg
import pytest

from tdt.domain.ids import ActeId
from tests.wire.client import BOUNDARY, Answer, File, Parts, close, multipart, read_answer
from tests.wire.stack import Stack

CREATE = "/modules/actes/actes_transac_create.php"
STATUS = "/modules/actes/actes_transac_get_status.php"
FILES = "/modules/actes/actes_transac_get_files_list.php"
DOWNLOAD = "/modules/actes/actes_download_file.php"
AR = "/modules/actes/actes_transac_get_ARActe.php"
FETCH = "/modules/actes/actes_classification_fetch.php"
STATUSES = "/modules/actes/api/actes_status.php"
INDEX = "https://tdt.example/modules/actes/index.php"

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\n" + b"%" + bytes(range(256)) * 8 + b"\n%%EOF\n"
INSERT_BODY = """
    insert into content (authority_id, sha256, size, place, data) values ($1, sha256($3), $2, 'row', $3) returning id"""
CLASSIFICATION = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
    '<actes:RetourClassification xmlns:actes="http://www.interieur.gouv.fr/ACTES#v1.1-20040216" '
    'actes:DateClassification="2019-03-01">'
    "<actes:DateClassification>2019-03-01</actes:DateClassification>"
    '<actes:NaturesActes><actes:NatureActe actes:CodeNatureActe="1" actes:Libelle="Délibérations" '
    'actes:TypeAbrege="DE"><actes:TypePJNatureActe actes:CodeTypePJ="99_DE" actes:Libelle="Délibération"/>'
    "</actes:NatureActe></actes:NaturesActes></actes:RetourClassification>"
).encode("latin-1")


@pytest.fixture
async def ready(stack: Stack) -> Stack:
    """The stack, with a classification received by the collectivité A."""
    await hold_classification(stack)
    return stack


async def hold_classification(stack: Stack) -> None:
    content = await fetchval(
        stack,
        INSERT_BODY,
        stack.authorities["A"],
        len(CLASSIFICATION),
        CLASSIFICATION,
    )
    await fetchval(
        stack,
        "insert into acte_classification (authority_id, date, content_id) values ($1, '2019-03-01', $2) returning id",
        stack.authorities["A"],
        content,
    )


def form(number: str = "ACTE_1", **changes: str | File) -> Parts:
    """What Pastell sends for a délibération with two annexes."""
    fields: dict[str, str | File] = {
        "api": "1",
        "nature_code": "1",
        "number": number,
        "subject": "Délibération sur l'été",
        "decision_date": "2020-01-31",
        "en_attente": "0",
        "document_papier": "0",
        "type_acte": "99_DE",
        "classif1": "1",
        "classif2": "1",
        "acte_pdf_file": File("délib.pdf", PDF),
        **changes,
    }
    annexes: Parts = [
        ("type_pj[]", "99_DE"),
        ("type_pj[]", "99_DE"),
        ("acte_attachments[]", File("an nexe0.pdf", PDF + b"0")),
        ("acte_attachments[]", File("an nexe1.pdf", PDF + b"1" * 300_000)),
    ]
    return [*fields.items(), *annexes]


async def create(stack: Stack, parts: Parts, quoted: bool = True, account: str = "certonly") -> ActeId:
    answer = await stack.client(account).post(CREATE, parts, quoted)
    match = re.fullmatch(rb"OK\n([0-9]+)\n\n", answer.body)
    assert match, answer.body.decode("latin-1")
    return ActeId(int(match[1]))


def latin1(text: str) -> bytes:
    return text.encode("latin-1")


async def test_a_collectivite_without_route_deposits_nothing(ready: Stack) -> None:
    """Nothing is accepted that cannot leave, of ACTES nor of HELIOS."""
    await fetchval(ready, "delete from authority_route where authority_id = $1", ready.authorities["A"])
    acte = await ready.client().post(CREATE, form())
    assert acte.body == latin1("KO\nLa collectivité n&#039;est pas raccordée à @CTES.\n")
    pes = await ready.client().post(
        "/modules/helios/api/helios_importer_fichier.php", [("enveloppe", File("p.xml", PDF))]
    )
    assert b"La collectivit&#xE9; n'est pas raccord&#xE9;e &#xE0; H&#xE9;lios." in pes.body
    for table in ("acte_transaction", "helios_transaction"):
        assert await fetchval(ready, f"select count(*) from {table}") == 0


@pytest.mark.parametrize("quoted", [True, False])
async def test_both_dialects_deposit_the_same_acte(ready: Stack, quoted: bool) -> None:
    number = await create(ready, form(), quoted)
    assert (await ready.client().get(f"{STATUS}?transaction={number}")).body == b"OK\n1\n"
    subject = await fetchval(ready, "select subject from acte_transaction where id = $1", number)
    assert subject == "Délibération sur l'été"
    rows = await fetchval(
        ready,
        "select array_agg(posted_filename || ':' || code_pj || ':' || size order by position) from acte_file"
        " where transaction_id = $1 and position > 0",
        number,
    )
    size = len(PDF)
    assert rows == [
        f"délib.pdf:99_DE:{size}",
        f"an nexe0.pdf:99_DE:{size + 1}",
        f"an nexe1.pdf:99_DE:{size + 300_000}",
    ]


async def test_indexed_names_and_utf8_are_understood(ready: Stack) -> None:
    parts: Parts = [part for part in form() if not part[0].endswith("]")]
    parts += [("subject", "Œuvre d'été".encode()), ("type_pj[0]", "99_DE"), ("acte_attachments[0]", File("a.pdf", PDF))]
    number = await create(ready, parts)
    assert await fetchval(ready, "select subject from acte_transaction where id = $1", number) == "Œuvre d'été"


async def test_the_last_scalar_wins(ready: Stack) -> None:
    number = await create(ready, [("number", "OLD"), ("acte_pdf_file", File("old.pdf", b"old")), *form("NEW_1")])
    assert await fetchval(ready, "select number from acte_transaction where id = $1", number) == "NEW_1"


async def test_a_deposit_of_an_account_that_may_only_prepare_waits(ready: Stack) -> None:
    await fetchval(ready, "update account_permission set permission = 'CS' where module = 'actes' returning account_id")
    number = await create(ready, form())
    assert await fetchval(ready, "select status from acte_transaction where id = $1", number) == 17


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (form("bad-number"), "Le numéro n&#039;est pas correct"),
        (form(decision_date="2999-01-01"), "La date de décision est une date dans le futur"),
        (form(type_acte=""), "Erreur lors de la réception du fichier délib.pdf : typologie absente"),
        (form(acte_pdf_file=File("e.pdf", b"")), "Erreur lors de la récéption du fichier : Le fichier semble vide"),
        ([("api", "1"), ("number", "A1")], "Aucun fichier acte n&#039;a été posté "),
        (
            form(acte_pdf_file=File("big.pdf", PDF + b"x" * 2_000_000)),
            "La taille totale des fichiers est trop importante (max : 2000000)",
        ),
        (
            [*form(), *[("acte_attachments[]", File("a.pdf", b"x"))] * 200],
            "Le nombre d&#039;annexes est trop important (max : 200)",
        ),
    ],
)
async def test_refused_deposits_leave_nothing(ready: Stack, parts: Parts, message: str) -> None:
    answer = await ready.client().post(CREATE, parts)
    assert (answer.status, answer.body) == (200, latin1(f"KO\n{message}\n"))
    assert ready.spooled() == []


async def test_a_number_is_used_once(ready: Stack) -> None:
    await create(ready, form())
    answer = await ready.client().post(CREATE, form())
    assert answer.body == latin1(
        "KO\nUn acte portant le même numéro interne existe déjà dans la base de données.\n"
        "Il faut peut-être ajouter un suffixe au numéro.\n"
    )


async def test_an_empty_post(ready: Stack) -> None:
    message = "KO\nLa taille totale des fichiers est trop importante (max : 2000000)\n"
    assert (await ready.client().get(f"{CREATE}?api=1")).body == latin1(message)
    redirected = await ready.client().get(CREATE)
    assert redirected.headers["location"] == "https://tdt.example/modules/actes/actes_transac_add.php"


async def test_the_files_list_opens_with_the_acknowledgement(ready: Stack) -> None:
    number = await create(ready, form())
    assert (await ready.client().get(f"{FILES}?transaction={number}")).body == b"KO\nPas d'acquittement recu"
    await move(ready, number, 4, b"<actes:ARActe/>\xe9")
    answer = await ready.client().get(f"{FILES}?transaction={number}")
    assert answer.body.isascii()
    files = json.loads(answer.body)
    assert [entry["posted_filename"] for entry in files] == ["", "délib.pdf", "an nexe0.pdf", "an nexe1.pdf"]
    assert [entry["mimetype"] for entry in files[:2]] == ["text/xml", "application/pdf"]
    assert set(files[0]) == {"id", "name", "posted_filename", "mimetype", "size", "sign", "code_pj"}
    given = await ready.client().get(f"{DOWNLOAD}?file={files[3]['id']}")
    assert given.body == PDF + b"1" * 300_000
    assert given.headers["content-type"] == "application/pdf"
    assert given.headers["content-disposition"] == 'attachment; filename="an nexe1.pdf"'
    assert given.headers["cache-control"] == "must-revalidate, post-check=0,pre-check=0"


async def test_the_ar_comes_with_the_status_and_by_its_own_page(ready: Stack) -> None:
    number = await create(ready, form())
    empty = await ready.client().get(f"{AR}?id={number}&api=1")
    assert (empty.status, empty.body, empty.headers["content-type"]) == (200, b"", "application/xml")
    xml = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<actes:ARActe actes:DateReception="2020-02-01"/>\xe9'
    await move(ready, number, 4, xml)
    assert (await ready.client().get(f"{STATUS}?transaction={number}")).body == b"OK\n4\n" + xml
    assert (await ready.client().get(f"{AR}?id={number}&api=1")).body == xml
    unique_id = await fetchval(ready, "select unique_id from acte_transaction where id = $1", number)
    assert (await ready.client().get(f"{STATUS}?unique_id={unique_id}")).body == b"OK\n4\n" + xml


async def test_the_status_of_a_message_by_its_name(ready: Stack) -> None:
    number = await create(ready, form())
    await move(ready, number, 4, b"<AR/>")
    unique_id = await fetchval(ready, "select unique_id from acte_transaction where id = $1", number)
    hanging = (
        "insert into acte_transaction (authority_id, account_id, envelope_id, related_id, type, type_reponse, status,"
        " unique_id) select authority_id, account_id, envelope_id, id, $2, $3, $4, unique_id from acte_transaction"
        " where id = $1 returning id"
    )
    for values in ((6, None, 3), (3, None, 8), (3, 4, 2)):
        await move(ready, ActeId(int(str(await fetchval(ready, hanging, number, *values)))), values[2], None)
    said = {"": b"OK\n4\n<AR/>", "-1-1": b"OK\n4\n<AR/>", "-6-1": b"OK\n3\n", "-3-4": b"OK\n2\n"}
    for suffix, answer in said.items():
        assert (await ready.client().get(f"{STATUS}?unique_id={unique_id}{suffix}")).body == answer
    for suffix in ("-3-1", "-3-3", "-7-1", "-6-1-6-1"):
        unknown = await ready.client().get(f"{STATUS}?unique_id={unique_id}{suffix}")
        assert unknown.body == latin1("KO\nNuméro de transaction invalide.")
    hidden = await ready.client("other").get(f"{STATUS}?unique_id={unique_id}-6-1")
    assert hidden.body == latin1("KO\nNuméro de transaction invalide.")


async def test_an_error_is_told_after_the_status(ready: Stack) -> None:
    number = await create(ready, form())
    await move(ready, number, -1, None, "Enveloppe invalide : œuvre refusée")
    assert (await ready.client().get(f"{STATUS}?transaction={number}")).body == (
        b"OK\n-1\nEnveloppe invalide : ?uvre refus\xe9e"
    )


async def test_another_collectivite_sees_nothing(ready: Stack) -> None:
    number = await create(ready, form())
    await move(ready, number, 4, b"<ar/>")
    file = await fetchval(ready, "select id from acte_file where transaction_id = $1 and position = 1", number)
    envelope = await fetchval(ready, "select envelope_id from acte_transaction where id = $1", number)
    unique_id = await fetchval(ready, "select unique_id from acte_transaction where id = $1", number)
    other = ready.client("other")
    for path in (
        f"{STATUS}?transaction={number}",
        f"{STATUS}?unique_id={unique_id}",
        f"{FILES}?transaction={number}",
    ):
        assert (await other.get(path)).body == latin1("KO\nNuméro de transaction invalide.")
    for mine, unknown in (
        (f"{DOWNLOAD}?file={file}", f"{DOWNLOAD}?file=99999999"),
        (f"{DOWNLOAD}?env={envelope}", f"{DOWNLOAD}?env=99999999"),
        (f"{AR}?id={number}", f"{AR}?id=99999999"),
    ):
        assert redirected(await other.get(mine)) == redirected(await other.get(unknown)) == (302, INDEX, b"")


async def test_who_follows_and_who_views_inside_the_collectivite(ready: Stack) -> None:
    number = await create(ready, form())
    file = await fetchval(ready, "select id from acte_file where transaction_id = $1 and position = 1", number)
    assert (await ready.client("agent").get(f"{STATUS}?transaction={number}")).body == latin1("KO\nAccès refusé")
    assert (await ready.client("adm").get(f"{STATUS}?transaction={number}")).body == b"OK\n1\n"
    assert (await ready.client("arch").get(f"{FILES}?transaction={number}")).body == b"KO\nPas d'acquittement recu"
    for account in ("agent", "adm", "arch", "sadm"):
        assert (await ready.client(account).get(f"{DOWNLOAD}?file={file}")).body == PDF, account


async def test_download_without_parameter_goes_home(stack: Stack) -> None:
    assert redirected(await stack.client().get(DOWNLOAD)) == (302, "https://tdt.example", b"")


async def test_the_classification_is_given_byte_for_byte(ready: Stack) -> None:
    answer = await ready.client().get(f"{FETCH}?api=1")
    assert answer.body == CLASSIFICATION + b"\r\n"
    assert answer.headers["content-type"] == "text/xml;charset=iso-8859-1"
    assert answer.headers["content-disposition"] == 'attachment; filename="classification.xml"'
    nothing = await ready.client("other").get(f"{FETCH}?api=1")
    assert nothing.body == latin1("KO\nErreur de récupération de la dernière classification.\n")


async def test_a_classification_is_asked_for_by_any_method(stack: Stack) -> None:
    path = "/modules/actes/actes_classification_request.php"
    client = stack.client()
    first = await client.get(f"{path}?api=1")
    second = await client.post(path, [("api", "1")])
    body = b"api=1"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(body))}
    third = await client.send(client.head("POST", path, headers) + body)
    for answer in (first, second, third):
        assert re.fullmatch(rb"OK\n[0-9]+\n\n", answer.body), answer.body
    assert await fetchval(stack, "select count(*) from acte_transaction where type = 7") == 3
    assert (await stack.client("arch").get(f"{path}?api=1")).body == latin1("KO\nAccès refusé\n")


async def test_the_labels_of_the_statuses(stack: Stack) -> None:
    answer = await stack.client().get(STATUSES)
    assert answer.body.startswith(b'{"-1":"Erreur","0":"Annul\\u00e9","1":"Post\\u00e9",')


async def test_a_waiting_client_is_told_to_continue_only_when_its_body_is_wanted(ready: Stack) -> None:
    body = multipart(form(), quoted=False)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }
    client = ready.client()
    reader, writer = await client.connect()
    writer.write(client.head("POST", CREATE, headers))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await read_answer(reader)).body.startswith(b"OK\n")
    await close(writer)

    stranger = ready.client("no-account")
    reader, writer = await stranger.connect()
    writer.write(stranger.head("POST", f"{CREATE}?api=1", headers))
    refused = await read_answer(reader)
    assert refused.interim == ()
    assert refused.body.startswith(b"KO\n")
    await close(writer)


def redirected(answer: Answer) -> tuple[int, str, bytes]:
    return answer.status, answer.headers["location"], answer.body


async def move(stack: Stack, number: ActeId, status: int, flux: bytes | None, message: str = "") -> None:
    """What a worker would have written."""
    content = None
    if flux is not None:
        content = await fetchval(
            stack,
            INSERT_BODY,
            stack.authorities["A"],
            len(flux),
            flux,
        )
    await fetchval(
        stack,
        "insert into acte_workflow (authority_id, transaction_id, status, message, flux_content_id)"
        " values ($1, $2, $3, $4, $5) returning id",
        stack.authorities["A"],
        number,
        status,
        message,
        content,
    )
    await fetchval(stack, "update acte_transaction set status = $2 where id = $1 returning id", number, status)


async def fetchval(stack: Stack, query: str, *args: object) -> object:
    connection = await asyncpg.connect(stack.database.owner_dsn)
    try:
        return await connection.fetchval(query, *args)
    finally:
        await connection.close()


async def test_nul_bytes_are_seen_and_harm_nothing(ready: Stack) -> None:
    parts = form("NUL", subject="Déli\0bération", acte_pdf_file=File("dé\0lib.pdf", PDF))
    number = await create(ready, parts)
    assert await fetchval(ready, "select subject from acte_transaction where id = $1", number) == "Déli\ufffdbération"
    answer = await ready.client().get(f"{STATUS}?unique_id=%00")
    assert answer.body == latin1("KO\nNuméro de transaction invalide.")
    answer = await ready.client().post(CREATE, form("A\0B"))
    assert answer.body == latin1("KO\nLe numéro n&#039;est pas correct\n")


async def test_a_signature_that_is_not_text_is_refused_in_words(ready: Stack) -> None:
    parts = [*form("SIGNE"), ("acte_pdf_file_sign", File("acte.p7s", b"0\x82\x00\xff"))]
    answer = await ready.client().post(CREATE, parts)
    assert answer.body.startswith(
        "KO\nErreur lors du traitement de la signature du fichier délib.pdf :\n".encode("latin-1")
    )


@pytest.mark.parametrize(
    ("batch", "words"), [("x", "batchfile n&#039;est pas un entier"), ("12", "Échec de la transaction en mode lot.")]
)
async def test_what_is_no_file_of_a_lot(ready: Stack, batch: str, words: str) -> None:
    answer = await ready.client().post(CREATE, form("LOT", batchfile=batch))
    assert answer.body == latin1(f"KO\n{words}\n")


async def test_without_api_a_browser_is_sent_on(ready: Stack) -> None:
    answer = await ready.client().post(CREATE, [part for part in form("PAGE") if part[0] != "api"])
    assert (answer.status, answer.headers["location"], answer.body) == (302, INDEX.removesuffix("index.php"), b"")


async def test_several_slashes_are_one_and_the_library_is_not_named(ready: Stack) -> None:
    number = await create(ready, form("SLASH"))
    answer = await ready.client().get(f"/{STATUS}?transaction={number}")
    assert answer.body == b"OK\n1\n"
    assert "server" not in answer.headers
    assert (await ready.client().get("//nothing//here")).status == 404


async def test_api_of_the_url_counts_when_that_of_the_form_does_not(ready: Stack) -> None:
    answer = await ready.client().post(f"{CREATE}?api=1", form("URL", api="0"))
    assert re.fullmatch(rb"OK\n[0-9]+\n\n", answer.body)


async def test_the_envelope_after_the_last_one_of_the_day_is_refused_in_words(ready: Stack) -> None:
    await create(ready, form("DERNIER"))
    await fetchval(ready, "update acte_envelope_serial set last = 9999 returning last")
    answer = await ready.client().post(CREATE, form("TROP"))
    assert answer.body == latin1("KO\nErreur récupération numéro de série\n")
