"""The confirmation of actes that wait (17 → 1): redirections to the byte, rights, nonces, one job whatever happens."""

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from tdt.config import Config
from tdt.domain.ids import ActeId
from tdt.sandbox.pki import Pki
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire.administration import audited, rows
from tests.wire.client import Answer, Parts
from tests.wire.stack import Stack, changed, run_stack
from tests.wire.test_authentication import nonce_of, opening, proof

ready = actes.ready
CONFIRM = "/modules/actes/actes_transac_post_confirm_api.php"
MULTI = "/modules/actes/actes_transac_post_confirm_api_multi.php"
FORM = "/modules/actes/actes_transac_post_confirm.php"
RETURN = "https://pastell.example/Retour.php?id_d=é 1&error=%%ERROR%%&message=%%MESSAGE%%"
BACK = "https://pastell.example/Retour.php?id_d=%C3%A9%201&error={}&message={}"
NOT_WAITING = quote("La transaction n'est pas dans le statut « En attente d'être posté»", safe="")


async def waiting(stack: Stack, number: str = "ATTENTE", account: str = "certonly") -> ActeId:
    return await actes.create(stack, actes.form(number, en_attente="1"), account=account)


async def confirm(stack: Stack, acte: object, account: str = "certonly", more: str = "", url: str = RETURN) -> str:
    """Where the browser is sent."""
    answer = await stack.client(account).get(f"{CONFIRM}?id={acte}&url_return={quote(url, safe='')}{more}")
    return location(answer)


def location(answer: Answer) -> str:
    assert (answer.status, answer.body) == (302, b"")
    return answer.headers["location"]


async def status(stack: Stack, acte: ActeId) -> int:
    (row,) = await rows(stack, "select status from acte_transaction where id = $1", acte)
    number: int = row["status"]
    return number


async def jobs(stack: Stack) -> list[int]:
    found = await rows(stack, "select object_id from job where kind = 'actes.analyse' order by object_id")
    return [row["object_id"] for row in found]


async def apart(stack: Stack) -> None:
    """Nobody is anybody's colleague."""
    assert await actes.fetchval(
        stack, "with gone as (delete from service_member returning 1) select count(*) from gone"
    )


async def test_the_agent_posts_the_acte_and_goes_back(ready: Stack) -> None:
    acte = await waiting(ready)
    assert await jobs(ready) == []
    assert await confirm(ready, acte, "adm") == BACK.format("0", "")
    assert (await status(ready, acte), await jobs(ready)) == (1, [acte])
    (last,) = await rows(
        ready, "select status, message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte
    )
    words = "La transaction a été postée par l'agent télétransmetteur Dominique Administrateur"
    assert (last["status"], last["message"]) == (1, words)
    told = await audited(ready, "api:acte:confirm")
    assert (told["authority_id"], told["object_id"]) == (ready.authorities["A"], acte)
    (agent,) = await rows(ready, "select id from account where role = 'ADM'")
    assert told["account_id"] == agent["id"]
    assert len(told["data"]["certificate"]) == 64
    assert told["data"]["chain"]
    # once is enough: a page that is loaded again finds the acte posted
    assert await confirm(ready, acte, "adm") == BACK.format("1", NOT_WAITING)
    assert await jobs(ready) == [acte]


async def test_of_many_confirmations_at_once_one_comes_through(ready: Stack) -> None:
    acte = await waiting(ready)
    found = await asyncio.gather(*(confirm(ready, acte) for _ in range(6)))
    assert sorted(found) == [BACK.format("0", ""), *[BACK.format("1", NOT_WAITING)] * 5]
    assert await jobs(ready) == [acte]
    assert len(await rows(ready, "select from audit where tag = 'api:acte:confirm'")) == 1


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ("agent", "Accès refusé"),
        ("other", "Erreur d'initialisation de la transaction."),
        ("gadm", "Accès refusé"),
    ],
)
async def test_whoever_may_not_see_it_may_not_post_it(ready: Stack, account: str, message: str) -> None:
    acte = await waiting(ready)
    await apart(ready)
    unknown = quote("Erreur d'initialisation de la transaction.", safe="")
    assert await confirm(ready, acte, account) == BACK.format("1", quote(message, safe=""))
    assert await status(ready, acte) == 17
    assert await confirm(ready, "999999", account) == BACK.format("1", unknown)
    nothing = quote("Pas d'identifiant de transaction spécifié", safe="")
    assert await confirm(ready, "", account) == BACK.format("1", nothing)


@pytest.mark.parametrize("account", ["agent", "sadm"])
async def test_a_colleague_or_a_super_administrator_posts_it(ready: Stack, account: str) -> None:
    acte = await waiting(ready)
    assert await confirm(ready, acte, account) == BACK.format("0", "")
    assert await status(ready, acte) == 1


async def test_a_browser_that_brings_a_nonce_comes_in(ready: Stack) -> None:
    acte = await waiting(ready)
    await apart(ready)
    nonce = await nonce_of(ready)
    more = opening(nonce, "system", proof(ready, nonce)).replace("?", "&")
    # the certificate of two accounts, whose first has not deposited the acte: let in, and refused for what it asks
    assert await confirm(ready, acte, "system", more) == BACK.format("1", quote("Accès refusé", safe=""))
    own = await actes.fetchval(
        ready,
        """update acte_transaction set account_id = (select id from account where login = 'system')
        where id = $1 returning id""",
        acte,
    )
    assert own == acte
    assert await confirm(ready, acte, "system", more) == BACK.format("0", "")


