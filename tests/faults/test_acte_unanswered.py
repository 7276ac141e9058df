"""What the ministry leaves without answer: told after hours, closed after thirty days, and its answer still taken."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from tdt.domain.actes.model import PostedFile
from tdt.domain.actes.replies import Reply
from tdt.domain.audit import Actor, Source
from tdt.domain.ids import ActeId
from tdt.flows import actes_closing, actes_moves, actes_send, actes_submit
from tdt.workers.metrics import WorkerMetrics
from tdt.workers.schedule import watch_unanswered
from tests.faults.plant import Plant, anomaly_mail, ar_mail, letter_mail
from tests.pdf_files import PDF

MONTH = timedelta(days=30, minutes=1)


async def last_words(works: Plant, acte: int) -> str:
    words: str = await works.value(
        "select message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte
    )
    return words


async def test_it_is_closed_after_thirty_days_once(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(timedelta(days=29, hours=23))
    assert await actes_closing.close_unanswered(works.deps) == 0
    works.elapse(timedelta(hours=2))
    assert await actes_closing.close_unanswered(works.deps) == 1
    assert await actes_closing.close_unanswered(works.deps) == 0
    assert await works.acte_life(acte) == [1, 2, 3, -1]
    assert await last_words(works, acte) == "Fermeture automatique de la transaction de plus de 30 jours"
    audit = await works.fetch("select object_id, data from audit where tag = 'system:acte:close_unanswered'")
    assert [row["object_id"] for row in audit] == [acte]


async def test_an_act_that_is_not_sent_or_is_answered_is_left_alone(works: Plant) -> None:
    waiting, _ = await works.packaged_acte()
    sent, envelope = await works.packaged_acte("2026_018")
    await actes_send.transmit(works.deps, envelope)
    await works.fetch("update acte_transaction set status = 4 where id = $1 returning id", sent)
    works.elapse(MONTH)
    assert await actes_closing.close_unanswered(works.deps) == 0
    assert (await works.acte_status(waiting), await works.acte_status(sent)) == (2, 4)


async def test_an_answer_to_a_courrier_simple_has_no_answer_to_wait_for(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(ar_mail())
    await works.ingest(letter_mail("2-1"))
    letter = ActeId(await works.value("select id from acte_transaction where related_id = $1", acte))
    form = Reply("", "99_DE", PostedFile("réponse.pdf", len(PDF), PDF[:4096]))
    body = await works.body(PDF)
    made = await actes_submit.reply(works.deps, works.people["A"], letter, form, [body])
    await actes_send.analyse(works.deps, made)
    sent = await works.envelope_of(made)
    await actes_send.package(works.deps, sent)
    await actes_send.transmit(works.deps, sent)
    works.elapse(MONTH)
    assert await actes_closing.close_unanswered(works.deps) == 0
    assert await works.acte_life(made) == [1, 2, 3]


async def test_an_installation_may_never_close(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(timedelta(days=400))
    kept = msgspec.structs.replace(works.deps.config.actes, close_after_days=0)
    deps = replace(works.deps, config=msgspec.structs.replace(works.deps.config, actes=kept))
    assert await actes_closing.close_unanswered(deps) == 0
    assert await works.acte_status(acte) == 3


async def test_many_are_closed_in_batches(works: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actes_closing, "CLOSED_AT_ONCE", 2)
    for number in range(5):
        _, envelope = await works.packaged_acte(f"2026_{number}")
        await actes_send.transmit(works.deps, envelope)
    works.elapse(MONTH)
    assert await actes_closing.close_unanswered(works.deps) == 5


async def test_the_ar_that_comes_after_the_closing_is_taken(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(MONTH)
    await actes_closing.close_unanswered(works.deps)
    mine = works.people["A"].user.authority_id
    assert await works.ingest(ar_mail()) == ("handled", mine)
    assert await works.acte_life(acte) == [1, 2, 3, -1, 3, 4]
    assert await works.ingest(ar_mail()) == ("ignored", mine)
    audit = await works.fetch("select object_id from audit where tag = 'system:acte:late_answer'")
    assert [row["object_id"] for row in audit] == [acte]


async def test_the_anomaly_that_comes_after_the_closing_gives_the_true_reason(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(MONTH)
    await actes_closing.close_unanswered(works.deps)
    assert (await works.ingest(anomaly_mail("007")))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, -1, 3, -1]
    assert (await last_words(works, acte)).startswith("Anomalie signalee par le MI : 007")
    # from now on it is the ministry's: an AR would contradict it
    assert (await works.ingest(ar_mail()))[0] == "set_aside"


async def test_the_ar_of_an_act_given_up_by_hand_is_taken(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await actes_moves.give_up(works.deps, Actor(Source.CLI, None, "essai"), acte)
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_status(acte) == 4


async def test_an_act_given_up_before_it_was_sent_has_no_answer(works: Plant) -> None:
    """Anybody can write to a mailbox: without a sending on record, a mail proves nothing."""
    acte, envelope = await works.packaged_acte()
    await actes_moves.give_up(works.deps, Actor(Source.CLI, None, "essai"), acte)
    assert (await works.ingest(ar_mail()))[0] == "set_aside"
    await actes_send.transmit(works.deps, envelope)
    assert works.prefecture.parcels == []
    assert await works.acte_life(acte) == [1, 2, -1]


async def test_what_waits_too_long_is_counted(works: Plant) -> None:
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(timedelta(hours=3, minutes=59))
    assert (await actes_closing.count_unanswered(works.deps)).count == 0
    works.elapse(timedelta(minutes=2))
    found = await actes_closing.count_unanswered(works.deps)
    assert found.count == 1
    assert found.since is not None
    await works.ingest(ar_mail())
    assert (await actes_closing.count_unanswered(works.deps)).count == 0


class Shown(WorkerMetrics):
    """Metrics that say when they have been given the count."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = asyncio.Event()

    def show_unanswered(self, count: int) -> None:
        super().show_unanswered(count)
        self.shown.set()


async def test_it_is_shown_in_the_metrics(works: Plant) -> None:
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    works.elapse(timedelta(hours=5))
    metrics = Shown()
    watching = asyncio.create_task(watch_unanswered(works.deps, metrics))
    await asyncio.wait_for(metrics.shown.wait(), 10)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert b"tdt_actes_unanswered 1.0" in metrics.render()
