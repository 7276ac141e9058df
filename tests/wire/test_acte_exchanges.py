"""What follows an act, over the wire: annulation, letters of the préfecture, their answers; exact bytes."""

import io
import json
import re
import tarfile

import pytest

from tdt.db import acte_letters
from tdt.db.content import insert_small
from tdt.db.routes import insert_received
from tdt.domain.actes.naming import read_unique_id
from tdt.domain.ids import ActeId, RouteId
from tdt.flows import actes_receive
from tests.faults.plant import letter_mail
from tests.wire import test_actes_api as actes
from tests.wire.administration import rows
from tests.wire.client import Answer, File, Parts
from tests.wire.stack import Stack

ready = actes.ready
CANCEL = "/modules/actes/actes_transac_cancel.php"
REPLY = "/modules/actes/actes_transac_reponse_create.php"
DOCUMENT = "/modules/actes/actes_transac_get_document.php"
UNREAD = "/modules/actes/api/list_document_prefecture.php"
MARK = "/modules/actes/api/document_prefecture_mark_as_read.php"
PDF = actes.PDF


async def acknowledged(stack: Stack, number: str = "ACTE_1") -> ActeId:
    """An act with its AR."""
    acte = await actes.create(stack, actes.form(number))
    await actes.move(stack, acte, 4, b"<actes:ARActe/>")
    return acte


async def letter(stack: Stack, acte: ActeId, code: str = "3-1", serial: int = 19) -> ActeId:
    """A letter of the préfecture about this act, taken in as the worker does."""
    (row,) = await rows(stack, "select unique_id, envelope_id from acte_transaction where id = $1", acte)
    (sent,) = await rows(stack, "select route_id from acte_envelope where id = $1", row["envelope_id"])
    parts = read_unique_id(row["unique_id"])
    assert parts is not None
    raw = letter_mail(code, act=row["unique_id"], siren=parts.siren, serial=serial)
    async with stack.deps.transaction("system") as connection:
        content = await insert_small(connection, None, raw)
        key = f"{acte}/{code}/{serial}"
        received = await insert_received(connection, RouteId(sent["route_id"]), key, key, content)
    await actes_receive.ingest(stack.deps, received)
    (made,) = await rows(stack, "select max(id) as id from acte_transaction where related_id = $1", acte)
    assert made["id"] is not None
    return ActeId(made["id"])


def number_in(answer: Answer) -> ActeId:
    match = re.fullmatch(rb"OK\n([0-9]+)\n\n", answer.body)
    assert match, answer.body.decode("latin-1")
    return ActeId(int(match[1]))


async def ask_cancel(stack: Stack, acte: object, account: str = "certonly") -> Answer:
    return await stack.client(account).post(CANCEL, [("api", "1"), ("id", str(acte))])


def ko(text: str) -> bytes:
    return b"KO\n" + text.replace("'", "&#039;").encode("latin-1") + b"\n"


# ------------------------------------------------------------------------------------------------------- annulation


async def test_an_act_is_cancelled_once(ready: Stack) -> None:
    acte = await acknowledged(ready)
    made = number_in(await ask_cancel(ready, acte))
    (row,) = await rows(ready, "select * from acte_transaction where id = $1", made)
    (act,) = await rows(ready, "select * from acte_transaction where id = $1", acte)
    assert (row["type"], row["status"], row["related_id"]) == (6, 1, acte)
    assert [row[key] for key in ("number", "unique_id", "authority_id")] == [
        act[key] for key in ("number", "unique_id", "authority_id")
    ]
    files = await rows(ready, "select name from acte_file where transaction_id = $1", made)
    assert [file["name"] for file in files] == [f"{act['unique_id']}-6-1_0.xml"]
    answer = await ask_cancel(ready, acte)
    assert answer.body == ko("Une demande d'annulation est déjà en cours pour cette transaction.")
    await actes.move(ready, made, -1, None, "Enveloppe rejetée")
    number_in(await ask_cancel(ready, acte))


async def test_what_may_not_be_cancelled(ready: Stack) -> None:
    posted = await actes.create(ready, actes.form())
    assert (await ask_cancel(ready, posted)).body == ko(
        "Impossible d'annuler une transaction qui n'est pas en état « Acquittement reçu »."
    )
    assert (await ready.client().post(CANCEL, [("api", "1")])).body == ko(
        "Pas d'identifiant de transaction à annuler spécifié."
    )
    assert (await ask_cancel(ready, 999999)).body == ko("Erreur d'initialisation de la transaction.")
    acte = await acknowledged(ready, "ACTE_2")
    assert (await ask_cancel(ready, acte, "other")).body == ko("Erreur d'initialisation de la transaction.")
    made = number_in(await ask_cancel(ready, acte))
    assert (await ask_cancel(ready, made)).body == ko("Ce type de transaction ne peut pas être annulé.")
    answer = await ready.client().post(CANCEL, [("id", str(posted))])
    assert (answer.status, answer.body) == (302, b"")


