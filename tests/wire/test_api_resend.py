"""Sending an act again that the ministry refused: our own JSON endpoint, and the command."""

import asyncio
import json
from pathlib import Path

from tests.commands import open_terminal
from tests.unit.actes.mails import xml
from tests.wire import test_actes_api as actes
from tests.wire.administration import error
from tests.wire.stack import Stack

ready = actes.ready
ANOMALY = xml("AnomalieActe", "", "<actes:Nature>007</actes:Nature><actes:Detail>Pièce</actes:Detail>")


def path(acte: object) -> str:
    return f"/api/v1/actes/{acte}/resend"


async def refused_act(stack: Stack) -> int:
    acte = await actes.create(stack, actes.form())
    await actes.move(stack, acte, -1, ANOMALY, "Anomalie signalee par le MI : 007 - Pièce")
    return acte


async def test_an_act_is_sent_again_once(ready: Stack) -> None:
    acte = await refused_act(ready)
    answer = await ready.client().post(path(acte), [])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    made = json.loads(answer.body)
    assert made == {"id": made["id"], "resend_of": acte, "classification_date": "2019-03-01"}
    assert (await ready.client().get(f"{actes.STATUS}?transaction={made['id']}")).body == b"OK\n1\n"
    first = await ready.client().get(f"{actes.STATUS}?transaction={acte}")
    assert first.body.startswith(b"OK\n-1\n" + ANOMALY), "what was answered to the first one is still told"
    again = await ready.client().post(path(acte), [])
    assert again.body == error(f"Cet acte a déjà été renvoyé : c'est la transaction {made['id']}.")
    life = json.loads((await ready.client().get(f"/api/v1/actes/{acte}")).body)
    assert [one["id"] for one in life["related"]] == [made["id"]]


async def test_only_by_post_and_only_one_in_error(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    assert (await ready.client().get(path(acte))).body == error("Un renvoi se demande par POST.")
    words = "Seul un acte en erreur peut être renvoyé : cette transaction est à l'état 1."
    assert (await ready.client().post(path(acte), [])).body == error(words)


async def test_who_may(ready: Stack) -> None:
    acte = await refused_act(ready)
    await actes.fetchval(ready, "with gone as (delete from service_member returning 1) select count(*) from gone")
    for account in ("agent", "sadm"):
        assert (await ready.client(account).post(path(acte), [])).body == error("Accès refusé")
    for number in (acte, 999_999_999, "x", "9" * 30):
        answer = await ready.client("other").post(path(number), [])
        assert answer.body == error("Numéro de transaction invalide.")
    assert json.loads((await ready.client("adm").post(path(acte), [])).body)["resend_of"] == acte


async def test_the_operator_sends_it_again_and_sees_the_classifications(ready: Stack, tmp_path: Path) -> None:
    acte = await refused_act(ready)
    terminal = open_terminal(ready.database, tmp_path)
    told = await asyncio.to_thread(terminal.run, "admin", "actes", "resend", acte)
    assert "avec la classification du 01/03/2019" in told
    assert "déjà été renvoyé" in await asyncio.to_thread(lambda: terminal.run("admin", "actes", "resend", acte, code=1))
    mine = await actes.fetchval(ready, "select account_id from acte_transaction where resend_of = $1", acte)
    assert mine == await actes.fetchval(ready, "select account_id from acte_transaction where id = $1", acte)
    town = ready.authorities["A"]
    [kept] = await asyncio.to_thread(terminal.rows, "admin", "actes", "classifications", town)
    assert (kept["date"], kept["in_force"], kept["unusable"]) == ("2019-03-01", True, None)
    assert "2019-03-01" in await asyncio.to_thread(terminal.run, "admin", "actes", "classifications", town)
