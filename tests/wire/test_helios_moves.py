"""What is decided of a flow over the wire: posted (14), archived, its archiving corrected; exact bytes."""

import pytest

from tests.wire import test_helios_api as helios
from tests.wire.administration import audited, error, rows
from tests.wire.client import Answer, Parts
from tests.wire.stack import Stack

SUBMIT = "/modules/helios/helios_transac_submit.php"
SAE = "/modules/helios/helios_transac_change_status_sae.php"
CLOSE = "/modules/helios/helios_transac_close.php"
ERROR = "/modules/helios/helios_transac_set_error.php"
ROLLBACK = "/modules/helios/helios_transac_rollback.php"
ARCHIVER = "/modules/helios/helios_transac_archiver.php"
SHOW = "https://tdt.example/modules/helios/helios_transac_show.php?id="
CHANGED = b'{"status":"ok","message":"Le status de la transaction a \\u00e9t\\u00e9 modifi\\u00e9e"}'


async def flow_at(stack: Stack, status: int, data: bytes = helios.PES) -> int:
    """A flow that has this status, without the work that leads to it."""
    number = await helios.deposit(stack, data)
    await move(stack, number, status)
    return number


async def move(stack: Stack, number: int, status: int) -> None:
    await rows(stack, "update helios_transaction set status = $2 where id = $1", number, status)
    insert = """
        insert into helios_workflow (authority_id, transaction_id, status, message)
        select authority_id, id, $2, 'essai' from helios_transaction where id = $1"""
    await rows(stack, insert, number, status)


async def status_of(stack: Stack, number: int) -> tuple[int, str]:
    query = """
        select t.status, w.message from helios_transaction t join helios_workflow w on w.transaction_id = t.id
        where t.id = $1 order by w.id desc limit 1"""
    (row,) = await rows(stack, query, number)
    return row["status"], row["message"]


async def allow(stack: Stack, permission: str) -> None:
    await rows(stack, "update account_permission set permission = $1 where module = 'helios'", permission)


def sent_to(answer: Answer, page: str) -> None:
    assert (answer.status, answer.headers["location"], answer.body) == (302, page, b"")


# ------------------------------------------------------------------------------------------------ posting (14 → 1)


async def test_what_waits_is_posted_once_by_who_may_transmit(stack: Stack) -> None:
    await allow(stack, "CS")
    number = await helios.deposit(stack)
    form: Parts = [("id", str(number)), ("api", "1")]
    assert await status_of(stack, number) == (14, "Fichier en attente d'être télétransmis")
    for account in ("certonly", "other"):
        sent_to(await stack.client(account).post(SUBMIT, form), "https://tdt.example")
    await allow(stack, "TT")
    sent_to(await stack.client("other").post(SUBMIT, form), f"{SHOW}{number}")
    assert (await status_of(stack, number))[0] == 14
    answer = await stack.client().post(SUBMIT, form)
    assert (answer.status, answer.body) == (200, "OK\nPréparation de la télétransmission réusssie.\n".encode("latin-1"))
    assert await status_of(stack, number) == (1, "Fichier bien reçu par la plate-forme S2low")
    assert [row["kind"] for row in await rows(stack, "select kind from job")] == ["helios.analyse"]
    assert (await audited(stack, "api:helios:confirm"))["object_id"] == number
    # posted already, unknown, none at all: a redirection even with api=1
    sent_to(await stack.client().post(SUBMIT, form), f"{SHOW}{number}")
    sent_to(await stack.client().post(SUBMIT, [("id", "999999"), ("api", "1")]), f"{SHOW}999999")
    sent_to(await stack.client().post(SUBMIT, [("api", "1")]), helios.INDEX)
    assert len(await rows(stack, "select from job")) == 1


async def test_a_browser_is_sent_to_the_flow_and_a_flow_to_be_signed_is_not_posted(stack: Stack) -> None:
    number = await flow_at(stack, 14)
    sent_to(await stack.client().post(SUBMIT, [("id", str(number))]), f"{SHOW}{number}")
    assert (await status_of(stack, number))[0] == 1
    await move(stack, number, 13)
    sent_to(await stack.client().post(SUBMIT, [("id", str(number)), ("api", "1")]), f"{SHOW}{number}")
    assert (await status_of(stack, number))[0] == 13


# --------------------------------------------------------------------------------------------------- the archiving