# ---------------------------------------------------------------------------------------------------------- letters


async def test_letters_are_listed_until_they_are_read(ready: Stack) -> None:
    assert (await ready.client().get(UNREAD)).body == b"[]"
    acte = await acknowledged(ready)
    first, second = await letter(ready, acte, "3-1"), await letter(ready, acte, "2-1", serial=29)
    (act,) = await rows(ready, "select unique_id from acte_transaction where id = $1", acte)
    entry = (
        f'{{"id":{first},"type":"3","related_transaction_id":{acte},"number":"ACTE_1",'
        f'"unique_id":"{act["unique_id"]}","last_status_id":7}}'
    )
    answer = await ready.client().get(UNREAD)
    assert answer.body.startswith(b"[" + entry.encode() + b',{"id":%d,"type":"2",' % second)
    assert (await ready.client("other").get(UNREAD)).body == b"[]"
    # another collectivité's software changes nothing, and hears the same
    assert (await ready.client("other").get(f"{MARK}?transaction_id={first}")).body == b'{"result":"ok"}'
    assert (await ready.client().get(f"{MARK}?transaction_id={first}")).body == b'{"result":"ok"}'
    assert (await ready.client().get(f"{MARK}?transaction_id=999999999")).body == b'{"result":"ok"}'
    assert [one["id"] for one in json.loads((await ready.client().get(UNREAD)).body)] == [second]


async def test_the_exchanges_of_an_act_and_the_archive_of_each(ready: Stack) -> None:
    acte = await acknowledged(ready)
    assert (await ready.client().get(f"{DOCUMENT}?id={acte}")).body == b""
    first, second = await letter(ready, acte, "3-1"), await letter(ready, acte, "5-1", serial=29)
    answer = await ready.client().get(f"{DOCUMENT}?id={acte}")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body == f"3-7-{first}\n5-21-{second}\n".encode()
    (act,) = await rows(ready, "select unique_id from acte_transaction where id = $1", acte)
    assert (await ready.client().get(f"{DOCUMENT}?unique_id={act['unique_id']}")).body == answer.body
    redirected = await ready.client().get(f"{DOCUMENT}?id={first}")
    assert (redirected.status, redirected.body) == (302, b"")
    location = redirected.headers["location"]
    assert re.fullmatch(r"actes_download_file\.php\?env=[0-9]+", location)
    archive = await ready.client().get(f"/modules/actes/{location}")
    assert archive.headers["content-type"] == "application/x-gzip"
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        names = tar.getnames()
    assert all("/" not in name for name in names)
    assert len(names) == 3
    other = ready.client("other")
    for number in (acte, first):
        assert (await other.get(f"{DOCUMENT}?id={number}")).body == "KO\nNuméro de transaction invalide.".encode(
            "latin-1"
        )


# ---------------------------------------------------------------------------------------------------------- answers


def reply_form(letter_id: object, **changes: str | File | None) -> Parts:
    fields: dict[str, str | File | None] = {
        "api": "1",
        "id": str(letter_id),
        "type_envoie": "4",
        "type_acte": "99_DE",
        "acte_pdf_file": File("Réponse à la préfecture.pdf", PDF),
        **changes,
    }
    return [(name, value) for name, value in fields.items() if value is not None]


@pytest.mark.parametrize(
    ("letter_code", "type_envoie", "code", "type_reponse"),
    [
        ("2-1", None, "2-2", 2),
        ("2-1", "4", "2-2", 2),
        ("3-1", "4", "3-4", 4),
        ("3-1", "3", "3-3", 3),
        ("4-1", "4", "4-4", 4),
        ("4-1", "3", "4-3", 3),
    ],
)
async def test_each_letter_has_its_answers(
    ready: Stack, letter_code: str, type_envoie: str | None, code: str, type_reponse: int
) -> None:
    acte = await acknowledged(ready)
    asked = await letter(ready, acte, letter_code)
    annexes: Parts = [("type_pj[]", "22_AT"), ("acte_attachments[]", File("plan.pdf", PDF + b"2"))]
    made = number_in(await ready.client().post(REPLY, [*reply_form(asked, type_envoie=type_envoie), *annexes]))
    (row,) = await rows(ready, "select * from acte_transaction where id = $1", made)
    assert (row["type"], row["type_reponse"], row["status"], row["related_id"]) == (
        int(letter_code[0]), type_reponse, 1, asked,
    )  # fmt: skip
    names = [
        file["name"]
        for file in await rows(ready, "select name from acte_file where transaction_id = $1 order by position", made)
    ]
    documents = [f"99_DE-{row['unique_id']}-{code}_1.pdf", f"22_AT-{row['unique_id']}-{code}_2.pdf"]
    assert names == [f"{row['unique_id']}-{code}_0.xml", *documents[: 2 if code == "3-4" else 1]]
    answer = await ready.client().get(f"{DOCUMENT}?id={acte}")
    assert answer.body == f"{letter_code[0]}-1-{made}\n".encode()
    # an answer is no letter
    assert [one["id"] for one in json.loads((await ready.client().get(UNREAD)).body)] == [asked]
    await actes.move(ready, made, -1, None, "Enveloppe rejetée")
    assert (await ready.client().get(f"{DOCUMENT}?id={acte}")).body.endswith(f"-{asked}\n".encode())


