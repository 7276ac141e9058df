"""Our own endpoints of a PES over the wire: signed, given up, archived, and its whole life."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from tdt.domain.ids import HeliosId
from tests.wire import test_helios_api as helios
from tests.wire.administration import audited, error, rows
from tests.wire.client import Answer, File, Parts
from tests.wire.stack import Stack
from tests.wire.test_helios_moves import allow, flow_at, move, sent_to, status_of

SIGNATURE = b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="s">\xe9</ds:Signature>'
SIGNED = helios.PES.replace(b"</n:", SIGNATURE + b"</n:")


def path(flow: object, action: str = "") -> str:
    return f"/api/v1/helios/{flow}{action}"


def told(answer: Answer) -> dict[str, Any]:
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    assert answer.body.isascii()
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def to_sign(stack: Stack, data: bytes = helios.PES) -> int:
    parts: Parts = [("enveloppe", File("PES.xml", data)), ("must_signed", "1")]
    answer = await stack.client().post(helios.IMPORT, parts)
    number = int(answer.body.split(b"<id>")[1].split(b"</id>")[0])
    assert await status_of(stack, number) == (13, "Fichier en attente d'être signé")
    return number


async def sign(stack: Stack, flow: object, data: bytes = SIGNED, account: str = "certonly") -> Answer:
    return await stack.client(account).post(path(flow, "/signed"), [("enveloppe", File("signé.xml", data))])


async def life(stack: Stack, flow: object, account: str = "certonly") -> dict[str, Any]:
    return told(await stack.client(account).get(path(flow)))


# ---------------------------------------------------------------------------------------------------- the signature


async def test_signed_then_posted_both_documents_are_kept(stack: Stack) -> None:
    flow = await to_sign(stack)
    assert await rows(stack, "select from job") == []
    assert told(await sign(stack, flow)) == {"id": flow, "status": 1, "label": "Posté"}
    assert await status_of(stack, flow) == (1, "Fichier bien reçu par la plate-forme S2low")
    assert [row["kind"] for row in await rows(stack, "select kind from job")] == ["helios.analyse"]
    assert (await stack.client().get(f"{helios.FILE}?id={flow}")).body == SIGNED
    assert (await stack.client().get(f"{helios.FILE}?id={flow}&deposited=1")).body == helios.PES
    trace = (await audited(stack, "api:helios:sign"))["data"]
    digests = [hashlib.sha1(data, usedforsecurity=False).hexdigest() for data in (helios.PES, SIGNED)]
    assert [trace["before"], trace["after"]] == digests
    files = (await life(stack, flow))["files"]
    assert [(file["role"], file["sha1"]) for file in files] == [("flux", digests[1]), ("original", digests[0])]
    for file, data in zip(files, (SIGNED, helios.PES), strict=True):
        assert (await stack.client().get(file["download"])).body == data
        assert (file["size"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    # neither is taken again, whoever brings it
    for data in (helios.PES, SIGNED):
        answer = await stack.client("other").post(helios.IMPORT, [("enveloppe", File("x.xml", data))])
        assert b"doublon" in answer.body
    assert (await sign(stack, flow)).body == error(
        f"La transaction {flow} n'attend pas de signature : elle est à l'état 1 (« Posté »)."
    )


async def test_signed_by_who_may_not_transmit_it_waits_for_somebody_who_may(stack: Stack) -> None:
    flow = await to_sign(stack)
    await allow(stack, "CS")
    assert told(await sign(stack, flow)) == {"id": flow, "status": 14, "label": "En attente d'être postée"}
    assert await status_of(stack, flow) == (14, "Fichier en attente d'être télétransmis")
    assert await rows(stack, "select from job") == []


async def test_a_large_one_goes_through_the_spool(stack: Stack) -> None:
    big = helios.PES.replace(b"\xe9", b"QUJD" * 400_000)
    flow = await to_sign(stack, big)
    assert told(await sign(stack, flow, big.replace(b"</n:", SIGNATURE + b"</n:")))["status"] == 1
    assert len(stack.spooled()) == 2


NOT_THE_SAME = (
    "Le fichier signé n'est pas le flux déposé : une fois ses signatures ôtées, il dit autre chose. Signez le flux tel "
    "que la plate-forme le rend (helios_download_file.php), ou abandonnez-le et déposez l'autre."
)
NO_SIGNATURE = "Le fichier ne porte pas de signature : déposez le flux une fois signé (XAdES, élément ds:Signature)."
REFUSED = [
    (SIGNED.replace(b"</ds:Signature>", b"</ds:Signature><a/>"), NOT_THE_SAME),
    (helios.PES, NO_SIGNATURE),
    (helios.PES.replace(b"</n:", b"\n</n:"), NO_SIGNATURE),
    (SIGNED[:-5], "Le fichier signé ne peut pas être lu comme un flux XML."),
    (b"", "Le fichier présenté est vide (0 octet)"),
    (
        SIGNED.decode("latin-1").replace("ISO-8859-1", "UTF-8").encode("utf-8"),
        "Le fichier signé n'est pas déclaré en ISO-8859-1 : l'outil de signature l'a réécrit. Signez-le sans en "
        "changer l'encodage.",
    ),
]


@pytest.mark.parametrize(("data", "words"), REFUSED)
async def test_what_is_not_the_flow_once_signed(stack: Stack, data: bytes, words: str) -> None:
    flow = await to_sign(stack)
    assert (await sign(stack, flow, data)).body == error(words)
    assert (await status_of(stack, flow))[0] == 13
    assert (await stack.client().get(f"{helios.FILE}?id={flow}&deposited=1")).body == helios.PES
    assert stack.spooled() == []


async def test_who_may_not_sign_and_what_is_known(stack: Stack) -> None:
    flow = await to_sign(stack)
    unknown = error("Numéro de transaction invalide.")
    for asked in ("999999", "x", "0"):
        assert (await sign(stack, asked)).body == unknown
    assert (await sign(stack, flow, account="other")).body == unknown
    client = stack.client()
    assert (await client.get(path(flow, "/signed"))).body == error("Cela se demande par POST.")
    missing = "Aucune enveloppe trouvée : la taille de l'enveloppe dépasse probablement la taille maximum"
    assert (await client.post(path(flow, "/signed"), [("x", "1")])).body == error(missing)
    await helios.deposit(stack, SIGNED, account="other")
    assert (await sign(stack, flow)).body == error("doublon détecté. Ce fichier a déjà été posté.")
    await allow(stack, "RO")
    assert (await sign(stack, flow)).body == error("Accès refusé")
    assert (await status_of(stack, flow))[0] == 13


async def test_what_was_deposited_was_no_flow(stack: Stack) -> None:
    flow = await to_sign(stack, b"ISO-8859-1, mais pas du XML")
    words = (
        "Le flux déposé ne peut pas être lu comme un flux XML : rien ne peut en être signé. "
        "Abandonnez-le et déposez un flux lisible."
    )
    assert (await sign(stack, flow)).body == error(words)


# --------------------------------------------------------------------------------------------------------- given up


@pytest.mark.parametrize("status", [13, 14])
@pytest.mark.parametrize("account", ["certonly", "adm"])
async def test_given_up_by_its_owner_or_the_administrator(stack: Stack, status: int, account: str) -> None:
    flow = await flow_at(stack, status)
    assert told(await stack.client(account).post(path(flow, "/cancel"), [("x", "")])) == {
        "id": flow,
        "status": -1,
        "label": "Erreur",
    }
    number, words = await status_of(stack, flow)
    assert number == -1
    assert words.startswith("Abandonné avant sa télétransmission par ")
    assert (await audited(stack, "api:helios:cancel"))["object_id"] == flow
    problem = (await life(stack, flow))["problem"]
    assert (problem["code"], problem["who"]) == ("PES_ABANDONNE", "la collectivité")
    again = await stack.client(account).post(path(flow, "/cancel"), [("x", "")])
    assert again.body == error(
        f"La transaction {flow} n'attend ni signature, ni télétransmission : elle est à l'état -1 (« Erreur ») "
        "et ne s'abandonne plus."
    )


async def test_who_may_not_give_up(stack: Stack) -> None:
    flow = await flow_at(stack, 14)
    for account in ("agent", "sadm", "gadm", "arch"):
        assert (await stack.client(account).post(path(flow, "/cancel"), [("x", "")])).body == error("Accès refusé")
    answer = await stack.client("other").post(path(flow, "/cancel"), [("x", "")])
    assert answer.body == error("Numéro de transaction invalide.")
    assert (await status_of(stack, flow))[0] == 14
    await move(stack, flow, 2)
    answer = await stack.client().post(path(flow, "/cancel"), [("x", "")])
    assert b"ne s'abandonne plus" in answer.body
    sent_to(
        await stack.client().post("/modules/helios/helios_transac_submit.php", [("id", str(flow))]),
        f"https://tdt.example/modules/helios/helios_transac_show.php?id={flow}",
    )


# ---------------------------------------------------------------------------------------------------------- archived

WORDS = {
    19: "En attente de l'envoi au SAE",
    9: "Envoie de la transaction {} à Pastell",
    10: "La transaction {} a été acceptée par le SAE : \n000 - fait",
    11: "La transaction {} a été refusé par le SAE: \n000 - fait",
    20: "La transaction {} n'a pas pu être envoyée sur Pastell : 000 - fait",
    23: "Documents indisponibles pour la transaction {}  : 000 - fait",
}


async def tell(stack: Stack, flow: object, status: object, account: str = "arch", url: str = "") -> Answer:
    parts: Parts = [("status", str(status)), ("reason", "000 - fait"), ("url", url)]
    return await stack.client(account).post(path(flow, "/archive"), parts)


async def test_every_step_of_an_archiving(stack: Stack) -> None:
    flow = await flow_at(stack, 8)
    await helios.acquit(stack, HeliosId(flow), b"<PES_ACQUIT/>")
    for status in (19, 23, 19, 20, 19, 9, 11, 19, 9, 20, 10):
        assert told(await tell(stack, flow, status))["status"] == status
        assert await status_of(stack, flow) == (status, WORDS[status].format(flow))
    # clients still read each of these, 23 included
    await move(stack, flow, 23)
    assert (
        b"<resultat>OK</resultat><message>essai</message><status>23</status>"
        in (await stack.client().get(f"{helios.STATUS}?transaction={flow}")).body
    )
    assert len(await rows(stack, "select from audit where tag = 'api:helios:archiving'")) == 11


async def test_the_address_of_an_archive(stack: Stack) -> None:
    flow = await flow_at(stack, 9)
    assert (await life(stack, flow))["archive_url"] is None
    told(await tell(stack, flow, 10, url="https://sae.example/1"))
    assert (await life(stack, flow))["archive_url"] == "https://sae.example/1"
    assert (await audited(stack, "api:helios:archive_url"))["data"] == {
        "before": {"archive_url": ""},
        "after": {"archive_url": "https://sae.example/1"},
    }
    answer = await tell(stack, flow, 10, url="x" * 1024)
    assert answer.body == error("L'adresse de l'archive a plus de 1023 caractères.")


async def test_what_an_archivist_may_not_say(stack: Stack) -> None:
    flow = await flow_at(stack, 9)
    assert (await tell(stack, flow, 8)).body == error(
        "Un flux à l'état 9 (« Envoyé au SAE ») ne passe pas à l'état 8 ; états possibles : 10, 11, 20."
    )
    await move(stack, flow, 3)
    words = "Un flux à l'état 3 (« Transmis ») n'est pas à archiver."
    assert (await tell(stack, flow, 19)).body == error(words)
    assert (await tell(stack, 999999, 19)).body == error("Numéro de transaction invalide.")
    await rows(stack, "update helios_transaction set authority_id = $1", stack.authorities["B"])
    assert (await tell(stack, flow, 19)).body == error("Numéro de transaction invalide.")
    for account in ("certonly", "adm", "gadm", "sadm"):
        assert (await tell(stack, flow, 19, account)).body == error("L'utilisateur n'est pas archiviste")


# ---------------------------------------------------------------------------------------------------------- its life


async def test_a_flow_that_was_just_deposited(stack: Stack) -> None:
    flow = await helios.deposit(stack)
    found = await life(stack, flow)
    assert (found["id"], found["label"], found["status"]["code"]) == (flow, "Flux PES", 1)
    assert (found["expected"]["who"], found["problem"]) == ("la plate-forme", None)
    [step] = found["workflow"]
    assert (step["label"], step["message"]) == ("Posté", "Fichier bien reçu par la plate-forme S2low")
    assert step["by"]["name"] == found["deposited"]["account"] != ""
    assert found["deposited"]["authority_id"] == stack.authorities["A"]
    [file] = found["files"]
    assert (file["posted_filename"], file["size"]) == ("PES_é.xml", len(helios.PES))
    assert [(job["kind"], job["state"]) for job in found["pending"]] == [("helios.analyse", "ready")]
    # what only the operator may read
    assert "last_error" not in found["pending"][0]
    assert {"first_copy", "alerts"}.isdisjoint(found)
    await rows(stack, "update helios_transaction set status = 13 where id = $1", flow)
    waits = (await life(stack, flow))["expected"]
    assert datetime.fromisoformat(waits["alert_at"]) - datetime.fromisoformat(waits["since"]) == timedelta(days=30)
    assert (found["attempts"], found["received"], found["archive_url"]) == ([], [], None)


async def test_one_in_error_is_explained(stack: Stack) -> None:
    flow = await flow_at(stack, 1)
    words = f"Transaction {flow} : ce fichier n'est pas encodé en ISO-8859-1"
    await rows(stack, "update helios_transaction set status = -1 where id = $1", flow)
    await rows(
        stack,
        """insert into helios_workflow (authority_id, transaction_id, status, message)
        select authority_id, id, -1, $2 from helios_transaction where id = $1""",
        flow,
        words,
    )
    problem = (await life(stack, flow))["problem"]
    assert (problem["code"], problem["message"], problem["who"]) == ("PES_ENCODAGE", words, "la collectivité")
    assert problem["cause"] != ""
    assert problem["remedy"] != ""


async def test_who_sees_the_life_of_a_flow(stack: Stack) -> None:
    flow = await helios.deposit(stack)
    for account in ("agent", "adm", "arch", "sadm"):
        assert (await life(stack, flow, account))["id"] == flow
    unknown = error("Numéro de transaction invalide.")
    for asked in (str(flow), "999999", "x"):
        assert (await stack.client("other").get(path(asked))).body == unknown
    await allow(stack, "NONE")
    assert (await stack.client().get(path(flow))).body == error("Accès refusé")
