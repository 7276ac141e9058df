"""The closing of acts: every message in its order, the two months, the archive, lists; what is done by hand."""

from datetime import timedelta

import msgspec
import pytest

from tdt.config import Config
from tdt.domain.ids import ActeId
from tdt.sandbox.pki import Pki
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire.administration import rows
from tests.wire.client import Answer, Parts
from tests.wire.stack import Stack, changed, run_stack

ready = actes.ready
CLOSE = "/modules/actes/actes_transac_close.php"
ERROR = "/modules/actes/actes_transac_set_error.php"
ROLLBACK = "/modules/actes/actes_transac_rolback_attente.php"
SHOW = "https://tdt.example/modules/actes/actes_transac_show.php?id={}"


async def acte_at(
    stack: Stack, status: int, number: str = "ACTE_1", days: int = 0, account: str = "certonly"
) -> ActeId:
    """An acte at this status, acknowledged so many days ago."""
    acte = await actes.create(stack, actes.form(number), account=account)
    await put_at(stack, acte, status, days)
    return acte


async def put_at(stack: Stack, acte: ActeId, status: int, days: int = 0) -> None:
    await actes.fetchval(
        stack,
        """with moved as (update acte_transaction set status = $2 where id = $1 returning id, authority_id)
        insert into acte_workflow (authority_id, transaction_id, status, at)
        select authority_id, id, s, now() - $3::interval from moved, unnest(
            case when $2 in (5, 12, 13, 14, 19, 20) then array[4, $2] else array[$2] end) s returning id""",
        acte,
        status,
        timedelta(days=days),
    )


async def close(stack: Stack, what: str, *numbers: object, account: str = "certonly") -> bytes:
    """The body of the answer; several numbers go by `liste_id[]`."""
    return (await ask(stack, what, *numbers, account=account)).body


async def ask(stack: Stack, what: str, *numbers: object, account: str = "certonly", api: str = "1") -> Answer:
    parts: Parts = [("api", api), ("status", what)]
    if len(numbers) == 1:
        parts.append(("id", str(numbers[0])))
    else:
        parts += [("liste_id[]", str(one)) for one in numbers]
    return await stack.client(account).post(CLOSE, parts)


def reply(ok: bool, text: str) -> bytes:
    escaped = text.replace("'", "&#039;").replace('"', "&quot;")
    return (b"OK\n" if ok else b"KO\n") + escaped.encode("latin-1") + b"\n"


async def status(stack: Stack, acte: ActeId) -> int:
    (row,) = await rows(stack, "select status from acte_transaction where id = $1", acte)
    number: int = row["status"]
    return number


VALID = "Passage de la transaction n°{} à l'état « Validé ». Résultat ok.\n"
INVALID = "Passage de la transaction n°{} à l'état « Refusé ». Résultat ok.\n"


async def test_an_act_is_closed_two_months_after_its_ar(ready: Stack) -> None:
    acte = await acte_at(ready, 4, days=58)
    early = f"Cette transaction {acte} ne peut pas encore être clôturée\n"
    for what in ("valid", "invalid"):
        assert await close(ready, what, acte) == reply(False, early)
    await put_at(ready, acte, 4, days=63)
    assert await close(ready, "valid", acte) == reply(True, VALID.format(acte))
    assert await status(ready, acte) == 5
    (last,) = await rows(
        ready, "select message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte
    )
    assert last["message"] == "Fermeture par l'utilisateur Logiciel seul"
    (told,) = await rows(ready, "select data, object_id from audit where tag = 'api:acte:close'")
    assert told["object_id"] == acte
    assert '"status": 4' in told["data"]
    again = f"La transaction {acte} est déjà terminée et ne peut l'être de nouveau directement\n"
    assert await close(ready, "invalid", acte) == reply(False, again)


@pytest.mark.parametrize(("what", "words", "number"), [("valid", VALID, 5), ("invalid", INVALID, 6)])
@pytest.mark.parametrize("origin", [14, 20])
async def test_an_archiving_that_failed_may_be_closed(
    ready: Stack, origin: int, what: str, words: str, number: int
) -> None:
    acte = await acte_at(ready, origin, days=63)
    assert await close(ready, what, acte) == reply(True, words.format(acte))
    assert await status(ready, acte) == number