async def test_the_dialect_of_the_url(ready: Stack) -> None:
    asked = await letter(ready, await acknowledged(ready), "4-1")
    client = ready.client()
    answer = await client.post(f"{REPLY}?api=1", reply_form(asked, api=None))
    assert re.fullmatch(r"OK : id généré : [0-9]+\n".encode(), answer.body)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    answer = await client.post(f"{REPLY}?api=1", reply_form(999999, api=None))
    assert answer.body == b"KO : Transaction inconnue"
    answer = await client.post(f"{REPLY}?api=1", reply_form(asked, api=None, type_acte=""))
    assert answer.body == ko("Erreur lors de la réception du fichier : typologie absente")
    answer = await client.post(REPLY, reply_form(999999, api=None))
    assert (answer.status, answer.body) == (302, b"")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type_acte": ""}, "Erreur lors de la réception du fichier : typologie absente"),
        ({"acte_pdf_file": None}, "Envoi de fichier illégal."),
        ({"type_envoie": ""}, "Erreur lors de la génération de l'acte : Vous devez choisir un type de réponse"),
        ({"type_envoie": "9"}, "Erreur lors de la génération de l'acte : Vous devez choisir un type de réponse"),
    ],
)
async def test_refused_answers_leave_nothing(ready: Stack, changes: dict[str, str | None], message: str) -> None:
    asked = await letter(ready, await acknowledged(ready), "3-1")
    spooled = ready.spooled()
    big: Parts = [("type_pj[]", "99_DE"), ("acte_attachments[]", File("plan.pdf", PDF + b"2" * 400_000))]
    answer = await ready.client().post(REPLY, [*reply_form(asked, **changes), *big])
    assert answer.body == ko(message)
    assert ready.spooled() == spooled
    assert await rows(ready, "select from acte_transaction where related_id = $1", asked) == []


async def test_what_an_answer_must_be(ready: Stack) -> None:
    acte = await acknowledged(ready)
    asked = await letter(ready, acte, "3-1")
    client = ready.client()
    answer = await client.post(REPLY, reply_form(asked, acte_pdf_file=File("a.txt", b"du texte")))
    assert answer.body.startswith(
        ko("Erreur de validation du fichier de l'acte :\nLe fichier de réponse ").rstrip(b"\n")
    )
    assert "Fichier PDF, XML, PNG ou JPEG requis.".encode("latin-1") in answer.body
    annexe: Parts = [("acte_attachments[]", File("plan.pdf", PDF))]
    answer = await client.post(REPLY, [*reply_form(asked), *annexe])
    assert answer.body == ko("Erreur lors de la réception du fichier annexe plan.pdf : typologie absente")
    wrong = ko("Erreur lors de la génération de l'acte : Mauvais type de transaction.")
    assert (await client.post(REPLY, reply_form(acte))).body == wrong
    assert (await client.post(REPLY, reply_form(await letter(ready, acte, "5-1", serial=29)))).body == wrong
    made = number_in(await client.post(REPLY, reply_form(asked)))
    assert (await client.post(REPLY, reply_form(made))).body == wrong
    assert (await ready.client("other").post(REPLY, reply_form(asked))).body == ko("Transaction inconnue")


async def test_the_ar_of_an_answer_is_read_with_its_status(ready: Stack) -> None:
    asked = await letter(ready, await acknowledged(ready), "3-1")
    made = number_in(await ready.client().post(REPLY, reply_form(asked)))
    await actes.move(ready, made, 4, b'<actes:ARPieceComplementaire actes:DateReception="2026-07-08"/>')
    answer = await ready.client().get(f"{actes.STATUS}?transaction={made}")
    assert answer.body == b'OK\n4\n<actes:ARPieceComplementaire actes:DateReception="2026-07-08"/>'
    async with ready.deps.transaction("system") as connection:
        assert await acte_letters.find_acknowledgement(connection, made) is None