ALLOWED = {(19, 20), (19, 10), (9, 20), (9, 10), (20, 19), (20, 10)}


async def tell(stack: Stack, account: str, number: object, target: object, api: str = "1") -> Answer:
    parts: Parts = [("transaction_id", str(number)), ("status_id", str(target)), ("api", api)]
    return await stack.client(account).post(SAE, parts)


@pytest.mark.parametrize("account", ["arch", "adm"])
async def test_every_move_of_an_archiving(stack: Stack, account: str) -> None:
    """All pairs; an archivist has one more than an administrator."""
    number = await flow_at(stack, 8)
    allowed = ALLOWED | ({(8, 19)} if account == "arch" else set())
    made = set()
    for origin in (-1, 1, 3, 4, 6, 8, 9, 10, 11, 19, 20, 23):
        for target in (0, 8, 9, 10, 11, 19, 20, 23):
            await move(stack, number, origin)
            answer = await tell(stack, account, number, target)
            assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
            if answer.body == CHANGED:
                made.add((origin, target))
                assert await status_of(stack, number) == (target, "Modification manuelle de l'état")
            else:
                assert answer.body == error("Impossible de changer le status de la transaction")
                assert await status_of(stack, number) == (origin, "essai")
    assert made == allowed


async def test_who_may_correct_an_archiving(stack: Stack) -> None:
    number = await flow_at(stack, 19)
    for account in ("certonly", "other", "agent"):
        assert (await tell(stack, account, number, 10)).body == error("Accès refusé")
    for account in ("adm", "gadm", "sadm"):
        assert (await tell(stack, account, 999999, 10)).body == error("Cette transaction n'existe pas")
    for given in ("999999", str(number)):
        await rows(stack, "update helios_transaction set authority_id = $1", stack.authorities["B"])
        assert (await tell(stack, "arch", given, 10)).body == error("Accès refusé")
    assert (await tell(stack, "adm", number, 10)).body == error("Cette transaction n'existe pas")
    await rows(stack, "update helios_transaction set authority_id = $1", stack.authorities["A"])
    for given in ("", "0", "x"):
        assert (await tell(stack, "adm", given, 10)).body == error("transaction_id incorrect")
    assert (await tell(stack, "gadm", number, 20)).body == CHANGED
    assert (await tell(stack, "sadm", number, 10)).body == CHANGED
    last = (await rows(stack, "select data from audit where tag = 'api:helios:archiving' order by id"))[-1]
    assert last["data"] == '{"after": {"status": 10}, "before": {"status": 20}}'


async def test_a_browser_corrects_an_archiving(stack: Stack) -> None:
    number = await flow_at(stack, 19)
    sent_to(await tell(stack, "adm", number, 20, ""), f"{SHOW}{number}")
    assert (await status_of(stack, number))[0] == 20
    sent_to(await tell(stack, "adm", number, 9, ""), f"{SHOW}{number}")
    sent_to(await tell(stack, "certonly", number, 10, ""), "https://tdt.example")
    sent_to(await tell(stack, "adm", "", 10, ""), "https://tdt.example")


NOT_YET = (
    "Impossible d'archiver une transaction qui n'est pas en état "
    "« Information disponible », « acquitté » ou « refusé »."
)


def failed(number: int, reason: str) -> str:
    return f"Erreur lors de l'envoi de la transaction {number} à Pastell: {reason}"


def planned(number: int) -> str:
    return f"Programmation de l'envoi de la transaction {number} à Pastell"


def reply(result: str, *lines: str) -> bytes:
    return "\n".join([result, *lines, ""]).replace("'", "&#039;").encode("latin-1")


async def close(stack: Stack, account: str, *numbers: int) -> bytes:
    parts: Parts = [("api", "1"), *(("liste_id[]", str(number)) for number in numbers)]
    return (await stack.client(account).post(CLOSE, parts)).body


async def test_the_archiving_is_planned(stack: Stack) -> None:
    numbers = [await flow_at(stack, status, helios.PES + b" " * status) for status in (4, 6, 8, 11, 20)]
    assert await close(stack, "certonly", *numbers[:2]) == reply("OK", *map(planned, numbers[:2]))
    assert await close(stack, "adm", *numbers[2:4]) == reply("OK", *map(planned, numbers[2:4]))
    assert await close(stack, "sadm", numbers[4]) == reply("OK", planned(numbers[4]))
    for number in numbers:
        assert await status_of(stack, number) == (19, "En attente de l'envoi au SAE")
    assert len(await rows(stack, "select from audit where tag = 'api:helios:archiving'")) == 5


