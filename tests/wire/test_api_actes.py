"""The life of a transaction in JSON: what an agent needs to understand, for whoever may see it."""

import hashlib
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tdt.config import Actes
from tdt.db.acte_reports import Report, insert_report
from tdt.domain.ids import ActeId
from tdt.flows import actes_send
from tests.wire import test_actes_api as actes
from tests.wire.administration import error
from tests.wire.stack import Stack, changed

ready = actes.ready


def path(acte: object) -> str:
    return f"/api/v1/actes/{acte}"


async def life(stack: Stack, acte: object, account: str = "certonly") -> dict[str, Any]:
    answer = await stack.client(account).get(path(acte))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    assert answer.body.isascii()
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_an_act_that_was_just_deposited(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    found = await life(ready, acte)
    assert (found["id"], found["message"], found["label"]) == (acte, "1-1", "Transmission d'un acte")
    assert (found["number"], found["classif"], found["decision_date"]) == ("ACTE_1", "1.1", "2020-01-31")
    assert found["nature"] == {"code": 1, "label": "Délibérations"}
    assert found["status"]["code"] == 1
    awaited = found["expected"]
    assert (awaited["who"], awaited["what"]) == ("la plate-forme", "vérifier les fichiers")
    assert found["status"]["since"] == awaited["since"] < awaited["alert_at"]
    assert found["problem"] is None
    [step] = found["workflow"]
    assert (step["label"], step["message"], step["by"]["kind"]) == ("Posté", "Dépôt initial", "account")
    assert step["by"]["name"] == found["deposited"]["account"] != ""
    assert [(file["role"], file["position"]) for file in found["files"]] == [
        ("message", 0),
        ("acte", 1),
        ("annexe", 2),
        ("annexe", 3),
    ]
    act = found["files"][1]
    assert (act["sha256"], act["size"]) == (hashlib.sha256(actes.PDF).hexdigest(), len(actes.PDF))
    assert (act["posted_filename"], act["code_pj"], act["mimetype"]) == ("délib.pdf", "99_DE", "application/pdf")
    given = await ready.client().get(act["download"])
    assert given.body == actes.PDF
    assert found["envelope"]["download"] is None
    assert [(job["kind"], job["state"]) for job in found["pending"]] == [("actes.analyse", "ready")]
    assert "last_error" not in found["pending"][0]
    assert (found["attempts"], found["deadlines"], found["related"]) == ([], [], [])


async def test_one_that_was_packaged_and_acknowledged(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    envelope = (await life(ready, acte))["envelope"]["id"]
    config = changed(ready.deps.config, actes=Actes(return_addresses=["retours@tdt.test"]))
    await actes_send.package(replace(ready.deps, config=config), envelope)
    found = await life(ready, acte)
    assert found["status"]["code"] == 2, found["workflow"]
    assert [step["by"]["kind"] for step in found["workflow"]] == ["account", "tdt"]
    assert [job["kind"] for job in found["pending"] if job["state"] == "ready"].count("actes.transmit") == 1
    archive = await ready.client().get(found["envelope"]["download"])
    assert hashlib.sha256(archive.body).hexdigest() == found["envelope"]["sha256"]
    assert len(archive.body) == found["envelope"]["size"]
    await actes.fetchval(
        ready,
        "insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, outcome, detail)"
        " select authority_id, route_id, 'acte_envelope', id, archive_name, '\\x00', 1, 'accepted', 'HTTP 200'"
        " from acte_envelope where id = $1 returning id",
        envelope,
    )
    await actes.fetchval(
        ready, "update acte_transaction set received_on = '2020-02-03' where id = $1 returning id", acte
    )
    await actes.move(ready, acte, 4, b"<AR/>", "Reçu par le MI le 2020-02-03")
    found = await life(ready, acte)
    assert [(one["outcome"], one["detail"]) for one in found["attempts"]] == [("accepted", "HTTP 200")]
    last = found["workflow"][-1]
    assert (last["by"], last["state_bytes"], found["received_on"]) == ({"kind": "state"}, 5, "2020-02-03")
    [deadline] = found["deadlines"]
    assert (deadline["kind"], deadline["on"], deadline["since"]) == ("defere", "2020-04-06", "2020-02-03")
    assert found["expected"] is None


async def test_an_act_in_error_says_why_who_and_how(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    words = "Anomalie signalee par le MI : 002 - ODT-VERIF-01 : Votre acte a été transmis avec une date de classif…"
    await actes.move(ready, acte, -1, b"<Anomalie/>", words)
    found = await life(ready, acte)
    assert found["problem"] == {
        "code": "ODT_VERIF_01",
        "message": words,
        "cause": "La classification des matières utilisée n'est plus à jour.",
        "who": "la collectivité",
        "remedy": "attendre la nouvelle classification, demandée à la préfecture, puis renvoyer l'acte : il part avec "
        "elle, sous le même numéro",
    }
    assert found["expected"] is None


async def test_reports_and_work_set_aside(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    async with ready.deps.transaction("system") as connection:
        report = Report(1, "budget", "passed", {"exercice": "2026"})
        await insert_report(connection, ready.authorities["A"], acte, report)
        await connection.execute(
            "update job set state = 'dead', last_error = 'ECHEC : disque' where object_id = $1", acte
        )
    found = await life(ready, acte)
    [shown] = [one for one in found["reports"] if one["aspect"] == "budget"]
    assert (shown["position"], shown["verdict"], shown["data"]) == (1, "passed", {"exercice": "2026"})
    assert found["expected"]["who"] == "l'exploitant de la plate-forme"
    assert "disque" not in json.dumps(found)


async def test_when_it_is_forecast_to_leave(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    at_once = (await life(ready, acte))["departure"]
    assert at_once["reason"] == ""
    assert abs(datetime.fromisoformat(at_once["at"]) - ready.deps.now()) < timedelta(minutes=1)
    await actes.fetchval(
        ready,
        "insert into route_window (route_id, bytes_per_hour, starts_at, reason)"
        " select route_id, 0, now() - interval '1 hour', 'maintenance' from acte_envelope limit 1 returning id",
    )
    closed = "Le ministère ne prend rien en ce moment (maintenance) : l'envoi attend."
    assert (await life(ready, acte))["departure"] == {"at": None, "reason": closed}
    await actes.move(ready, acte, 4, b"<AR/>")
    assert (await life(ready, acte))["departure"] is None


async def test_the_day_on_which_silence_ends_it(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    await actes.move(ready, acte, 3, None, "Transmis au MI")
    [deadline] = (await life(ready, acte))["deadlines"]
    assert (deadline["kind"], deadline["letter"]) == ("fermeture", None)
    assert date.fromisoformat(deadline["on"]) - date.fromisoformat(deadline["since"]) == timedelta(days=30)


async def test_letters_and_their_answers_restart_the_delay(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    await actes.fetchval(
        ready, "update acte_transaction set received_on = '2020-02-03' where id = $1 returning id", acte
    )
    await actes.move(ready, acte, 4, b"<AR/>")
    letter = await hang(ready, acte, acte, "3, null, 8, '2020-02-10T09:00Z', null")
    asked = await life(ready, letter)
    assert [(one["kind"], one["on"], one["letter"]) for one in asked["deadlines"]] == [
        ("reponse", "2020-04-10", letter)
    ]
    assert asked["expected"] | {"since": None} == {
        "since": None,
        "alert_at": None,
        "who": "la collectivité",
        "what": "répondre à la préfecture avant le 10/04/2020 inclus",
    }
    answer = await hang(ready, letter, acte, "3, 4, 4, '2020-02-20T09:00Z', '2020-02-21'")
    found = await life(ready, acte)
    assert [(one["id"], one["message"], one["label"], one["about"]) for one in found["related"]] == [
        (letter, "3-1", "Demande de pièces complémentaires", acte),
        (answer, "3-4", "Envoi des pièces demandées", letter),
    ]
    [deadline] = found["deadlines"]
    assert (deadline["since"], "demande de pièces" in deadline["reason"]) == ("2020-02-21", True)
    seen = await life(ready, letter)
    assert (seen["about"]["id"], seen["about"]["message"]) == (acte, "1-1")
    assert [one["id"] for one in seen["related"]] == [answer]
    assert (seen["deadlines"], seen["expected"]) == ([], None)


async def test_nobody_waits_for_an_answer_to_an_answer_to_a_courrier_simple(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    letter = await hang(ready, acte, acte, "2, null, 21, '2020-02-10T09:00Z', null")
    answer = await hang(ready, letter, acte, "2, 2, 3, '2020-02-20T09:00Z', null")
    await actes.move(ready, ActeId(int(str(answer))), 3, None, "Transmis au MI")
    for one in (letter, answer):
        found = await life(ready, one)
        assert (found["expected"], found["deadlines"]) == (None, [])


async def test_a_letter_waits_for_its_collectivite_until_an_answer_is_on_its_way(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    letter = await hang(ready, acte, acte, "4, null, 8, '2020-02-10T09:00Z', null")
    refused = await hang(ready, letter, acte, "4, 4, -1, '2020-02-20T09:00Z', null")
    assert (await life(ready, letter))["expected"]["who"] == "la collectivité"
    await actes.fetchval(ready, "update acte_transaction set status = 3 where id = $1 returning id", refused)
    assert (await life(ready, letter))["expected"] is None
    await actes.fetchval(ready, "update acte_transaction set status = -1 where id = $1 returning id", refused)
    await actes.fetchval(ready, "update acte_transaction set status = 0 where id = $1 returning id", acte)
    assert (await life(ready, letter))["deadlines"] == []


async def hang(stack: Stack, about: object, acte: object, values: str) -> object:
    """A transaction about another: type, answer, status, when it came, day of its AR."""
    return await actes.fetchval(
        stack,
        "insert into acte_transaction (authority_id, account_id, envelope_id, related_id, type, type_reponse, status,"
        f" submitted_at, received_on) select authority_id, account_id, envelope_id, $1, {values} from acte_transaction"
        " where id = $2 returning id",
        about,
        acte,
    )


async def test_a_request_for_the_classification_has_a_life_too(stack: Stack) -> None:
    answer = await stack.client().get("/modules/actes/actes_classification_request.php?api=1")
    found = await life(stack, int(answer.body.split(b"\n")[1]))
    assert (found["message"], found["label"], found["nature"]) == ("7-1", "Demande de classification", None)


async def test_who_sees_it(ready: Stack) -> None:
    acte = await actes.create(ready, actes.form())
    for account in ("adm", "arch", "agent", "sadm"):
        assert (await life(ready, acte, account))["id"] == acte
    await actes.fetchval(ready, "with gone as (delete from service_member returning 1) select count(*) from gone")
    refused = await ready.client("agent").get(path(acte))
    assert refused.body == error("Accès refusé")


@pytest.mark.parametrize("number", ["999999999", "0", "-1", "x", "1.5", "9" * 30, "%00", "%C3%A9"])
async def test_a_number_of_nothing_and_one_of_another_are_the_same(ready: Stack, number: str) -> None:
    acte = await actes.create(ready, actes.form())
    unknown = await ready.client("other").get(path(number))
    foreign = await ready.client("other").get(path(acte))
    assert unknown.body == foreign.body == error("Numéro de transaction invalide.")