async def test_a_nonce_that_lets_nobody_in_sends_the_agent_back(ready: Stack) -> None:
    acte = await waiting(ready)
    nonce = await nonce_of(ready)
    more = opening(nonce, "system", "0" * 64).replace("?", "&")
    assert await confirm(ready, acte, "system", more) == BACK.format("1", quote("La connexion à échoué", safe=""))
    answer = await ready.client("system").get(
        f"{MULTI}?id[]={acte}{more}&url_return=https%3A%2F%2Fa.example%2F%25%25ERROR%25%25"
    )
    assert location(answer) == "https://a.example/%%ERROR%%"
    # without a nonce the page says how to choose an account
    assert await confirm(ready, acte, "system") == "https://tdt.example/login.php"
    assert await status(ready, acte) == 17


async def test_an_account_that_is_not_active_is_told_so(ready: Stack) -> None:
    acte = await waiting(ready)
    await actes.fetchval(ready, "update account set status = 0 where email like 'certonly@%' returning id")
    assert await confirm(ready, acte) == BACK.format("1", quote("Échec de l'authentification", safe=""))


async def test_several_are_posted_and_the_others_passed_over(ready: Stack) -> None:
    first, second = await waiting(ready, "A1"), await waiting(ready, "A2")
    posted = await actes.create(ready, actes.form("A3"))
    url = "https://pastell.example/lot?a=1&error=%%ERROR%%"
    query = (
        f"id[]={first}&id[]={posted}&id[]=999999&id[]=x&id[]={first}&id[]={second}&&url_return={quote(url, safe='')}"
    )
    answer = await ready.client().get(f"{MULTI}?{query}")
    assert location(answer) == url
    assert [await status(ready, acte) for acte in (first, second, posted)] == [1, 1, 1]
    assert await jobs(ready) == sorted([first, second, posted])
    # nothing to post is told by the same redirection, as is everything else
    assert location(await ready.client().get(f"{MULTI}?{query}")) == url
    assert location(await ready.client("arch").get(f"{MULTI}?{query}")) == url
    assert location(await ready.client().get(f"{MULTI}?url_return={quote(url, safe='')}")) == url


async def test_one_number_without_brackets_and_no_address(ready: Stack) -> None:
    acte = await waiting(ready)
    assert location(await ready.client().get(f"{MULTI}?id={acte}")) == "https://tdt.example"
    assert await status(ready, acte) == 1
    assert location(await ready.client().get(f"{MULTI}?id={acte}&url_return=about:blank")) == "about:blank"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,a",
        "//evil.example/",
        "/modules/actes/",
        "https:///a",
        "https://evil.example\\@pastell.example/",
        "https://a.example/\r\nSet-Cookie: a=1",
        "https://a.example/\x1f",
        "https://[::1/",
        "ftp://a.example/",
    ],
)
async def test_nothing_is_posted_for_an_address_that_is_none(ready: Stack, url: str) -> None:
    acte = await waiting(ready)
    assert await confirm(ready, acte, url=url) == "https://tdt.example"
    answer = await ready.client().get(f"{MULTI}?id[]={acte}&url_return={quote(url, safe='')}")
    assert location(answer) == "https://tdt.example"
    assert "set-cookie" not in answer.headers
    assert await status(ready, acte) == 17


async def test_the_hosts_that_an_installation_allows(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    limited = changed(config, actes=msgspec.structs.replace(config.actes, return_hosts=["Pastell.example"]))
    async with run_stack(limited, database, pki) as stack:
        unknown = quote("Erreur d'initialisation de la transaction.", safe="")
        assert await confirm(stack, 1) == BACK.format("1", unknown)
        assert await confirm(stack, 1, url="https://evil.example/?m=%%MESSAGE%%") == "https://tdt.example"
        assert await confirm(stack, 1, url="about:blank") == "about:blank"


async def test_the_form_answers_text_only_when_it_succeeds(ready: Stack) -> None:
    acte = await waiting(ready)
    parts: Parts = [("api", "1"), ("id", str(acte))]
    answer = await ready.client().post(FORM, parts)
    words = "La transaction a été postée par l&#039;agent télétransmetteur Logiciel seul"
    assert answer.body == b"OK\n" + words.encode("latin-1") + b"\n"
    for fields, page in (
        ([("api", "1"), ("id", str(acte))], actes.INDEX),
        ([("api", "1")], actes.INDEX),
        ([("api", "1"), ("id", "999999")], actes.INDEX),
    ):
        refused: Parts = list(fields)
        assert location(await ready.client().post(FORM, refused)) == page
    second = await waiting(ready, "SECOND")
    await apart(ready)
    show = f"https://tdt.example/modules/actes/actes_transac_show.php?id={second}"
    assert location(await ready.client("agent").post(FORM, [("id", str(second))])) == actes.INDEX
    assert location(await ready.client("arch").post(FORM, [("id", str(second))])) == "https://tdt.example"
    assert location(await ready.client().post(FORM, [("id", str(second))])) == show


async def test_an_event_tells_it(ready: Stack) -> None:
    acte = await waiting(ready)
    await confirm(ready, acte)
    events = await rows(
        ready, "select from_status, to_status, data from event where object_id = $1 and to_status = 1", acte
    )
    assert [(row["from_status"], row["to_status"]) for row in events] == [(17, 1)]
    assert "postée par l'agent" in json.loads(events[0]["data"])["message"]