async def test_what_is_not_archived_and_why(stack: Stack) -> None:
    ready, early = await flow_at(stack, 8), await flow_at(stack, 3, helios.PES + b" ")
    for account in ("agent", "gadm"):
        assert await close(stack, account, ready) == reply("KO", failed(ready, "Accès interdit"))
    gone = reply("KO", failed(999999, "La transaction 999999 n'existe pas"))
    assert await close(stack, "certonly", 999999) == gone
    unseen = reply("KO", failed(ready, f"La transaction {ready} n'existe pas"))
    assert await close(stack, "other", ready) == unseen
    # each by itself: what can be is planned, and said
    assert await close(stack, "certonly", early, ready) == reply("KO", failed(early, NOT_YET), planned(ready))
    assert (await status_of(stack, early))[0] == 3
    assert await close(stack, "certonly") == reply("KO", "Pas d'identifiant de transaction spécifié")
    await rows(stack, "update account set status = 0 where role = 'ARCH'")
    await move(stack, ready, 8)
    nobody = reply("KO", failed(ready, "La collectivité n'a pas de Pastell configuré"))
    assert await close(stack, "certonly", ready) == nobody
    await allow(stack, "NONE")
    assert await close(stack, "certonly", ready) == reply("KO", "Accès refusé")


async def test_a_browser_plans_the_archiving(stack: Stack) -> None:
    number = await flow_at(stack, 8)
    sent_to(await stack.client().post(ARCHIVER, [("id", str(number))]), f"{SHOW}{number}")
    assert (await status_of(stack, number))[0] == 19
    sent_to(await stack.client().post(ARCHIVER, [("id", str(number))]), f"{SHOW}{number}")
    sent_to(await stack.client().post(CLOSE, [("liste_id[]", str(number))]), helios.INDEX)
    await move(stack, number, 8)
    answer = await stack.client().post(ARCHIVER, [("id", str(number)), ("api", "1")])
    assert answer.body == reply("OK", planned(number))


# ------------------------------------------------------------------------------------------------------- by hand


async def by_hand(stack: Stack, path: str, number: object, **fields: str) -> Answer:
    return await stack.client("sadm").post(path, [("id", str(number)), *fields.items()])


async def test_given_up_then_posted_again_by_a_super_administrator(stack: Stack) -> None:
    number = await helios.deposit(stack)
    answer = await by_hand(stack, ERROR, number, api="1", message="essai à blanc")
    assert answer.body == reply("OK", f"La transaction {number} a été passée en erreur.")
    assert await status_of(stack, number) == (-1, "Transaction passée manuellement en erreur - essai à blanc")
    answer = await by_hand(stack, ROLLBACK, number, api="1")
    assert answer.body == reply("OK", f"La transaction {number} est de nouveau à l'état posté.")
    assert await status_of(stack, number) == (1, f"La transaction {number} est de nouveau à l'état posté.")
    assert [row["kind"] for row in await rows(stack, "select kind from job")] == ["helios.analyse"]
    assert (await audited(stack, "api:helios:set_error"))["data"]["after"] == {"status": -1, "reason": "essai à blanc"}
    sent_to(await by_hand(stack, ERROR, number, message="x"), f"{SHOW}{number}")
    sent_to(await by_hand(stack, ROLLBACK, number), f"{SHOW}{number}")


async def test_what_is_not_done_by_hand(stack: Stack) -> None:
    number = await flow_at(stack, 8)
    for path, words in ((ERROR, "passer en erreur"), (ROLLBACK, "poster de nouveau")):
        answer = await by_hand(stack, path, number, api="1")
        assert answer.body.startswith(f"KO\nImpossible de {words} la transaction {number} : ".encode("latin-1"))
        assert (await by_hand(stack, path, 999999, api="1")).body == reply("KO", "Cette transaction n'existe pas")
        assert (await by_hand(stack, path, "", api="1")).body == reply(
            "KO", "Pas d'identifiant de transaction spécifié"
        )
        for account in ("certonly", "adm", "gadm", "arch"):
            answer = await stack.client(account).post(path, [("id", str(number)), ("api", "1")])
            assert answer.body == b"KO\nAcc\xe8s refus\xe9\n"
    assert (await status_of(stack, number))[0] == 8
