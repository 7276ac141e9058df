"""Archiving over the wire: what the archivist's software tells, the address of an archive, a status corrected."""

import json

import pytest

from tests.wire import test_actes_api as actes
from tests.wire.administration import audited, rows
from tests.wire.client import Answer, Parts
from tests.wire.stack import Stack
from tests.wire.test_actes_close import acte_at, by_hand, reply, status

ready = actes.ready
SAE = "/modules/actes/api/actes_sae_status.php"
URL = "/modules/actes/actes_transac_set_archive_url.php"
CORRECT = "/modules/actes/actes_transac_change_status_sae.php"


async def tell(stack: Stack, acte: object, target: object, account: str = "arch") -> Answer:
    parts: Parts = [("transaction_id", str(acte)), ("status_id", str(target))]
    return await stack.client(account).post(SAE, parts)


async def post_json(stack: Stack, body: bytes) -> Answer:
    client = stack.client("arch")
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return await client.send(client.head("POST", SAE, headers) + body)


def told(answer: Answer, code: int = 400) -> str:
    assert (answer.status, answer.headers["content-type"]) == (code, "application/json")
    words: str = json.loads(answer.body)["error"]
    return words


@pytest.mark.parametrize("origin", [4, 5, 12])
@pytest.mark.parametrize("target", [12, 13, 14, 19, 20])
async def test_the_moves_of_s2low(ready: Stack, origin: int, target: int) -> None:
    acte = await acte_at(ready, origin)
    answer = await tell(ready, acte, target)
    if origin == target:
        assert told(answer) == "Transition entre deux status identiques (12) impossible"
        return
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
    assert answer.headers["content-type"] == "application/json"
    assert await status(ready, acte) == target
    (last,) = await rows(
        ready, "select message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte
    )
    assert last["message"] == "Modification par l'API manage_actes_sae_status"
    assert (await audited(ready, "api:acte:sae_status"))["data"]["after"] == {"status": target}


@pytest.mark.parametrize(
    ("origin", "target", "words"),
    [
        (3, 12, "Transition depuis le statut 3 impossible"),
        (-1, 12, "Transition depuis le statut -1 impossible"),
        (13, 19, "Transition depuis le statut 13 impossible"),
        (4, 5, "Transition vers le statut 5 impossible"),
        (4, 99, "Transition vers le statut 99 impossible"),
        (20, 12, "Transition vers le statut 12 impossible"),
        (19, 12, ""),
        (14, 19, ""),
        (20, 19, ""),
    ],
)
async def test_the_other_moves(ready: Stack, origin: int, target: int, words: str) -> None:
    acte = await acte_at(ready, origin)
    answer = await tell(ready, acte, target)
    assert (told(answer) == words) if words else (answer.body == b'{"status":"ok"}')
    assert await status(ready, acte) == (origin if words else target)


async def test_json_a_form_or_the_url(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    assert (await post_json(ready, b'{"transaction_id": %d, "status_id": 12}' % acte)).body == b'{"status":"ok"}'
    answer = await ready.client("arch").get(f"{SAE}?transaction_id={acte}&status_id=13")
    assert answer.body == b'{"status":"ok"}'
    assert await status(ready, acte) == 13
    bodies = (b"", b"[1]", b"{", b'{"transaction_id": true, "status_id": 12}', b'{"status_id": 12}', b"[" * 70_000)
    for body in bodies:
        assert "illisible" in told(await post_json(ready, body), 422)
    assert "illisible" in told(await tell(ready, "12abc", 12), 422)


async def test_only_an_archivist_and_only_its_own(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    answer = await tell(ready, acte, 12, "adm")
    assert answer.body == b'{"error":"L\\u0027utilisateur ne poss\\u00e8de pas le droit archiviste"}'
    for account in ("certonly", "sadm", "gadm"):
        assert told(await tell(ready, acte, 12, account)) == "L'utilisateur ne possède pas le droit archiviste"
    assert told(await tell(ready, 999999, 12)) == "Transaction 999999 non existante"
    await actes.fetchval(
        ready,
        "update account set authority_id = $1 where role = 'ARCH' returning id",
        ready.authorities["B"],
    )
    assert told(await tell(ready, acte, 12)) == f"Transaction {acte} non existante"
    await actes.fetchval(ready, "update account set status = 0 where role = 'ARCH' returning id")
    assert told(await tell(ready, acte, 12)) == "Échec de l'authentification"
    assert await status(ready, acte) == 4


async def test_where_an_act_is_archived(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    words = f"Définition de l'URL d'archivage pour la transaction n°{acte}. Résultat ok."
    assert await by_hand(ready, URL, "certonly", id=acte, url="https://sae.example/1") == reply(True, words)
    assert await by_hand(ready, URL, "adm", id=acte, url="https://sae.example/2") == reply(True, words)
    (row,) = await rows(ready, "select archive_url from acte_transaction where id = $1", acte)
    assert row["archive_url"] == "https://sae.example/2"
    life = json.loads((await ready.client().get(f"/api/v1/actes/{acte}")).body)
    assert life["archive_url"] == "https://sae.example/2"
    assert len(await rows(ready, "select from audit where tag = 'api:acte:archive_url'")) == 2
    missing = "Pas d'identifiant de transaction spécifié ou type invalide."
    assert await by_hand(ready, URL, "certonly", id="x", url="a") == reply(False, missing)
    unknown = "Erreur d'initialisation de la transaction."
    assert await by_hand(ready, URL, "certonly", id=999999, url="a") == reply(False, unknown)
    assert await by_hand(ready, URL, "other", id=acte, url="a") == reply(False, unknown)
    assert await by_hand(ready, URL, "agent", id=acte, url="a") == reply(False, "Accès refusé.")
    assert await by_hand(ready, URL, "certonly", id=acte) == reply(False, "Pas d'url spécifiée pour l'archivage.")
    long = await by_hand(ready, URL, "certonly", id=acte, url="a" * 1024)
    assert long == reply(
        False,
        "Erreur lors de l'enregistrement de la transaction :\n"
        "Le champ URL d'accès à l'archive est trop long (1023 caractères maxi autorisés).\n",
    )
    answer = await ready.client().post(URL, [("id", str(acte)), ("url", "b")])
    assert answer.headers["location"].endswith(f"actes_transac_show.php?id={acte}")


async def test_a_super_administrator_corrects_an_archiving(ready: Stack) -> None:
    allowed = {19: {20, 13}, 20: {19, 13}, 12: {19, 13, 20}, 14: {19, 13, 12}}
    acte = await acte_at(ready, 4)
    for origin in (4, 5, 13, *allowed):
        for target in (4, 5, 12, 13, 14, 19, 20, 99):
            await actes.fetchval(
                ready, "update acte_transaction set status = $2 where id = $1 returning id", acte, origin
            )
            good = target in allowed.get(origin, set())
            words = (
                "Le status de la transaction a été modifiée"
                if good
                else ("Impossible de changer le status de la transaction")
            )
            assert await by_hand(ready, CORRECT, transaction_id=acte, status_id=target) == reply(good, words)
            assert await status(ready, acte) == (target if good else origin)
    assert await by_hand(ready, CORRECT, transaction_id=999999, status_id=19) == reply(
        False, "Cette transaction n'existe pas"
    )
    assert await by_hand(ready, CORRECT, "adm", transaction_id=acte, status_id=19) == reply(False, "Accès refusé")
