"""Stored bytes of an acte that change: nothing of them leaves, whatever changed, whenever, wherever they lay."""

import importlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tdt.config import Mail
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.audit import Actor, Source
from tdt.domain.errors import Permanent, Temporary, Uncertain
from tdt.domain.ids import ActeId, ContentId, EnvelopeId
from tdt.flows import acte_releases, actes_moves, actes_send, contents
from tests.faults.plant import BIG_PDF, WINDOW, Plant, ar_mail, letter_mail, plant
from tests.faults.test_rescue import attempts, broken, stuck, use
from tests.pdf_files import PDF, small_pdf
from tests.postgres import TestDatabase

LARGE_PDF = small_pdf(random.Random(2).randbytes(3_000_000))
"""Read and sent in several pieces."""
OPERATOR = Actor(Source.CLI, None, "exploitant")
SECOND = timedelta(seconds=1)
ARCHIVE = "(select content_id from acte_envelope order by id desc limit 1)"
PIECE = "(select content_id from acte_file where mimetype = 'application/pdf')"
MESSAGE = "(select content_id from acte_file where mimetype <> 'application/pdf')"
FLIPPED = "set_byte(data, length(data) - 1, get_byte(data, length(data) - 1) # 1)"
"""The same bytes but for a bit of the last one: neither the size nor the first pieces tell."""


async def flip(works: Plant, which: str) -> None:
    """A bit of a body, wherever it lies."""
    [row] = await works.fetch(f"select id, place, spool_name from content where id = {which}")
    if row["place"] == "spool":
        path = works.deps.spool.directory / row["spool_name"]
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    elif row["place"] == "row":
        await works.fetch(f"update content set data = {FLIPPED} where id = $1", row["id"])
    else:
        last = "(select max(seq) from content_chunk where content_id = $1)"
        changed = f"update content_chunk set data = {FLIPPED} where content_id = $1 and seq = {last}"
        await works.fetch(changed, row["id"])


async def refuse_once(works: Plant, envelope: EnvelopeId) -> None:
    works.prefecture.mode = "refuse"
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, envelope)
    works.prefecture.mode = "accept"
    works.prefecture.parcels.clear()


async def last_words(works: Plant, acte: ActeId) -> str:
    return str(
        await works.value("select message from acte_workflow where transaction_id = $1 order by id desc limit 1", acte)
    )