@pytest.mark.parametrize("origin", [-1, 0, 1, 2, 3, 6, 12, 13, 17, 19])
async def test_no_other_status_is_closed(ready: Stack, origin: int) -> None:
    acte = await acte_at(ready, origin, days=63)
    line = f"Cette transaction {acte} ne peut pas encore être clôturée (statut {origin})\n"
    for what in ("valid", "invalid", "sae"):
        assert await close(ready, what, acte) == reply(False, line)
    assert await status(ready, acte) == origin


async def test_one_that_waits_for_a_signature_is_only_refused(ready: Stack) -> None:
    acte = await acte_at(ready, 18)
    line = f"La transaction {acte} en attente de signature peut seulement être rejeté\n"
    assert await close(ready, "valid", acte) == reply(False, line)
    assert await close(ready, "sae", acte) == reply(False, line)
    assert await close(ready, "invalid", acte) == reply(True, INVALID.format(acte))
    assert await status(ready, acte) == 6


async def test_without_waiting_where_the_installation_says_so(config: Config, database: TestDatabase, pki: Pki) -> None:
    always = changed(config, actes=msgspec.structs.replace(config.actes, always_can_validate=True))
    async with run_stack(always, database, pki) as stack:
        (authority,) = await rows(stack, "select id from authority where name like '%Sabli%'")
        content = await actes.fetchval(
            stack, actes.INSERT_BODY, authority["id"], len(actes.CLASSIFICATION), actes.CLASSIFICATION
        )
        await actes.fetchval(
            stack,
            "insert into acte_classification (authority_id, date, content_id) values ($1, '2019-3-1', $2) returning id",
            authority["id"],
            content,
        )
        acte = await acte_at(stack, 4)
        assert await close(stack, "valid", acte) == reply(True, VALID.format(acte))


async def test_a_list_tells_a_line_for_each_and_the_fate_of_the_last_one_treated(ready: Stack) -> None:
    first, second = await acte_at(ready, 4, "A1", days=63), await acte_at(ready, 4, "A2", days=63)
    early = await acte_at(ready, 4, "A3")
    lines = VALID.format(first) + f"Cette transaction {early} ne peut pas encore être clôturée\n" + VALID.format(second)
    assert await close(ready, "valid", first, early, second) == reply(True, lines)
    twice = f"La transaction {first} est déjà terminée et ne peut l'être de nouveau directement\n"
    assert await close(ready, "valid", first, first) == reply(False, twice * 2)
    assert await close(ready, "valid") == b"KO\n"


async def test_what_ends_the_request_closes_nothing(ready: Stack) -> None:
    acte = await acte_at(ready, 4, days=63)
    request = await acte_at(ready, 4, "DEMANDE", days=63)
    await actes.fetchval(ready, "update acte_transaction set type = 7 where id = $1 returning id", request)
    unknown = reply(False, "Erreur d'initialisation de la transaction.")
    assert await close(ready, "valid", acte, 999999) == unknown
    assert await close(ready, "valid", acte, request) == reply(
        False, "Ce type de transaction ne peut pas être cloturé."
    )
    assert await close(ready, "ouvert", acte) == reply(False, "État incorrect.")
    assert await status(ready, acte) == 4
    assert await close(ready, "valid", acte, account="other") == unknown
    assert await close(ready, "valid", acte, account="agent") == reply(False, "Accès refusé.")
    assert await close(ready, "valid", acte, account="arch") == reply(False, "Accès refusé")
    for account in ("gadm", "sadm"):
        assert await close(ready, "valid", acte, account=account) == reply(False, "Accès refusé")
    assert await status(ready, acte) == 4
    assert await close(ready, "valid", acte, account="adm") == reply(True, VALID.format(acte))


