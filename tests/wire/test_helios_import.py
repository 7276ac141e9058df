"""The deposit of a PES over the wire: every check that the answer waits for, in its order, in its exact words."""

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from tdt.config import Config, Limits
from tests.wire.administration import rows
from tests.wire.client import BOUNDARY, File, Parts, close, read_answer
from tests.wire.stack import Stack
from tests.wire.test_helios_api import IMPORT, PES, deposit, imported, run

ABSENT = "Aucune enveloppe trouv&#xE9;e : la taille de l'enveloppe d&#xE9;passe probablement la taille maximum"
EMPTY = "Le fichier pr&#xE9;sent&#xE9; est vide (0 octet)"
CODE = "Erreur lors du t&#xE9;l&#xE9;chargement du fichier : code {}"
KNOWN = "doublon d&#xE9;tect&#xE9;. Ce fichier a d&#xE9;j&#xE0; &#xE9;t&#xE9; post&#xE9;."
SIZE = "Taille de fichier sup&#xE9;rieure &#xE0; la limite autoris&#xE9;e (4 Mo maximum)."


@dataclass(frozen=True, slots=True)
class Case:
    """A deposit that is refused, and how."""

    parts: Parts
    message: str


CASES = {
    "no part": Case([("api", "1")], ABSENT),
    "a text, not a file": Case([("enveloppe", PES)], ABSENT),
    "several, as an array": Case([("enveloppe[]", File("a.xml", PES))], ABSENT),
    "another part": Case([("pes", File("a.xml", PES))], ABSENT),
    "a file without a name": Case([("enveloppe", File("", PES))], CODE.format(4)),
    "an empty one without a name": Case([("enveloppe", File("", b""))], CODE.format(4)),
    "empty": Case([("enveloppe", File("empty.xml", b""))], EMPTY),
    "empty at its second time": Case(
        [("enveloppe", File("full.xml", PES)), ("enveloppe", File("empty.xml", b""))], EMPTY
    ),
    "one byte too many": Case([("enveloppe", File("huge.xml", b"x" * ((4 << 20) + 1)))], SIZE),
    "far too large": Case([("enveloppe", File("huge.xml", b"x" * (24 << 20)))], SIZE),
}


@pytest.mark.parametrize("name", CASES)
async def test_refused_deposits(stack: Stack, name: str) -> None:
    answer = await stack.client().post(IMPORT, CASES[name].parts)
    assert (answer.status, answer.body) == (200, imported("<id/>", "KO", CASES[name].message))
    assert answer.headers["content-type"] == "text/xml"
    assert stack.spooled() == []
    assert await rows(stack, "select from helios_transaction") == []


async def test_exactly_the_limit_is_taken(stack: Stack) -> None:
    await deposit(stack, PES + b" " * ((4 << 20) - len(PES)))


def test_the_limit_is_512_mo_when_nothing_is_set() -> None:
    assert Config().limits.pes_bytes == Limits().pes_bytes == 512 << 20


@pytest.mark.parametrize("permission", ["RO", "NONE"])
async def test_rights_are_told_in_plain_text(stack: Stack, permission: str) -> None:
    await run(stack, f"update account_permission set permission = '{permission}' where module = 'helios'")
    answer = await stack.client().post(IMPORT, [("enveloppe", File("p.xml", PES))])
    assert (answer.status, answer.body) == (200, "KO\nAccès refusé".encode("latin-1"))


async def test_the_body_that_ends_too_soon_is_code_3(stack: Stack) -> None:
    client = stack.client()
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="enveloppe"; filename="p.xml"\r\n\r\n'.encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(part + PES))}
    reader, writer = await client.connect()
    writer.write(client.head("POST", IMPORT, headers) + part + PES)
    answer = await read_answer(reader)
    await close(writer)
    assert answer.body == imported("<id/>", "KO", CODE.format(3))
    assert stack.spooled() == []


# --- the first copy


async def test_the_same_bytes_twice_are_a_doublon_and_leave_nothing(stack: Stack) -> None:
    data = PES + b" " * 500_000
    await deposit(stack, data)
    before = stack.spooled()
    answer = await stack.client("other").post(IMPORT, [("enveloppe", File("again.xml", data))])
    assert answer.body == imported("<id/>", "KO", KNOWN)
    assert stack.spooled() == before


