"""Answers of the ministry that come twice, too late, too early, or for somebody else."""

from tdt.flows import actes_send, actes_submit
from tests.faults.plant import Plant, anomaly_mail, ar_mail, envelope_anomaly_mail
from tests.unit.actes.mails import sample


async def test_the_same_ar_twice(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    mine = works.people["A"].user.authority_id
    assert await works.ingest(ar_mail()) == ("handled", mine)
    assert await works.ingest(ar_mail()) == ("ignored", mine)
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_an_ar_for_a_refused_act_is_for_the_operator(works: Plant) -> None:
    """The préfecture holds it and the client was told that it does not: somebody must know."""
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(anomaly_mail("007"))
    assert (await works.ingest(anomaly_mail("007")))[0] == "ignored"
    assert (await works.ingest(ar_mail()))[0] == "set_aside"
    assert await works.acte_life(acte) == [1, 2, 3, -1]


async def test_an_anomaly_for_an_acknowledged_act_is_for_the_operator(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(ar_mail())
    name = await works.value("select name from acte_envelope where id = $1", envelope)
    for mail in (anomaly_mail("007"), anomaly_mail("001"), envelope_anomaly_mail(name)):
        assert (await works.ingest(mail))[0] == "set_aside"
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_an_anomaly_of_the_envelope(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    name = await works.value("select name from acte_envelope where id = $1", envelope)
    assert (await works.ingest(envelope_anomaly_mail(name)))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, -1]
    assert (await works.ingest(envelope_anomaly_mail("TACT--111111118--20260310-1.xml")))[0] == "set_aside"


async def test_an_answer_to_what_was_never_sent_proves_nothing(works: Plant) -> None:
    """Anybody can write to a mailbox: without a sending on record, a mail neither acknowledges nor refuses."""
    acte, envelope = await works.packaged_acte()
    name = await works.value("select name from acte_envelope where id = $1", envelope)
    for mail in (ar_mail(), anomaly_mail("007"), envelope_anomaly_mail(name)):
        assert (await works.ingest(mail))[0] == "set_aside"
    assert await works.acte_life(acte) == [1, 2]
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1
    assert (await works.ingest(ar_mail()))[0] == "handled"


async def test_an_identifier_that_two_collectivites_hold_gives_nobody_the_answer_of_another(works: Plant) -> None:
    """By the identifier alone nobody can tell; the number goes with a SIREN, which is one collectivité's."""
    mine, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    twin = works.people["B"].user.authority_id
    async with works.deps.transaction("system") as connection:
        copied = await connection.fetchval(
            "insert into acte_envelope (authority_id, route_id, name, archive_name)"
            " select $1, route_id, name || 'x', archive_name || 'x' from acte_envelope where id = $2 returning id",
            twin,
            envelope,
        )
        theirs = await connection.fetchval(
            "insert into acte_transaction (authority_id, envelope_id, type, number, decision_date, unique_id, status)"
            " select $1, $3, type, number, decision_date, unique_id, status from acte_transaction where id = $2"
            " returning id",
            twin,
            mine,
            copied,
        )
    assert await works.ingest(ar_mail()) == ("set_aside", None)
    assert [await works.acte_status(mine), await works.acte_status(theirs)] == [3, 3]
    assert await works.ingest(anomaly_mail("007")) == ("handled", works.people["A"].user.authority_id)
    assert [await works.acte_status(mine), await works.acte_status(theirs)] == [-1, 3]


async def test_a_classification_answers_the_request_that_was_sent(works: Plant) -> None:
    request = await actes_submit.request_classification(works.deps, works.people["A"])
    envelope = await works.envelope_of(request)
    await actes_send.analyse(works.deps, request)
    await actes_send.package(works.deps, envelope)
    assert (await works.ingest(sample("7-2-classification.eml")))[0] == "handled"
    assert await works.acte_life(request) == [1, 2]  # unasked: kept, but the request is still to be sent
    await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(sample("7-3-sans-changement.eml")))[0] == "handled"
    assert await works.acte_life(request) == [1, 2, 3, 4]