async def test_a_browser_is_sent_on(ready: Stack) -> None:
    acte = await acte_at(ready, 4, days=63)
    other = await acte_at(ready, 3, "AUTRE")
    answer = await ask(ready, "valid", acte, api="0")
    assert (answer.status, answer.headers["location"]) == (302, SHOW.format(acte))
    answer = await ask(ready, "valid", acte, other, api="0")
    assert (answer.status, answer.headers["location"]) == (302, actes.INDEX)
    answer = await ask(ready, "ouvert", acte, api="0")
    assert (answer.status, answer.headers["location"]) == (302, actes.INDEX)


async def test_the_archiving_is_planned_for_an_archivist(ready: Stack) -> None:
    acte = await acte_at(ready, 4)
    assert await close(ready, "sae", acte) == reply(
        True, f"Programmation de l'envoi de la transaction {acte} à Pastell\n"
    )
    assert await status(ready, acte) == 19
    (last,) = await rows(
        ready, "select message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte
    )
    assert last["message"] == "En attente de l'envoi au SAE"
    second = await acte_at(ready, 5, "A2")
    failed = f"Erreur lors de l'envoi de la transaction {second} à Pastell : "
    assert await close(ready, "sae", second, account="agent") == reply(False, failed + "Accès interdit")
    assert await close(ready, "sae", second, account="gadm") == reply(False, failed + "Accès interdit")
    assert await close(ready, "sae", second, account="sadm") == reply(
        True, f"Programmation de l'envoi de la transaction {second} à Pastell\n"
    )
    third = await acte_at(ready, 4, "A3")
    await actes.fetchval(ready, "update account set status = 0 where role = 'ARCH' returning id")
    assert await close(ready, "sae", third) == reply(
        False,
        f"Erreur lors de l'envoi de la transaction {third} à Pastell : La collectivité n'a pas de Pastell configuré",
    )


# ---------------------------------------------------------------------------------------------- by hand


async def by_hand(stack: Stack, path: str, account: str = "sadm", **fields: object) -> bytes:
    parts: Parts = [("api", "1"), *((name, str(value)) for name, value in fields.items())]
    return (await stack.client(account).post(path, parts)).body


@pytest.mark.parametrize("origin", [1, 2, 3, 17, 18])
async def test_a_super_administrator_gives_a_transaction_up(ready: Stack, origin: int) -> None:
    acte = await acte_at(ready, origin)
    words = f"La transaction {acte} a été passée en erreur."
    assert await by_hand(ready, ERROR, id=acte) == reply(True, words)
    answer = await ready.client().get(f"{actes.STATUS}?transaction={acte}")
    assert answer.body == b"OK\n-1\n" + "Transaction passée manuellement en erreur".encode("latin-1")
    assert len(await rows(ready, "select from audit where tag = 'api:acte:give_up'")) == 1


@pytest.mark.parametrize("origin", [-1, 0, 4, 5, 6, 7, 8, 12, 13, 21])
async def test_what_has_its_answer_is_not_given_up(ready: Stack, origin: int) -> None:
    acte = await acte_at(ready, origin)
    assert (await by_hand(ready, ERROR, id=acte)).startswith(
        reply(False, f"Impossible de passer la transaction {acte} en erreur : elle est à l'état {origin} ")[:-1]
    )
    assert await status(ready, acte) == origin


async def test_those_of_one_envelope_are_given_up_and_put_again_together(ready: Stack) -> None:
    first, second = await acte_at(ready, 1, "A1"), await acte_at(ready, 1, "A2")
    await actes.fetchval(
        ready,
        """update acte_transaction set envelope_id = (select envelope_id from acte_transaction where id = $1)
        where id = $2 returning id""",
        first,
        second,
    )
    await by_hand(ready, ERROR, id=first)
    assert (await status(ready, first), await status(ready, second)) == (-1, -1)
    await actes.fetchval(ready, "delete from job returning id")
    assert await by_hand(ready, ROLLBACK, id=second, status_id=1) == reply(
        True, f"La transaction {second} a été passée manuellement en posté"
    )
    assert (await status(ready, first), await status(ready, second)) == (1, 1)
    found = await rows(ready, "select kind, object_id from job order by object_id")
    assert [(row["kind"], row["object_id"]) for row in found] == [("actes.analyse", first), ("actes.analyse", second)]


