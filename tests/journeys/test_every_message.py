"""Every message of the protocol, both ways, on a running sandbox whose préfecture refuses what the ministry refuses.

What left is then read from the archives that the préfecture received: all ten codes, each XML valid for the official
schema, and each refusal told to the client in words that an agent understands.
"""

import asyncio
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest
from lxml import etree

from tdt.sandbox.client import Upload
from tests.journeys.running import Sandbox, acte_status, fresh, post_acte, until
from tests.pdf_files import PDF
from tests.xsd import official_actes_xsd, record_xsd_check

DOCUMENTS = "/modules/actes/actes_transac_get_document.php"
REPLY = "/modules/actes/actes_transac_reponse_create.php"
CANCEL = "/modules/actes/actes_transac_cancel.php"
CLASSIFICATION = "/modules/actes/actes_classification_request.php"
LETTERS = ("2-1", "3-1", "3-1", "4-1", "4-1", "5-1")
SENT = {"1-1", "2-2", "3-2", "3-3", "3-4", "4-2", "4-3", "4-4", "6-1", "7-1"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with fresh() as running:
        running.control("/prefecture/behaviour", {"answer": "auto", "delay": 0})
        yield running


@pytest.fixture(autouse=True)
def strict_again(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control("/prefecture/behaviour", {"answer": "auto", "encoding": "latin-1", "mail_shape": "plain"})


def acknowledged(sandbox: Sandbox, number: str) -> tuple[int, str]:
    """An act with its AR, and its identifier."""
    client = sandbox.client("certonly")
    acte = post_acte(client, number)
    reaches(sandbox, acte, 4)
    root = etree.fromstring(acte_status(client, acte)[1])
    return acte, str(root.get("{http://www.interieur.gouv.fr/ACTES#v1.1-20040216}IDActe"))


def reaches(sandbox: Sandbox, transaction: int, status: int) -> None:
    client = sandbox.client("certonly")
    until(lambda: acte_status(client, transaction)[0] == status or None, 30, f"{transaction} does not come to {status}")


def linked(sandbox: Sandbox, acte: int) -> list[tuple[int, int, int]]:
    """Type, status and number of what is linked to an act."""
    lines = sandbox.client("certonly").get(DOCUMENTS, id=acte).decode().split()
    return [(int(kind), int(status), int(number)) for kind, status, number in (line.rsplit("-", 2) for line in lines)]


def write(sandbox: Sandbox, id_acte: str, acte: int) -> list[tuple[int, int, int]]:
    """All the letters, each of a day of its own; what they became once those that must be are acknowledged."""
    day = date.fromisoformat("2026-03-02")
    for place, code in enumerate(LETTERS):
        asked = {"id_acte": id_acte, "messages": [code], "date": (day + timedelta(days=place)).isoformat()}
        sandbox.control("/prefecture/letters", asked)
    wanted = sorted([(2, 21), (3, 8), (3, 8), (4, 8), (4, 8), (5, 21)])
    until(lambda: sorted(one[:2] for one in linked(sandbox, acte)) == wanted or None, 30, "letters acknowledged")
    return linked(sandbox, acte)


def reply(sandbox: Sandbox, letter: int, kind: str) -> int:
    fields = [("api", "1"), ("id", str(letter)), ("type_envoie", kind), ("type_acte", "99_DE")]
    answer = sandbox.client("certonly").post(REPLY, fields, [Upload("acte_pdf_file", "r.pdf", PDF, "application/pdf")])
    assert answer.startswith(b"OK\n"), answer.decode("latin-1")
    return int(answer.split(b"\n")[1])


def test_every_message_leaves_valid_and_is_taken(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    acte, id_acte = acknowledged(sandbox, "ECHANGES")
    by_type: dict[int, list[int]] = {}
    for kind, _, number in write(sandbox, id_acte, acte):
        by_type.setdefault(kind, []).append(number)
    asked = [
        (by_type[2][0], "2"),
        (by_type[3][0], "3"),
        (by_type[3][1], "4"),
        (by_type[4][0], "3"),
        (by_type[4][1], "4"),
    ]
    made = [reply(sandbox, letter, kind) for letter, kind in asked]
    last = {made[0]: 3, **dict.fromkeys(made[1:], 4)}  # nothing comes back for a 2-2
    for number, status in last.items():
        reaches(sandbox, number, status)
    answers = client.post(CANCEL, [("api", "1"), ("id", str(acte))])
    assert answers.startswith(b"OK\n"), answers
    reaches(sandbox, acte, 0)
    assert sandbox.control("/prefecture/acts") == []
    assert client.post(CLASSIFICATION, [("api", "1")]).startswith(b"OK\n")
    until(lambda: {code for code, _ in received(sandbox)} >= SENT or None, 20, "every code")
    schema = official_actes_xsd()
    for code, data in received(sandbox):
        root = etree.fromstring(data)
        if schema is not None:
            schema.assertValid(root)
            record_xsd_check()
        assert data.startswith(b'<?xml version="1.0" encoding="ISO-8859-1"?>\n'), code


def received(sandbox: Sandbox) -> list[tuple[str, bytes]]:
    """Code (or nothing, for an envelope) and bytes of every XML that the préfecture received."""
    found = []
    for number, one in enumerate(sandbox.control("/prefecture/received")):
        with tarfile.open(fileobj=io.BytesIO(sandbox.received("/prefecture/received", number))) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None, one["name"]
                if member.name.endswith("_0.xml") or "--" in member.name:
                    code = member.name.removesuffix("_0.xml")[-3:] if member.name.endswith("_0.xml") else ""
                    found.append((code, file.read()))
    return found


def explained(sandbox: Sandbox, acte: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sandbox.client("certonly").get(f"/api/v1/actes/{acte}"))
    return found


@pytest.mark.parametrize(
    ("answer", "code", "cause"),
    [
        ("anomaly:001", "ANOMALIE_ACTE_001", "L'acte a déjà été transmis"),
        ("anomaly:003", "ANOMALIE_ACTE_003", "La matière est incomplète"),
        ("anomaly:006", "ANOMALIE_ACTE_006", "Il manque un fichier"),
        ("anomaly:007", "ANOMALIE_ACTE_007", "Un fichier est refusé"),
        ("anomaly:ERREUR2", "ANOMALIE_ACTE", "La préfecture refuse l'acte"),
        ("envelope-anomaly:001", "ANOMALIE_ENVELOPPE_001", "Il manque un fichier dans l'enveloppe"),
        ("envelope-anomaly:005", "ANOMALIE_ENVELOPPE_005", "Un champ de l'enveloppe ne va pas"),
    ],
)
def test_a_refusal_is_told_in_words(sandbox: Sandbox, answer: str, code: str, cause: str) -> None:
    sandbox.control("/prefecture/behaviour", {"answer": answer})
    acte = post_acte(sandbox.client("certonly"), "R" + "".join(filter(str.isalnum, answer.upper()))[-12:])
    check_refused(sandbox, acte, code, cause)


def check_refused(sandbox: Sandbox, acte: int, code: str, cause: str) -> None:
    client = sandbox.client("certonly")
    reaches(sandbox, acte, -1)
    words = acte_status(client, acte)[1].decode("latin-1")
    # S2LOW gives the words after the bytes of the refusal
    assert "Anomalie signalee par le MI : " in words or "Enveloppe rejetée par le MI (" in words, words
    error = explained(sandbox, acte)["problem"]
    assert error["code"] == code
    assert error["cause"].startswith(cause)
    assert error["remedy"]
    assert error["who"]


def test_a_matiere_that_the_prefecture_does_not_have(sandbox: Sandbox) -> None:
    acte = post_acte(sandbox.client("certonly"), "MATIERE", matiere="9")
    check_refused(sandbox, acte, "ANOMALIE_ACTE_003", "La matière est incomplète ou inconnue")


def test_a_collectivite_that_is_not_as_the_prefecture_has_it(sandbox: Sandbox) -> None:
    async def move(district: str) -> None:
        owner = await asyncpg.connect(sandbox.told["database"])
        query = "update authority set district = $2 where id = $1"
        await owner.execute(query, sandbox.told["authorities"]["A"]["id"], district)
        await owner.close()

    asyncio.run(move("2"))
    try:
        acte = post_acte(sandbox.client("certonly"), "AILLEURS")
        check_refused(sandbox, acte, "PREF_VERIF_02", "Le SIREN de la collectivité n'est pas encore enregistré")
    finally:
        asyncio.run(move("3"))


def test_a_stale_classification_is_refused_told_and_cured(sandbox: Sandbox) -> None:
    """The préfecture publishes another classification between the deposit and the reception."""
    client = sandbox.client("certonly")
    sandbox.control("/prefecture/classification", {"date": "2026-11-01"})
    acte = post_acte(client, "PERIMEE")
    check_refused(sandbox, acte, "ODT_VERIF_01", "La classification des matières utilisée")

    def taken() -> int | None:
        again = post_acte(client, f"A{len(sandbox.control('/prefecture/received')):06}")
        until(lambda: acte_status(client, again)[0] in (-1, 4) or None, 20, "answered")
        return again if acte_status(client, again)[0] == 4 else None

    # the answer told of a newer one: it is asked for at once
    assert until(taken, 30, "the new classification is in force")


@pytest.mark.parametrize("odd", [{"mail_shape": "logo"}, {"mail_shape": "nested"}, {"encoding": "utf-8 as latin-1"}])
def test_the_odd_mails_of_the_ministry_are_read(sandbox: Sandbox, odd: dict[str, str]) -> None:
    sandbox.control("/prefecture/behaviour", odd)
    acknowledged(sandbox, "ODD" + "".join(filter(str.isalnum, next(iter(odd.values())).upper()))[:10])


def test_answers_out_of_order_and_mails_of_nobody(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    sandbox.control("/prefecture/behaviour", {"hold": "always", "serial_offset": 52_790})
    first, second = post_acte(client, "ORDRE1"), post_acte(client, "ORDRE2")
    for acte in (first, second):
        reaches(sandbox, acte, 3)
    sandbox.control("/prefecture/behaviour", {"hold": "never"})
    sandbox.control("/prefecture/notice", {"kind": "junk"})
    assert sandbox.control("/prefecture/release", {"order": "last"})["released"] == 2
    for acte in (first, second):
        reaches(sandbox, acte, 4)
