"""An act that the ministry refused is sent again under its number: once, and never one that it may have registered."""

import asyncio

import asyncpg
import pytest

from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Refused, Temporary
from tdt.domain.ids import ActeId, EnvelopeId
from tdt.domain.routes import RouteKind
from tdt.flows import actes_moves, actes_send, actes_submit, routes
from tests.faults.plant import WINDOW, Plant, anomaly_mail, ar_mail, envelope_anomaly_mail
from tests.faults.plant import classification as sampled
from tests.faults.test_acte_crash import killed
from tests.faults.test_classification import HELD, NEWER, mail, told

OPERATOR = Actor(Source.CLI, None, "exploitant")
STALE = "<actes:Nature>002</actes:Nature><actes:Detail>ODT-VERIF-01 : date de classification</actes:Detail>"


def agent(works: Plant, who: str = "A") -> Actor:
    return Actor(Source.API, works.people[who])


async def sent(works: Plant) -> tuple[ActeId, EnvelopeId]:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    return acte, envelope


async def go(works: Plant, acte: ActeId) -> EnvelopeId:
    """The steps of a sending."""
    envelope = await works.envelope_of(acte)
    await actes_send.analyse(works.deps, acte)
    await actes_send.package(works.deps, envelope)
    await actes_send.transmit(works.deps, envelope)
    return envelope


async def refusal(works: Plant, acte: ActeId, by: Actor | None = None) -> Refused:
    """Nothing is made, and the act keeps its number."""
    made = "select count(*), count(superseded_at) from acte_transaction"
    before = await works.fetch(made)
    with pytest.raises(Refused) as refused:
        await actes_submit.resend(works.deps, by or agent(works), acte)
    assert await works.fetch(made) == before
    return refused.value