@pytest.mark.parametrize("place", ["row", "spool", "archive"])
async def test_an_archive_that_changes_between_two_tries_does_not_leave(works: Plant, place: str) -> None:
    acte, envelope = await works.packaged_acte(pdf=PDF if place == "row" else BIG_PDF)
    if place == "archive":
        await contents.archive(works.deps, ContentId(await works.value(f"select {ARCHIVE}")))
    assert await works.value(f"select place from content where id = {ARCHIVE}") == place
    await refuse_once(works, envelope)
    await flip(works, ARCHIVE)
    await actes_send.transmit(works.deps, envelope)
    assert works.prefecture.parcels == []
    assert await works.acte_life(acte) == [1, 2, -1]
    assert "a été altérée" in await last_words(works, acte)
    assert await works.outcomes() == ["failed", "failed"]
    # surely not with the ministry: restored, it leaves as it was
    await flip(works, ARCHIVE)
    await actes_moves.put_again(works.deps, OPERATOR, acte, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
    await actes_send.transmit(works.deps, envelope)
    assert await works.acte_status(acte) == 3
    assert len(works.prefecture.parcels) == 1


async def test_an_archive_that_changes_before_its_first_try_does_not_leave(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    await flip(works, ARCHIVE)
    await actes_send.transmit(works.deps, envelope)
    assert (works.prefecture.parcels, await works.acte_life(acte)) == ([], [1, 2, -1])


async def test_operators_are_told_of_what_changed(database: TestDatabase, tmp_path: Path) -> None:
    mail = Mail(host="127.0.0.1", sender="tdt@example.fr", operators=["a@example.fr"])
    async with plant(database, tmp_path, mail=mail) as works:
        acte, envelope = await works.packaged_acte()
        await flip(works, ARCHIVE)
        await actes_send.transmit(works.deps, envelope)
        [told] = await works.fetch("select recipient, body from notice")
        assert told["recipient"] == "a@example.fr"
        assert f"actes:{acte}" in told["body"] and "tdt verify" in told["body"]


async def test_an_archive_whose_digest_is_changed_too_does_not_leave(works: Plant) -> None:
    """The attempts keep the digest of what left, or was to."""
    acte, envelope = await works.packaged_acte()
    await refuse_once(works, envelope)
    await flip(works, ARCHIVE)
    await works.fetch(f"update content set sha256 = sha256(data) where id = {ARCHIVE}")
    await actes_send.transmit(works.deps, envelope)
    assert (works.prefecture.parcels, await works.acte_life(acte)) == ([], [1, 2, -1])


async def test_an_archive_that_may_have_left_is_for_the_operator(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "cut"
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    works.prefecture.mode = "accept"
    await flip(works, ARCHIVE)
    works.elapse(WINDOW + SECOND)
    with pytest.raises(Permanent) as caught:
        await actes_send.transmit(works.deps, envelope)
    assert caught.value.code == "ACTE_ALTERE"
    # what an operator decides does not make the bytes right
    await works.fetch("update job set state = 'dead' where kind = 'actes.transmit'")
    await acte_releases.resend(works.deps, OPERATOR, acte, "essai")
    with pytest.raises(Permanent):
        await actes_send.transmit(works.deps, envelope)
    assert (works.prefecture.parcels, await works.acte_life(acte)) == ([], [1, 2, 2])
    # it had arrived: its AR settles it as ever
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 2, 3, 4]


async def test_an_archive_that_changes_while_the_main_address_is_waited_for_is_not_rescued(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    async with stuck(works, envelope) as sending:
        await flip(works, ARCHIVE)
    assert sending.exception() is None
    assert (works.prefecture.parcels, await works.acte_life(acte)) == ([], [1, 2, -1])
    assert await attempts(works) == [("main", "failed", False), ("rescue", "failed", False)]


async def test_an_outage_of_the_main_address_changes_nothing_for_what_is_intact(works: Plant, tmp_path: Path) -> None:
    _, envelope = await works.packaged_acte(pdf=BIG_PDF)
    async with broken("closed", tmp_path) as (_, main):
        await use(works, main, f"https://localhost:{works.prefecture.port}/")
        await actes_send.transmit(works.deps, envelope)
    assert await attempts(works) == [("main", "failed", False), ("rescue", "accepted", True)]


@pytest.mark.parametrize("pdf", [PDF, LARGE_PDF], ids=["one piece", "several"])
async def test_an_archive_that_changes_once_it_was_looked_at_never_leaves_whole(
    works: Plant, monkeypatch: pytest.MonkeyPatch, pdf: bytes
) -> None:
    """While the ministry makes itself ready to take it, or even while it goes."""
    acte, envelope = await works.packaged_acte(pdf=pdf)
    module = importlib.import_module("tdt.flows.actes_send.transmit")
    sending = module._Sending
    look: Callable[..., Awaitable[None]] = sending.check_bytes

    async def then_change(self: object) -> None:
        await look(self)
        await flip(works, ARCHIVE)

    monkeypatch.setattr(sending, "check_bytes", then_change)
    with pytest.raises((Uncertain, Temporary)):
        await actes_send.transmit(works.deps, envelope)
    monkeypatch.setattr(sending, "check_bytes", look)
    assert works.prefecture.parcels == []
    assert await works.acte_status(acte) == 2
    works.elapse(WINDOW + SECOND)
    if pdf == PDF:  # not a byte of it had left
        await actes_send.transmit(works.deps, envelope)
        assert await works.acte_life(acte) == [1, 2, -1]
    else:
        with pytest.raises(Permanent):
            await actes_send.transmit(works.deps, envelope)
        assert await works.acte_life(acte) == [1, 2]
    assert works.prefecture.parcels == []


async def test_an_acknowledgement_whose_archive_changes_is_for_the_operator(works: Plant) -> None:
    """Its letter came from the préfecture: it is in no error."""
    _, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(ar_mail())
    works.prefecture.parcels.clear()
    await works.ingest(letter_mail("3-1"))
    letter = await works.value("select id from acte_transaction where type = 3")
    await actes_send.acknowledge(works.deps, letter)
    await flip(works, ARCHIVE)
    answer = await works.value("select max(id) from acte_envelope")
    with pytest.raises(Permanent) as caught:
        await actes_send.transmit(works.deps, answer)
    assert caught.value.code == "ACTE_ALTERE"
    assert (works.prefecture.parcels, await works.acte_status(letter)) == ([], 7)


@pytest.mark.parametrize(
    ("which", "pdf", "archived"),
    [(PIECE, PDF, False), (PIECE, BIG_PDF, False), (PIECE, BIG_PDF, True), (MESSAGE, PDF, False)],
    ids=["small", "spooled", "archived", "message"],
)
async def test_a_piece_that_changes_before_the_packaging_does_not_leave(
    works: Plant, which: str, pdf: bytes, archived: bool
) -> None:
    acte = await works.submit_acte(pdf=pdf)
    await actes_send.analyse(works.deps, acte)
    if archived:
        await contents.archive(works.deps, ContentId(await works.value(f"select {which}")))
    await flip(works, which)
    await actes_send.package(works.deps, await works.envelope_of(acte))
    assert await works.acte_life(acte) == [1, -1]
    name = await works.value(f"select name from acte_file where content_id = {which}")
    assert (await last_words(works, acte)).startswith(f"Enveloppe invalide : Le fichier {name} a été altéré")
    assert await works.value("select count(*) from job where kind = 'actes.transmit'") == 0
    kept = await works.fetch("select spool_name from content where place = 'spool'")
    assert works.spooled() == sorted(row["spool_name"] for row in kept)


async def test_memory_stays_flat_and_an_intact_archive_is_read_no_more_than_twice(
    works: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, envelope = await works.packaged_acte(pdf=BIG_PDF)
    read = list[int]()
    stream = Deps.stream

    async def counting(self: Deps, scope: object, content: ContentId) -> AsyncIterator[bytes]:
        async for chunk in stream(self, scope, content):  # type: ignore[arg-type]
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(Deps, "stream", counting)
    await actes_send.transmit(works.deps, envelope)
    [(_, archive)] = works.prefecture.parcels
    assert sum(read) == 2 * len(archive)