async def in_error(stack: Stack, outcome: str | None, refused: bool = False, archive: bool = True) -> ActeId:
    """An acte in error, with its archive, after a try of this outcome ("" for none)."""
    acte = await acte_at(stack, 2 if archive else 1)
    if archive:
        await actes.fetchval(
            stack,
            """update acte_envelope e set content_id = (select max(id) from content where authority_id = e.authority_id)
            where id = (select envelope_id from acte_transaction where id = $1) returning id""",
            acte,
        )
    if outcome != "":
        await actes.fetchval(
            stack,
            """insert into attempt (authority_id, route_id, object_kind, object_id, name, sha256, size, outcome)
            select e.authority_id, e.route_id, 'acte_envelope', e.id, e.archive_name, sha256('a'), 1, $2
            from acte_envelope e join acte_transaction t on t.envelope_id = e.id where t.id = $1 returning id""",
            acte,
            outcome,
        )
    await put_at(stack, acte, -1)
    if refused:
        await actes.fetchval(
            stack,
            """update acte_workflow set flux_content_id = (select max(id) from content where place = 'row')
            where transaction_id = $1 and status = -1 returning id""",
            acte,
        )
    return acte


@pytest.mark.parametrize(("outcome", "refused"), [("", False), ("failed", False), ("accepted", True)])
async def test_what_is_not_with_the_ministry_is_put_in_line_again(ready: Stack, outcome: str, refused: bool) -> None:
    acte = await in_error(ready, outcome, refused)
    await actes.fetchval(ready, "delete from job returning id")
    words = f"La transaction {acte} a été passée manuellement en attente de transmission"
    assert await by_hand(ready, ROLLBACK, id=acte) == reply(True, words)
    assert await status(ready, acte) == 2
    (job,) = await rows(ready, "select kind from job")
    assert job["kind"] == "actes.transmit"
    assert len(await rows(ready, "select from audit where tag = 'api:acte:put_again'")) == 1


@pytest.mark.parametrize("outcome", ["accepted", "uncertain", "settled", None])
async def test_what_may_be_with_the_ministry_is_never_put_in_line_again(ready: Stack, outcome: str | None) -> None:
    acte = await in_error(ready, outcome)
    for target in (1, 2):
        assert await by_hand(ready, ROLLBACK, id=acte, status_id=target) == reply(
            False,
            f"Impossible de passer la transaction {acte} dans l'état {target} : "
            "elle est peut-être arrivée au ministère : la renvoyer pourrait l'y mettre deux fois.",
        )
    assert await status(ready, acte) == -1


async def test_the_other_refusals_of_a_return(ready: Stack) -> None:
    acte = await in_error(ready, "", archive=False)
    start = f"Impossible de passer la transaction {acte} dans l'état "
    assert await by_hand(ready, ROLLBACK, id=acte) == reply(
        False, start + "2 : son archive n'a pas été acceptée : remettez-la à l'état « Posté » (1)."
    )
    assert await by_hand(ready, ROLLBACK, id=acte, status_id=4) == reply(False, start + "4.")
    done = await acte_at(ready, 4, "FAIT")
    assert await by_hand(ready, ROLLBACK, id=done) == reply(
        False, f"Impossible de passer la transaction {done} dans l'état 2 : elle n'est pas en erreur (statut 4)."
    )
    for path in (ERROR, ROLLBACK):
        assert await by_hand(ready, path, id=999999) == reply(False, "Cette transaction n'existe pas")
        assert await by_hand(ready, path) == reply(False, "Pas d'identifiant de transaction spécifié")
        assert await by_hand(ready, path, account="gadm", id=acte) == reply(False, "Accès refusé")
    answer = await ready.client("sadm").post(ERROR, [("id", str(done))])
    assert (answer.status, answer.headers["location"]) == (302, SHOW.format(done))
