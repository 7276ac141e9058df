"""What may follow an act, with the simulated préfecture: letters, their AR, their answers, the annulation."""

import http.client
import io
import json
import ssl
import tarfile
from typing import Any

from tdt.sandbox.client import Client, Upload
from tests.journeys.running import Sandbox, acte_status, post_acte, until
from tests.pdf_files import PDF

DOCUMENT = "/modules/actes/actes_transac_get_document.php"
DOWNLOAD = "/modules/actes/actes_download_file.php"
UNREAD = "/modules/actes/api/list_document_prefecture.php"
MARK = "/modules/actes/api/document_prefecture_mark_as_read.php"
CANCEL = "/modules/actes/actes_transac_cancel.php"
REPLY = "/modules/actes/actes_transac_reponse_create.php"


def acknowledged(sandbox: Sandbox, client: Client, number: str) -> tuple[int, str]:
    """An act with its AR, and its IDActe."""
    acte = post_acte(client, number)
    until(lambda: acte_status(client, acte)[0] == 4 or None, 15, "AR")
    _, ar = acte_status(client, acte)
    return acte, ar.split(b'IDActe="')[1].split(b'"')[0].decode()


def lines(client: Client, acte: int) -> dict[int, tuple[int, int]]:
    """By type: the status and the number that get_document tells."""
    text = client.get(DOCUMENT, id=acte).decode("ascii")
    found = [[int(part) for part in line.split("-")] for line in text.splitlines()]
    return {kind: (status, number) for kind, status, number in found}


def messages(sandbox: Sandbox) -> list[str]:
    """The codes of what the préfecture received, in order."""
    return [code for one in sandbox.control("/prefecture/received") for code in one["metadata"]["messages"]]


def reply(client: Client, letter: int, choice: str, annexes: int = 0) -> int:
    fields = [("api", "1"), ("id", str(letter)), ("type_envoie", choice), ("type_acte", "99_DE")]
    fields += [("type_pj[]", "31_DP")] * annexes
    files = [Upload("acte_pdf_file", "réponse.pdf", PDF, "application/pdf")]
    files += [Upload("acte_attachments[]", f"pièce {n}.pdf", PDF, "application/pdf") for n in range(annexes)]
    answer = client.post(REPLY, fields, files)
    assert answer.startswith(b"OK\n"), answer
    return int(answer.split(b"\n")[1])


def test_letters_are_acknowledged_answered_and_their_answers_acknowledged(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    acte, id_acte = acknowledged(sandbox, client, "LETTRES")
    before = len(messages(sandbox))
    sandbox.control("/prefecture/letters", {"id_acte": id_acte, "messages": ["2-1", "3-1", "4-1", "5-1"]})

    def all_there() -> dict[int, tuple[int, int]] | None:
        found = lines(client, acte)
        return found if {kind: status for kind, (status, _) in found.items()} == {2: 21, 3: 8, 4: 8, 5: 21} else None

    letters = until(all_there, 20, "letters, and their AR sent")
    assert sorted(messages(sandbox)[before:]) == ["3-2", "4-2"]

    unread: list[dict[str, Any]] = json.loads(client.get(UNREAD))
    mine = [one for one in unread if one["related_transaction_id"] == acte]
    assert {one["type"]: one["unique_id"] for one in mine} == dict.fromkeys("2345", id_acte)
    for one in mine:
        archive = client.get(DOWNLOAD, env=envelope_of(client, one["id"]))
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            names = tar.getnames()
        assert len(names) == 3
        assert any(name.endswith(".pdf") for name in names)
        assert client.get(MARK, transaction_id=one["id"]) == b'{"result":"ok"}'
    assert [one for one in json.loads(client.get(UNREAD)) if one["related_transaction_id"] == acte] == []

    simple = reply(client, letters[2][1], "4")
    pieces = reply(client, letters[3][1], "4", annexes=2)
    rejected = reply(client, letters[4][1], "3")
    until(lambda: acte_status(client, pieces)[0] == 4 or None, 20, "3-5")
    until(lambda: acte_status(client, rejected)[0] == 4 or None, 20, "4-5")
    until(lambda: acte_status(client, simple)[0] == 3 or None, 20, "2-2")
    _, ar = acte_status(client, pieces)
    assert b"ARPieceComplementaire" in ar
    assert b"ARReponseRejetLettreObservations" in acte_status(client, rejected)[1]
    assert sorted(messages(sandbox)[before:]) == ["2-2", "3-2", "3-4", "4-2", "4-3"]
    assert lines(client, acte)[3] == (4, pieces)


def envelope_of(client: Client, letter: int) -> int:
    """The archive of a letter, by the redirection that get_document answers."""
    context = ssl.create_default_context(cafile=str(client.ca))
    context.load_cert_chain(client.cert, client.key)
    connection = http.client.HTTPSConnection("localhost", client.port, timeout=30, context=context)
    try:
        connection.request("GET", f"{DOCUMENT}?id={letter}")
        location = connection.getresponse().headers["Location"]
    finally:
        connection.close()
    return int(location.rpartition("env=")[2])


def test_an_act_is_cancelled_and_its_number_stays_taken(sandbox: Sandbox) -> None:
    client = sandbox.client("certonly")
    acte, _ = acknowledged(sandbox, client, "ANNULEE")
    answer = client.post(CANCEL, [("api", "1"), ("id", str(acte))], [])
    assert answer.startswith(b"OK\n"), answer
    asked = int(answer.split(b"\n")[1])
    until(lambda: acte_status(client, asked)[0] == 4 or None, 20, "6-2")
    status, ar = acte_status(client, acte)
    assert status == 0
    assert b"ARAnnulation" in ar
    assert ar == acte_status(client, asked)[1]
    again = client.post(CANCEL, [("api", "1"), ("id", str(acte))], [])
    assert again.startswith(b"KO\nImpossible d&#039;annuler")