@pytest.mark.parametrize("status", [-1, 3, 8])
async def test_a_doublon_whatever_became_of_the_first_which_only_the_log_names(stack: Stack, status: int) -> None:
    number = await deposit(stack)
    await run(stack, f"update helios_transaction set status = {status}")
    with capture_logs() as logs:
        answers = [
            await stack.client(account).post(IMPORT, [("enveloppe", File("again.xml", PES))])
            for account in ("certonly", "other")
        ]
    for answer in answers:
        # byte for byte the same for its owner and for a stranger: nothing of the first copy is in it
        assert answer.body == imported("<id/>", "KO", KNOWN)
    told = [line for line in logs if line["event"] == "helios.known"]
    first, other = stack.authorities["A"], stack.authorities["B"]
    assert [(line["authority"], line["holder"], line["holder_authority"]) for line in told] == [
        (first, number, first),
        (other, number, first),
    ]


# --- what the form says


@pytest.mark.parametrize(
    ("value", "status"),
    [(None, 1), ("", 1), ("0", 1), ("1", 13), ("true", 13), ("false", 13), ("00", 13), (" ", 13), ("non", 13)],
)
async def test_must_signed_is_true_as_in_php(stack: Stack, value: str | None, status: int) -> None:
    parts: Parts = [("enveloppe", File("p.xml", PES))]
    answer = await stack.client().post(IMPORT, parts if value is None else [*parts, ("must_signed", value)])
    assert b"<resultat>OK</resultat>" in answer.body
    texts = {1: "Fichier bien reçu par la plate-forme S2low", 13: "Fichier en attente d'être signé"}
    [row] = await rows(stack, "select status, message from helios_workflow")
    assert (row["status"], row["message"]) == (status, texts[status])
    jobs = await rows(stack, "select from job where kind = 'helios.analyse'")
    assert len(jobs) == (1 if status == 1 else 0)


@pytest.mark.parametrize(("must_signed", "status"), [("0", 14), ("1", 13)])
async def test_who_may_only_prepare_leaves_it_to_be_posted(stack: Stack, must_signed: str, status: int) -> None:
    await run(stack, "update account_permission set permission = 'CS' where module = 'helios'")
    parts: Parts = [("enveloppe", File("p.xml", PES)), ("must_signed", must_signed)]
    assert b"<resultat>OK</resultat>" in (await stack.client().post(IMPORT, parts)).body
    [row] = await rows(stack, "select status, message from helios_workflow")
    texts = {14: "Fichier en attente d'être télétransmis", 13: "Fichier en attente d'être signé"}
    assert (row["status"], row["message"]) == (status, texts[status])
    assert await rows(stack, "select from job where kind = 'helios.analyse'") == []


async def test_a_signature_part_is_ignored_and_the_last_of_a_name_counts(stack: Stack) -> None:
    last = PES + b"<!-- last -->"
    parts: Parts = [
        ("signature", File("s.p7s", b"\x30\x82" * 10)),
        ("enveloppe", File("first.xml", b"first")),
        ("enveloppe", File("last.xml", last)),
    ]
    assert b"<resultat>OK</resultat>" in (await stack.client().post(IMPORT, parts)).body
    [row] = await rows(stack, "select filename, size from helios_transaction")
    assert (row["filename"], row["size"]) == ("last.xml", len(last))


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
async def test_the_name_of_the_file_in_either_encoding(stack: Stack, encoding: str) -> None:
    name = "é" * 1200 + ".xml"
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="enveloppe"; filename="{name}"\r\n\r\n'
    body = part.encode(encoding) + PES + f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(len(body))}
    answer = await stack.client().send(stack.client().head("POST", IMPORT, headers) + body)
    assert b"<resultat>OK</resultat>" in answer.body
    [row] = await rows(stack, "select filename from helios_transaction")
    assert row["filename"] == "é" * 1024


async def test_the_siren_and_the_collectivite_are_those_of_the_caller(stack: Stack) -> None:
    await deposit(stack, account="other")
    [row] = await rows(
        stack,
        "select t.authority_id, t.siren, a.siren as own from helios_transaction t"
        " join authority a on a.id = t.authority_id",
    )
    assert (row["authority_id"], row["siren"]) == (stack.authorities["B"], row["own"])
