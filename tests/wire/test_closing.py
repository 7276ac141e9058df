"""A closed collectivité over the wire: what it may not do any more, in each shape; what stays readable."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tdt.db.accounts import find_accounts
from tdt.domain.audit import Actor, Source
from tdt.domain.authorities import Principal
from tdt.domain.calendar import paris_date
from tdt.domain.closing import CLOSED, CLOSED_CODE
from tdt.domain.content import hold
from tdt.domain.errors import Refused
from tdt.domain.identity import Identity
from tdt.domain.text import to_ascii_xml
from tdt.flows import actes_submit, closing, helios_submit
from tdt.web.routes import ROUTES
from tests.wire import test_actes_api as actes
from tests.wire import test_helios_api as helios
from tests.wire.administration import error, rows, told
from tests.wire.client import File, Parts
from tests.wire.stack import Stack

ready = actes.ready
OPERATOR = Actor(Source.CLI, None, "essai")
REQUEST = "/modules/actes/actes_classification_request.php"
REPLY = b"KO\n" + CLOSED.replace("'", "&#039;").encode("latin-1") + b"\n"
ADD_SERVICE = "/admin/services/add-service-user.php"
EDIT_USER = "/admin/users/admin_user_edit_handler.php"
EDIT_AUTHORITY = "/admin/authorities/admin_authority_edit_handler.php"


def today(stack: Stack) -> date:
    return paris_date(stack.deps.now())


async def close(stack: Stack, days: int = 0) -> None:
    await closing.close(stack.deps, OPERATOR, stack.authorities["A"], today(stack) + timedelta(days=days))


async def test_every_deposit_is_refused_and_every_read_stays(ready: Stack) -> None:
    stack = ready
    acte = await actes.create(stack, actes.form("AVANT"))
    pes = await helios.deposit(stack)
    await close(stack)
    client, spooled = stack.client(), stack.spooled()

    answer = await client.post(actes.CREATE, actes.form("APRES"))
    assert (answer.status, answer.body) == (200, REPLY)
    assert (await client.get(f"{REQUEST}?api=1")).body == REPLY
    answer = await client.get(REQUEST)
    assert (answer.status, answer.headers["location"]) == (302, "https://tdt.example/modules/actes/")
    parts: Parts = [("enveloppe", File("b.xml", helios.PES + b" "))]
    answer = await client.post(helios.IMPORT, parts)
    assert answer.body == helios.imported("<id/>", "KO", to_ascii_xml(CLOSED).decode("ascii"))
    assert stack.spooled() == spooled
    assert len(await rows(stack, "select from acte_transaction")) == 1
    assert len(await rows(stack, "select from helios_transaction")) == 1

    assert (await client.get(f"{actes.STATUS}?transaction={acte}")).body == b"OK\n1\n"
    assert (await client.get(f"{helios.STATUS}?transaction={pes}")).body.count(b"<resultat>OK</resultat>") == 1
    assert (await client.get(f"{helios.FILE}?id={pes}")).body == helios.PES
    assert (await client.get(actes.FETCH)).body == actes.CLASSIFICATION + b"\r\n"
    (file,) = await rows(stack, "select id from acte_file where transaction_id = $1 and position = 1", acte)
    assert (await client.get(f"{actes.DOWNLOAD}?file={file['id']}")).body == actes.PDF
    assert b"OK" in (await client.get("/api/test-connexion.php")).body
    assert (await stack.client("other").get(f"{REQUEST}?api=1")).body.startswith(b"OK\n")

    await closing.reopen(stack.deps, OPERATOR, stack.authorities["A"])
    await actes.create(stack, actes.form("APRES"))
    assert (await client.post(helios.IMPORT, parts)).body.count(b"<resultat>OK</resultat>") == 1


async def test_its_administrator_only_reads_those_above_still_administer(stack: Stack) -> None:
    town = stack.authorities["A"]
    await close(stack)
    for path in (ADD_SERVICE, EDIT_USER, EDIT_AUTHORITY):
        refusal = await stack.client("adm").post(path, [("api", "1"), ("id", str(town)), ("name", "Budget")])
        assert refusal.body == error(CLOSED), path
    answer = await stack.client("adm").get(f"/admin/services/list-service.php?authority_id={town}")
    assert b"Budget" not in answer.body
    assert len(json.loads(answer.body)) == 1
    # the certificate of whoever reads must be renewable as long as there is something to read
    for account in ("gadm", "sadm"):
        parts: Parts = [("api", "1"), ("authority_id", str(town)), ("name", f"Service de {account}")]
        assert told(await stack.client(account).post(ADD_SERVICE, parts))["status"] == "ok"


async def test_it_closes_by_itself_at_midnight_in_paris(ready: Stack) -> None:
    await close(ready, days=1)
    await actes.create(ready, actes.form("LA_VEILLE"))
    await close(ready, days=0)
    assert (await ready.client().post(actes.CREATE, actes.form("LE_JOUR"))).body == REPLY


async def test_a_deposit_that_passed_the_door_before_midnight_is_judged_by_its_day(ready: Stack) -> None:
    """The door saw the collectivité open; the transaction of the deposit finds it closed."""
    deps = ready.deps
    async with deps.transaction("system") as connection:
        (account,) = await rows(ready, "select certificate_hash from account where email like 'certonly@%'")
        ((user, authority, _),) = await find_accounts(connection, account["certificate_hash"])
    who = Principal(user, authority, Identity("", b"", "", "", deps.now(), transmit=True))
    await close(ready, days=1)
    tomorrow = replace(deps, now=lambda: stack_now + timedelta(days=1))
    stack_now = deps.now()
    calls: list[Any] = [
        actes_submit.request_classification(tomorrow, who),
        helios_submit.submit(tomorrow, who, "a.xml", hold(helios.PES), False),
    ]
    for call in calls:
        with pytest.raises(Refused) as refusal:
            await call
        assert refusal.value.code == CLOSED_CODE
    assert await rows(ready, "select from acte_transaction union all select from helios_transaction") == []
    assert await actes_submit.request_classification(deps, who)


async def test_what_waited_to_be_confirmed_is_refused_what_left_is_not(ready: Stack) -> None:
    waiting = await actes.create(ready, actes.form("ATTENTE", en_attente="1"))
    going = await actes.create(ready, actes.form("DEPART"))
    parts: Parts = [("enveloppe", File("s.xml", helios.PES)), ("must_signed", "1")]
    await ready.client().post(helios.IMPORT, parts)
    await close(ready, days=1)
    assert await closing.refuse_drafts(ready.deps) == 0
    await close(ready)
    assert await closing.refuse_drafts(ready.deps) == 2
    assert await closing.refuse_drafts(ready.deps) == 0
    words = f"Refusé : la collectivité a fermé le {today(ready):%d/%m/%Y}, avant que ce dépôt soit confirmé."
    answer = await ready.client().get(f"{actes.STATUS}?transaction={waiting}")
    assert answer.body == b"OK\n-1\n" + words.encode("latin-1")
    assert (await ready.client().get(f"{actes.STATUS}?transaction={going}")).body == b"OK\n1\n"
    (flow,) = await rows(ready, "select status from helios_transaction")
    assert flow["status"] == -1
    events = await rows(ready, "select from_status from event where to_status = -1 order by from_status")
    assert [row["from_status"] for row in events] == [13, 17]


READS = {
    "/api/v1/actes/{acte}",
    "/api/v1/helios/{pes}/verdict",
    "/api/v1/helios/{pes}",
    "/api/v1/helios/retours/{retour}",
    "/api/v1/authorities/{authority}/onboarding",
    "/api/v1/balances",
    "/api/v1/balances/{balance}",
    "/api/v1/me/notifications",  # a POST is refused by its handler
    "/api/test-connexion.php",
    "/api/test-rgs.php",
    "/api/info-connexion.php",
    "/admin/users/api-list-login.php",
    "/modules/actes/actes_classification_fetch.php",
    "/modules/actes/actes_transac_get_status.php",
    "/modules/actes/actes_transac_get_files_list.php",
    "/modules/actes/actes_download_file.php",
    "/modules/actes/actes_get_signature.php",
    "/modules/actes/actes_transac_get_tampon.php",
    "/modules/actes/actes_create_pdf.php",
    "/modules/actes/actes_transac_get_ARActe.php",
    "/modules/actes/actes_transac_get_document.php",
    "/modules/actes/api/list_document_prefecture.php",
    "/modules/actes/api/document_prefecture_mark_as_read.php",
    "/modules/actes/api/number_actes.php",
    "/modules/actes/api/list_actes.php",
    "/modules/actes/api/nb_actes_by_authorities_and_date.php",
    "/modules/actes/actes_export.php",
    "/modules/actes/actes_export_handler.php",
    "/modules/actes/api/actes_status.php",
    "/modules/helios/api/helios_transac_get_status.php",
    "/modules/helios/helios_download_acquit.php",
    "/modules/helios/helios_download_file.php",
    "/modules/helios/api/helios_get_list.php",
    "/modules/helios/api/helios_get_retour.php",
    "/modules/helios/helios_download_response.php",
    "/modules/helios/api/helios_change_status.php",
    "/modules/helios/helios_change_status_retour.php",
    "/helios-retour/update/status",
    "/modules/helios/api/list_pes_aller.php",
    "/modules/helios/api/nb_pes_aller_by_authorities_and_date.php",
    "/admin/users/admin_user_detail.php",
    "/admin/users/admin_users.php",
    "/admin/users/admin_users_role.php",
    "/admin/users/admin_user_download_cert.php",
    "/admin/services/list-service.php",
    "/admin/modules/admin_modules.php",
    "/admin/authorities/admin_authority_detail.php",
    "/admin/authorities/admin_authorities.php",
    "/admin/authorities/admin_authority_types.php",
    "/admin/authorities/admin_authorities_export.php",
    "/admin/authorities/admin_authority_download_convention.php",
    "/admin/authorities/admin_authorities_siren.php",
    "/admin/authorities/admin_authority_siret.php",
    "/admin/groups/admin_groups.php",
    "/api/get-nounce.php",
    "/connexion-status",
    "/login.php",
}
"""What a closed collectivité may still ask: endpoints that change nothing of what it has."""


def test_an_endpoint_only_reads_or_is_refused_to_a_closed_collectivite() -> None:
    """Whoever adds an endpoint says which it is: `changes=True`, or a line above."""
    assert [route.path for route in ROUTES if route.changes is (route.path in READS)] == []
