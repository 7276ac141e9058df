"""The crash rule of ACTES: killed between the two transactions, hung, cut: never blindly again, never other bytes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tdt.config import Actes
from tdt.db.breakers import Place
from tdt.domain.audit import Actor, Source
from tdt.domain.breaker import Remote
from tdt.domain.errors import Held, Permanent, Temporary, Uncertain
from tdt.domain.ids import ActeId, EnvelopeId
from tdt.domain.routes import RouteKind
from tdt.flows import actes_receive, actes_send, breakers
from tests.faults import sending
from tests.faults.plant import BIG_PDF, WINDOW, Plant, anomaly_mail, ar_mail, plant, until_blocked
from tests.postgres import TestDatabase

SECOND = timedelta(seconds=1)
OPERATOR = Actor(Source.CLI, None, "exploitant")


async def killed(works: Plant) -> tuple[ActeId, EnvelopeId]:
    """An act whose archive the préfecture has, sent by a worker that was killed before it could write it down."""
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "hang"
    process = await sending.start(works, "acte", envelope)
    async with asyncio.timeout(20):
        await works.prefecture.whole.wait()
    await process.kill()
    works.prefecture.mode = "accept"
    assert await works.outcomes() == [None]
    assert await works.acte_status(acte) == 2
    return acte, envelope


async def test_nothing_is_sent_again_before_the_window_then_the_same_bytes_and_name(works: Plant) -> None:
    acte, envelope = await killed(works)
    for _ in range(2):
        with pytest.raises(Uncertain) as caught:
            await actes_send.transmit(works.deps, envelope)
        assert len(works.prefecture.parcels) == 1
    started = await works.value("select started_at from attempt")
    assert caught.value.details["retry_at"] == started + WINDOW

    works.elapse(WINDOW - SECOND)
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    works.elapse(2 * SECOND)
    await actes_send.transmit(works.deps, envelope)
    first, second = works.prefecture.parcels
    assert first == second
    assert await works.outcomes() == [None, "accepted"]
    assert await works.acte_life(acte) == [1, 2, 3]

    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert await works.outcomes() == ["settled", "accepted"]


async def test_an_ar_settles_it_and_nothing_is_sent_again(works: Plant) -> None:
    acte, envelope = await killed(works)
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert await works.outcomes() == ["settled"]
    works.elapse(WINDOW + SECOND)
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_hold_waits_for_an_operator(database: TestDatabase, tmp_path: Path) -> None:
    settings = Actes(on_uncertain="hold", return_addresses=["retours@tdt.test"])
    async with plant(database, tmp_path, actes=settings) as works:
        acte, envelope = await killed(works)
        with pytest.raises(Uncertain):
            await actes_send.transmit(works.deps, envelope)
        works.elapse(WINDOW + SECOND)
        with pytest.raises(Permanent) as caught:
            await actes_send.transmit(works.deps, envelope)
        assert caught.value.code == "ENVOI_INCERTAIN"
        assert len(works.prefecture.parcels) == 1
        assert await works.acte_status(acte) == 2
        assert (await works.ingest(ar_mail()))[0] == "handled"
        assert await works.acte_life(acte) == [1, 2, 3, 4]


@pytest.mark.parametrize("recorded", [True, False])
async def test_anomaly_001_of_a_resend_settles_and_never_refuses(works: Plant, recorded: bool) -> None:
    acte, envelope = await killed(works)
    works.elapse(WINDOW + SECOND)
    if recorded:
        await actes_send.transmit(works.deps, envelope)
    else:  # the second worker is killed too: the anomaly comes before anybody wrote the second sending down
        works.prefecture.mode = "hang"
        works.prefecture.whole.clear()
        resend = asyncio.create_task(actes_send.transmit(works.deps, envelope))
        async with asyncio.timeout(20):
            await works.prefecture.whole.wait()
        resend.cancel()
        await asyncio.gather(resend, return_exceptions=True)
    for _ in range(2):
        assert (await works.ingest(anomaly_mail("001")))[0] == "handled"
        assert await works.acte_life(acte) == [1, 2, 3]
    assert None not in await works.outcomes()
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert (await works.ingest(anomaly_mail("001")))[0] == "ignored"
    assert await works.acte_status(acte) == 4


async def test_anomaly_001_of_a_first_sending_refuses(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(anomaly_mail("001")))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, -1]


async def test_anomaly_001_after_a_try_that_surely_failed_refuses(works: Plant) -> None:
    """The préfecture said no, then yes: nothing was in doubt, so the number is really taken."""
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "refuse"
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, envelope)
    works.prefecture.mode = "accept"
    await actes_send.transmit(works.deps, envelope)
    assert await works.outcomes() == ["failed", "accepted"]
    assert (await works.ingest(anomaly_mail("001")))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, -1]


async def test_another_anomaly_of_an_uncertain_sending_refuses(works: Plant) -> None:
    acte, envelope = await killed(works)
    assert (await works.ingest(anomaly_mail("007")))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, -1]
    works.elapse(WINDOW + SECOND)
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1


async def test_an_ar_before_the_record_of_the_sending(works: Plant) -> None:
    """The préfecture answers by mail while its HTTP answer is still on its way."""
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "hang"
    sent = asyncio.create_task(actes_send.transmit(works.deps, envelope))
    async with asyncio.timeout(20):
        await works.prefecture.whole.wait()
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    times = await works.fetch("select at from acte_workflow where transaction_id = $1 and status in (3, 4)", acte)
    assert len({row["at"] for row in times}) == 1  # one transaction
    works.prefecture.mode = "accept"
    works.prefecture.leaving.set()
    await sent
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert await works.outcomes() == ["settled"]


async def test_cut_at_90_percent_is_uncertain(works: Plant) -> None:
    acte, envelope = await works.packaged_acte(pdf=BIG_PDF)
    works.prefecture.mode = "cut"
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    assert await works.outcomes() == ["uncertain"]
    works.prefecture.mode = "accept"
    works.elapse(WINDOW + SECOND)
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1
    assert await works.acte_life(acte) == [1, 2, 3]


async def test_two_workers_at_once_send_once(works: Plant) -> None:
    """One was taken for dead and wakes up just when the other begins."""
    acte, envelope = await works.packaged_acte()
    ended = await asyncio.gather(*(actes_send.transmit(works.deps, envelope) for _ in range(4)), return_exceptions=True)
    assert len(works.prefecture.parcels) == 1
    assert {type(error) for error in ended} <= {type(None), Uncertain}
    assert await works.acte_life(acte) == [1, 2, 3]


async def test_a_sending_that_ends_while_another_begins_is_seen(works: Plant) -> None:
    """The table of attempts is held so that a second worker looks at it right when the first one ends."""
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    owner = await asyncpg.connect(works.database.owner_dsn)
    try:
        await owner.execute("update acte_transaction set status = 2")
        await owner.execute("update attempt set outcome = null")
        async with owner.transaction():
            await owner.execute("lock table attempt in access exclusive mode")
            second = asyncio.create_task(actes_send.transmit(works.deps, envelope))
            await until_blocked(owner, "the second worker at the table of attempts")
            await owner.execute("update attempt set outcome = 'accepted'")
            await owner.execute("update acte_transaction set status = 3")
        await second
    finally:
        await owner.close()
    assert len(works.prefecture.parcels) == 1


async def test_an_ar_that_comes_while_a_wait_is_decided_is_the_last_word(works: Plant) -> None:
    """The breaker is held so that a worker is told to wait when the AR of what may have arrived was just applied."""
    acte, envelope = await killed(works)
    works.elapse(WINDOW + SECOND)
    await breakers.force(works.deps, OPERATOR, Place(Remote.ACTES, works.routes[RouteKind.ACTES].id), "essai")
    owner = await asyncpg.connect(works.database.owner_dsn)
    try:
        async with owner.transaction():
            await owner.execute("select from breaker for update")
            second = asyncio.create_task(actes_send.transmit(works.deps, envelope))
            await until_blocked(owner, "the second worker at the breaker")
            assert (await works.ingest(ar_mail()))[0] == "handled"
        with pytest.raises(Held):
            await second
    finally:
        await owner.close()
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_what_is_given_up_while_its_sending_ends_keeps_the_record_of_it(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "hang"
    sent = asyncio.create_task(actes_send.transmit(works.deps, envelope))
    async with asyncio.timeout(20):
        await works.prefecture.whole.wait()
    owner = await asyncpg.connect(works.database.owner_dsn)
    try:
        async with owner.transaction():  # as actes_moves.give_up does
            await owner.execute("select from acte_envelope where id = $1 for no key update", envelope)
            await owner.execute("update acte_transaction set status = -1 where id = $1", acte)
            works.prefecture.mode = "accept"
            works.prefecture.leaving.set()
            await until_blocked(owner, "the end of the sending")
    finally:
        await owner.close()
    await sent
    assert (await works.outcomes(), await works.acte_status(acte)) == (["accepted"], -1)


async def test_package_twice_at_once_makes_one_archive(works: Plant) -> None:
    acte = await works.submit_acte(pdf=BIG_PDF)
    envelope = await works.envelope_of(acte)
    await actes_send.analyse(works.deps, acte)
    before = works.spooled()
    await asyncio.gather(*(actes_send.package(works.deps, envelope) for _ in range(3)), return_exceptions=True)
    assert await works.value("select count(*) from job where kind = 'actes.transmit'") == 1
    assert await works.acte_life(acte) == [1, 2]
    assert len(works.spooled()) - len(before) == 1


async def test_two_ars_at_once_in_two_workers(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    received = [await works.deliver(ar_mail()) for _ in range(2)]
    ended = await asyncio.gather(*(actes_receive.ingest(works.deps, one) for one in received), return_exceptions=True)
    for one, error in zip(received, ended, strict=True):
        if error is not None:  # the runner's second try
            await actes_receive.ingest(works.deps, one)
    assert await works.acte_life(acte) == [1, 2, 3, 4]
    assert sorted([(await works.handling(one))[0] for one in received]) == ["handled", "ignored"]
