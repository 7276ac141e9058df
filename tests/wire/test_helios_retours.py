"""The PES_Retour over the wire: listed until they are read, given back, marked; exact bytes of each answer."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree

from tdt.domain.ids import AuthorityId
from tests.wire.administration import audited, rows
from tests.wire.stack import Stack

LIST = "/modules/helios/api/helios_get_list.php"
GET = "/modules/helios/api/helios_get_retour.php"
READ = "/modules/helios/api/helios_change_status.php"
DOWNLOAD = "/modules/helios/helios_download_response.php"
PAGE = "/modules/helios/helios_change_status_retour.php"
UPDATE = "/helios-retour/update/status"
RETOUR = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<n:PES_Retour xmlns:n="urn:r">\xe9</n:PES_Retour>\n'
AT = datetime(2024, 3, 4, 9, 11, 12, 123456, UTC)
DEMANDE = re.compile(rb"<dateDemande>(\d{4}-\d\d-\d\d (?:0[1-9]|1[0-2]):\d\d:\d\d)</dateDemande>")


async def put(stack: Stack, authority: AuthorityId, name: str = "PES_RETOUR_1.xml", at: datetime = AT) -> int:
    """A PES_Retour of a collectivité, as the reception leaves it."""
    (route,) = await rows(stack, "select id from route where kind = 'helios' order by id limit 1")
    insert = """
        with c as (insert into content (authority_id, sha256, size, place, data)
                values ($1, sha256($2), length($2), 'row', $2) returning id),
            r as (insert into received (authority_id, route_id, remote_key, name, content_id)
                select $1, $3, $4, $5, id from c returning id, content_id)
        insert into helios_retour (authority_id, received_id, content_id, name, received_at)
        select $1, id, content_id, $5, $6 from r returning id"""
    (row,) = await rows(stack, insert, authority, RETOUR, route["id"], f"{authority}/{name}", name, at)
    return int(row["id"])


def listed(authority: AuthorityId, asked_at: bytes, *lines: str) -> bytes:
    head = (
        f'<?xml version="1.0"?>\n<liste>\n  <idColl>{authority}</idColl>\n  <resultat/>\n'
        "  <message>liste r&#xE9;ussi</message>\n"
    )
    asked = b"  <dateDemande>" + asked_at + b"</dateDemande>\n"
    return head.encode("ascii") + asked + "".join(lines).encode("ascii") + b"</liste>\n"


def line(number: int, name: str, date: str) -> str:
    return f"  <pes_retour>\n    <id>{number}</id>\n    <nom>{name}</nom>\n    <date>{date}</date>\n  </pes_retour>\n"


def told(root: str, name: str, number: object, result: str, message: str) -> bytes:
    return (
        f'<?xml version="1.0"?>\n<{root}>\n  <{name}>{number}</{name}>\n'
        f"  <resultat>{result}</resultat>\n  <message>{message}</message>\n</{root}>\n"
    ).encode("ascii")


async def ask_list(stack: Stack, account: str = "certonly") -> tuple[bytes, bytes]:
    answer = await stack.client(account).get(LIST)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/xml")
    assert "content-disposition" not in answer.headers
    found = DEMANDE.search(answer.body)
    assert found is not None
    return answer.body, found[1]


async def test_listed_then_given_then_read_then_given_again(stack: Stack) -> None:
    """What Pastell does: the list, then for each its bytes and the mark; later the bytes once more."""
    town = stack.authorities["A"]
    body, asked = await ask_list(stack)
    assert body == listed(town, asked)
    first = await put(stack, town)
    second = await put(stack, town, "PES_RETOUR_é.xml", datetime(2024, 7, 4, 9, 11, 12, 500000, UTC))
    await put(stack, stack.authorities["B"])
    body, asked = await ask_list(stack)
    assert body == listed(
        town,
        asked,
        line(first, "PES_RETOUR_1.xml", "2024-03-04 10:11:12.123456+01"),
        line(second, "PES_RETOUR_&#xE9;.xml", "2024-07-04 11:11:12.5+02"),
    )
    # both generations of Pastell: the bytes taken as they are, or re-encoded from ISO-8859-1 first
    for text in (body, body.decode("latin-1").encode("utf-8")):
        assert ElementTree.fromstring(text).findtext("pes_retour[2]/nom") == "PES_RETOUR_é.xml"

    given = await stack.client().get(f"{GET}?id={second}")
    assert (given.status, given.body, given.headers["content-type"]) == (200, RETOUR, "text/xml")
    assert given.headers["content-disposition"] == 'attachment; filename="PES_RETOUR_é.xml"'
    assert (given.headers["expires"], given.headers["pragma"]) == ("0", "public")
    assert given.headers["cache-control"] == "must-revalidate, post-check=0,pre-check=0"
    for _ in range(2):
        answer = await stack.client().get(f"{READ}?id={second}")
        assert answer.body == told("transaction", "idRetour", second, "OK", "Le status a &#xE9;t&#xE9; modifi&#xE9;")
        assert answer.headers["content-type"] == "text/xml"
        assert "content-disposition" not in answer.headers
    assert (await audited(stack, "api:helios:retour"))["data"] == {"before": {"read": False}, "after": {"read": True}}
    body, asked = await ask_list(stack)
    assert body == listed(town, asked, line(first, "PES_RETOUR_1.xml", "2024-03-04 10:11:12.123456+01"))
    assert (await stack.client().get(f"{GET}?id={second}")).body == RETOUR
    assert (await stack.client().get(f"{DOWNLOAD}?id={second}")).body == RETOUR
    (kept,) = await rows(stack, "select status, read_at is not null as told from helios_retour where id = $1", second)
    assert kept == {"status": 1, "told": True}


async def test_a_file_of_another_collectivite_is_as_none(stack: Stack) -> None:
    number = await put(stack, stack.authorities["A"])
    for account, asked in (("other", str(number)), ("certonly", "999999"), ("certonly", "x"), ("sadm", "0")):
        answer = await stack.client(account).get(f"{GET}?id={asked}")
        assert answer.body == told("get_retour", "id", asked, "KO", "retour id n'est pas correcte")
        assert answer.headers["content-disposition"] == 'attachment; filename="retour.xml"'
        refused = await stack.client(account).get(f"{DOWNLOAD}?id={asked}")
        assert (refused.status, refused.body) == (200, b"KO\nAcc\xe8s refus\xe9")
        read = await stack.client(account).get(f"{READ}?id={asked}")
        assert read.body == told("transaction", "idRetour", asked, "KO", "Acc&#xE8;s refus&#xE9;")
    assert (await stack.client().get(GET)).body == told(
        "get_retour", "id", "", "KO", "retour id n'est pas correcte"
    ).replace(b"<id></id>", b"<id/>")
    for account in ("sadm", "gadm"):
        assert (await stack.client(account).get(f"{GET}?id={number}")).body == RETOUR
        assert (await stack.client(account).get(f"{DOWNLOAD}?id={number}")).body == RETOUR
        answer = await stack.client(account).get(f"{READ}?id={number}")
        assert answer.body == told("transaction", "idRetour", number, "KO", "Acc&#xE8;s refus&#xE9;")
    assert await rows(stack, "select from helios_retour where status = 1") == []


async def test_without_permission(stack: Stack) -> None:
    number = await put(stack, stack.authorities["A"])
    await rows(stack, "update account_permission set permission = 'NONE' where module = 'helios'")
    client = stack.client()
    refusal = b"  <resultat>KO</resultat>\n  <message>Acc&#xE8;s refus&#xE9;</message>\n"
    assert (await client.get(LIST)).body == b'<?xml version="1.0"?>\n<liste>\n' + refusal + b"</liste>\n"
    answer = await client.get(f"{GET}?id={number}")
    assert answer.body == told("get_retour", "id", number, "KO", "Acc&#xE8;s refus&#xE9;")
    assert (await client.get(f"{DOWNLOAD}?id={number}")).body == b"KO\nAcc\xe8s refus\xe9"
    for path in (PAGE, UPDATE):
        answer = await client.get(f"{path}?api=1&id={number}")
        assert (answer.status, answer.headers["location"], answer.body) == (302, "https://tdt.example", b"")


async def test_an_account_that_is_suspended_is_told_so_in_xml(stack: Stack) -> None:
    await rows(stack, "update authority set status = 0")
    words = "&#xC9;chec de l'authentification"
    assert (await stack.client().get(LIST)).body == (
        f'<?xml version="1.0"?>\n<liste>\n  <resultat>KO</resultat>\n  <message>{words}</message>\n</liste>\n'.encode()
    )
    assert (await stack.client().get(f"{GET}?id=7")).body == told("get_retour", "id", 7, "KO", words)
    assert (await stack.client().get(f"{READ}?id=7")).body == told("transaction", "idRetour", 7, "KO", words)


async def test_the_pages_that_mark(stack: Stack) -> None:
    town, index = stack.authorities["A"], "https://tdt.example/modules/helios/helios_retour.php"
    numbers = [await put(stack, town, f"{place}.xml") for place in range(3)]
    client = stack.client()
    answer = await client.get(f"{PAGE}?api=1&id={numbers[0]}")
    assert answer.body == "OK\nChangement d&#039;état effectué avec succès\n".encode("latin-1")
    answer = await client.get(f"{PAGE}?id={numbers[1]}")
    assert (answer.status, answer.headers["location"], answer.body) == (302, index, b"")
    assert (await client.get(f"{PAGE}?api=1")).body == (
        "KO\nPas de réponse sélectionnée pour le changement d&#039;état\n".encode("latin-1")
    )
    assert (await client.get(f"{PAGE}?api=1&id=9")).body == b"KO\nErreur lors du changement d&#039;\xe9tat\n"
    unread = "select id from helios_retour where status = 0 order by id"
    assert [row["id"] for row in await rows(stack, unread)] == numbers[2:]

    form: list[tuple[str, str | bytes]] = [("ids[]", str(number)) for number in numbers]
    answer = await client.post(UPDATE, [*form, ("status", "0")])
    assert (answer.status, answer.headers["location"], answer.body) == (302, index, b"")
    assert [row["id"] for row in await rows(stack, unread)] == numbers
    # one that is not theirs, or no status: nothing is marked
    answer = await client.post(UPDATE, [*form, ("ids[]", "999999"), ("status", "1"), ("api", "1")])
    assert answer.body == b"KO\nErreur lors du changement d&#039;\xe9tat\n"
    assert (await client.post(UPDATE, [*form, ("api", "1"), ("status", "2")])).body.startswith(b"KO\nPas de r")
    assert [row["id"] for row in await rows(stack, unread)] == numbers
    answer = await client.post(UPDATE, [*form, ("status", "1"), ("api", "1")])
    assert answer.body == "OK\nChangement d&#039;état effectué avec succès\n".encode("latin-1")
    assert await rows(stack, unread) == []