async def test_a_stale_act_leaves_again_with_the_new_classification_and_is_acknowledged(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(told(NEWER, "AnomalieActe", STALE))
    early = await refusal(works, acte)
    assert (early.code, "01/03/2026" in early.message) == ("CLASSIFICATION_ATTENDUE", True)
    await works.ingest(mail(NEWER))
    made = await actes_submit.resend(works.deps, agent(works), acte)
    assert made.classification_date == NEWER
    old, new = await works.fetch(
        "select id, number, unique_id, subject, classif, classification_date, superseded_at is null as live, resend_of,"
        " status from acte_transaction where type = 1 order by id"
    )
    assert (old["live"], new["live"], new["resend_of"]) == (False, True, acte)
    assert [old["classification_date"], new["classification_date"]] == [HELD, NEWER]
    for name in ("number", "unique_id", "subject", "classif"):
        assert old[name] == new[name]
    files = (
        "select name, code_pj, signature, content_id, size from acte_file where transaction_id = $1 order by position"
    )
    assert (await works.fetch(files, acte))[1:] == (await works.fetch(files, made.id))[1:]
    envelope = await go(works, made.id)
    archives = [name for name, _ in works.prefecture.parcels]
    assert len(archives) == len(set(archives)) == 2
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert [await works.acte_status(acte), await works.acte_status(made.id)] == [-1, 4]
    assert envelope != await works.envelope_of(acte)
    tags = await works.fetch("select tag, object_id from audit where tag like 'api:acte:%' order by id")
    assert [(row["tag"], row["object_id"]) for row in tags] == [
        ("api:acte:submit", acte), ("api:acte:resend", made.id), ("api:acte:superseded", acte),
    ]  # fmt: skip


async def test_the_refused_one_never_lives_again(works: Plant) -> None:
    acte, envelope = await sent(works)
    await works.ingest(anomaly_mail("007"))
    made = await actes_submit.resend(works.deps, agent(works), acte)
    with pytest.raises(Refused, match="elle a été renvoyée sous le même numéro"):
        await actes_moves.put_again(works.deps, OPERATOR, acte, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
    with pytest.raises(asyncpg.CheckViolationError):
        await works.fetch("update acte_transaction set status = 2 where id = $1", acte)
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1, "nor does its envelope leave again"
    assert (await works.ingest(ar_mail()))[0] == "set_aside", "before the new one has left"
    assert [await works.acte_status(acte), await works.acte_status(made.id)] == [-1, 1]


async def test_the_number_stays_taken_for_a_deposit(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("007"))
    made = await actes_submit.resend(works.deps, OPERATOR, acte)
    assert await works.value("select account_id from acte_transaction where id = $1", made.id) is not None
    with pytest.raises(Refused) as taken:
        await works.submit_acte()
    assert taken.value.code == "ACTE_NUMERO_PRIS"


async def test_of_two_at_once_one_comes_through(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("007"))
    results = await asyncio.gather(
        *(actes_submit.resend(works.deps, agent(works), acte) for _ in range(3)), return_exceptions=True
    )
    made = [one for one in results if isinstance(one, actes_submit.Resent)]
    others = [one for one in results if isinstance(one, Refused)]
    assert (len(made), len(others)) == (1, 2)
    message = f"Cet acte a déjà été renvoyé : c'est la transaction {made[0].id}."
    assert {(one.code, one.message) for one in others} == {("RENVOI_FAIT", message)}
    assert await works.value("select count(*) from acte_transaction where type = 1 and superseded_at is null") == 1


async def test_one_that_was_sent_again_and_refused_again_may_be_sent_again(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("007"))
    second = await actes_submit.resend(works.deps, agent(works), acte)
    await go(works, second.id)
    await works.ingest(anomaly_mail("005"))
    third = await actes_submit.resend(works.deps, agent(works), second.id)
    await go(works, third.id)
    await works.ingest(anomaly_mail("001"))
    assert await works.acte_status(third.id) == -1
    assert (await refusal(works, third.id)).message == "La préfecture a déjà cet acte : un renvoi ferait double emploi."


async def test_an_anomaly_of_the_envelope_may_be_resent_unless_it_may_be_about_the_second_copy(works: Plant) -> None:
    acte, envelope = await sent(works)
    name = await works.value("select name from acte_envelope where id = $1", envelope)
    await works.ingest(envelope_anomaly_mail(name))
    made = await actes_submit.resend(works.deps, agent(works), acte)
    assert made.classification_date == HELD


async def test_an_envelope_that_left_twice_proves_nothing(works: Plant) -> None:
    acte, envelope = await killed(works)
    works.elapse(WINDOW)
    await actes_send.transmit(works.deps, envelope)
    name = await works.value("select name from acte_envelope where id = $1", envelope)
    await works.ingest(envelope_anomaly_mail(name))
    assert await works.acte_status(acte) == -1
    refused = await refusal(works, acte)
    assert refused.message.startswith("Rien ne prouve que la préfecture n'a pas enregistré cet acte")


async def test_what_is_not_in_error_or_not_refused_by_the_ministry_is_not_sent_again(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    assert "à l'état 2" in (await refusal(works, acte)).message
    await actes_send.transmit(works.deps, envelope)
    assert "à l'état 3" in (await refusal(works, acte)).message
    # closed by a person or after thirty days, without an answer
    await works.fetch("update acte_transaction set status = -1 where id = $1", acte)
    assert (await refusal(works, acte)).code == "RENVOI_IMPOSSIBLE"
    request = await actes_submit.request_classification(works.deps, works.people["A"])
    await works.fetch("update acte_transaction set status = -1 where id = $1", request)
    assert (await refusal(works, request)).code == "RENVOI_IMPOSSIBLE"


async def test_one_that_never_left_may_be(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    settings: dict[str, object] = {"url": "https://localhost:1/"}
    await routes.modify(works.deps, OPERATOR, works.routes[RouteKind.ACTES].id, settings=settings)
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, envelope)
    await works.fetch("update acte_transaction set status = -1 where id = $1", acte)
    assert (await actes_submit.resend(works.deps, agent(works), acte)).classification_date == HELD


async def test_an_ar_that_came_all_the_same_forbids_it(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("007"))
    assert (await works.ingest(ar_mail()))[0] == "set_aside"
    assert (await refusal(works, acte)).message == "La préfecture a déjà cet acte : un renvoi ferait double emploi."


async def test_another_collectivite_knows_nothing_of_it(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("007"))
    for number in (acte, ActeId(10**9)):
        assert (await refusal(works, number, agent(works, "B"))).message == "Numéro de transaction invalide."


async def test_a_typologie_that_the_new_classification_lacks_is_told_and_nothing_is_lost(works: Plant) -> None:
    acte, _ = await sent(works)
    await works.ingest(told(NEWER, "AnomalieActe", STALE))
    changed = sampled()[1].replace(b"2026-03-01", str(NEWER).encode()).replace(b"99_DE", b"98_DE")
    await works.ingest(mail(NEWER, changed))
    assert "La typologie 99_DE n'est pas permise" in (await refusal(works, acte)).message
    assert await works.value("select superseded_at from acte_transaction where id = $1", acte) is None


async def test_the_anomaly_of_the_refused_one_that_comes_again_refuses_nothing(works: Plant) -> None:
    """The same mail a second time, once the act has left again with the new classification."""
    acte, _ = await sent(works)
    anomaly = told(NEWER, "AnomalieActe", STALE)
    await works.ingest(anomaly)
    await works.ingest(mail(NEWER))
    made = await actes_submit.resend(works.deps, agent(works), acte)
    await go(works, made.id)
    assert (await works.ingest(anomaly))[0] == "ignored"
    assert await works.acte_status(made.id) == 3
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_status(made.id) == 4


async def put_again(works: Plant, acte: ActeId) -> str:
    with pytest.raises(Refused) as refused:
        await actes_moves.put_again(works.deps, OPERATOR, acte, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
    assert await works.acte_status(acte) == -1
    return refused.value.message


async def test_a_refusal_that_does_not_prove_that_the_ministry_lacks_it_puts_nothing_in_line_again(
    works: Plant,
) -> None:
    may_be_there = "elle est peut-être arrivée au ministère"
    acte, _ = await sent(works)
    await works.ingest(anomaly_mail("001"))
    assert may_be_there in await put_again(works, acte), "it has it already"
    other, envelope = await works.packaged_acte("2026_018")
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(anomaly_mail("007", number="2026_018"))
    assert (await works.ingest(ar_mail(number="2026_018")))[0] == "set_aside"
    assert may_be_there in await put_again(works, other), "its AR came all the same"


async def test_an_envelope_that_left_twice_and_was_refused_is_not_put_in_line_again(works: Plant) -> None:
    acte, envelope = await killed(works)
    works.elapse(WINDOW)
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(envelope_anomaly_mail(await works.value("select name from acte_envelope")))
    assert "elle est peut-être arrivée au ministère" in await put_again(works, acte)
