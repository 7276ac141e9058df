"""A mail that our own mail server does not vouch for is kept and told, never applied, whatever it says of itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from tdt.config import Actes
from tdt.domain.audit import Actor, Source
from tdt.domain.ids import ReceivedId
from tdt.flows import actes_receive, actes_send, received
from tests.faults.plant import Plant, anomaly_mail, ar_mail, letter_mail, plant
from tests.postgres import TestDatabase
from tests.unit.actes.mails import sample

BY = Actor(Source.CLI, None, "root")
ACTES = Actes(
    return_addresses=["retours@tdt.test"],
    poll_seconds=0.2,
    mail_servers=["mx.tdt.test"],
    mail_relays=["192.0.2.0/28"],
    authentication_results="mx.tdt.test",
    authentication_domains=["etat.test"],
)
VERIFIED = b"Authentication-Results: mx.tdt.test; dkim=pass header.d=etat.test\r\n"
MINISTRY = (
    b"Received: from smtp.etat.test (smtp.etat.test [192.0.2.10]) by mx.tdt.test (Postfix) with ESMTP id 1; d\r\n"
)
STRANGER = b"Received: from smtp.etat.test (unknown [203.0.113.66]) by mx.tdt.test (Postfix) with ESMTP id 1; d\r\n"


@pytest.fixture
async def guarded(database: TestDatabase, tmp_path: Path) -> AsyncIterator[Plant]:
    async with plant(database, tmp_path, actes=ACTES) as running:
        yield running


async def test_a_forged_mail_changes_nothing(guarded: Plant) -> None:
    acte, envelope = await guarded.packaged_acte()
    await actes_send.transmit(guarded.deps, envelope)
    mine = guarded.people["A"].user.authority_id
    forged = (
        ar_mail(),  # nothing was noted by our server
        STRANGER + ar_mail(),
        STRANGER + VERIFIED + MINISTRY + anomaly_mail("007"),  # the author wrote the two below
        MINISTRY + VERIFIED + letter_mail("3-1"),
        VERIFIED.replace(b"pass", b"fail") + MINISTRY + letter_mail("3-1"),
        STRANGER + sample("7-2-classification.eml"),
    )
    before = await guarded.value("select count(*) from acte_classification")
    for raw in forged:
        with capture_logs() as logs:
            assert await guarded.ingest(raw) == ("set_aside", None)
        assert [one["event"] for one in logs if one["event"].startswith("received")] == ["received.forged"]
    rows = await guarded.fetch("select kind, detail, proposed_authority_id from received order by id")
    assert {row["kind"] for row in rows} == {"forged"}
    assert "203.0.113.66" in rows[1]["detail"]
    assert [row["proposed_authority_id"] for row in rows] == [mine] * len(forged)
    assert await guarded.acte_life(acte) == [1, 2, 3]
    assert await guarded.value("select count(*) from acte_transaction") == 1
    assert await guarded.value("select count(*) from acte_classification") == before
    assert await received.count_waiting(guarded.deps) == {("actes", "forged"): len(forged)}
    assert await guarded.ingest(VERIFIED + MINISTRY + ar_mail()) == ("handled", mine)


async def test_an_operator_answers_for_a_mail_that_looked_forged(guarded: Plant) -> None:
    acte, envelope = await guarded.packaged_acte()
    await actes_send.transmit(guarded.deps, envelope)
    await guarded.ingest(STRANGER + ar_mail())
    number = ReceivedId(await guarded.value("select max(id) from received"))
    await received.retry(guarded.deps, BY, number)
    await actes_receive.ingest(guarded.deps, number)
    assert (await guarded.handling(number))[0] == "set_aside"  # nothing has changed
    await received.retry(guarded.deps, BY, number, authentic=True)
    await actes_receive.ingest(guarded.deps, number)
    assert (await guarded.handling(number))[0] == "handled"
    assert await guarded.acte_life(acte) == [1, 2, 3, 4]
    [row] = await guarded.fetch("select data from audit where tag = 'cli:received:vouch'")
    assert (row["data"]["after"]["vouched_by"], row["data"]["operator"]) == ("root", "root")


def test_the_settings_as_the_rules_read_them() -> None:
    rules = msgspec.structs.replace(ACTES, mail_servers=["MX.tdt.test."], mail_networks=["10.0.0.2/24"]).mail_rules
    assert rules.servers == {"mx.tdt.test"}
    assert str(rules.networks[0]) == "10.0.0.0/24"
    assert not Actes().mail_rules.ask_something
