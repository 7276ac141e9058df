"""Letters of the préfecture: recorded once beside their act, acknowledged once, never given to another collectivité."""

import io
import tarfile

import pytest

from tdt.db import acte_letters
from tdt.domain.errors import Temporary, Uncertain
from tdt.domain.ids import ActeId, EnvelopeId
from tdt.flows import actes_send
from tests.faults.plant import SIREN, Plant, ar_mail, envelope_anomaly_mail, letter_mail

ACT = f"034-{SIREN}-20260309-2026_017-DE"


async def acknowledged_acte(works: Plant) -> ActeId:
    acte, envelope = await works.packaged_acte()
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(ar_mail())
    return acte


async def letters(works: Plant) -> list[ActeId]:
    return [
        ActeId(row["id"])
        for row in await works.fetch(
            "select id from acte_transaction where letter_date is not null or type in (2,5) order by id"
        )
    ]


async def acknowledgement(works: Plant, letter: ActeId) -> EnvelopeId:
    async with works.deps.transaction("system") as connection:
        made = await acte_letters.find_acknowledgement(connection, letter)
    assert made is not None
    return made


def names_in(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert all(member.isfile() and "/" not in member.name for member in tar)
        return tar.getnames()


async def archive_of(works: Plant, envelope: int) -> bytes:
    content = await works.value("select content_id from acte_envelope where id = $1", envelope)
    return b"".join([chunk async for chunk in works.deps.stream("system", content)])


async def test_a_demande_de_pieces_is_recorded_and_acknowledged(works: Plant) -> None:
    acte = await acknowledged_acte(works)
    mine = works.people["A"].user.authority_id
    assert await works.ingest(letter_mail("3-1")) == ("handled", mine)
    [letter] = await letters(works)
    row = (await works.fetch("select * from acte_transaction where id = $1", letter))[0]
    assert (row["related_id"], row["type"], row["unique_id"], row["letter_text"]) == (acte, 3, ACT, "Plan du bâtiment")
    assert row["letter_date"].isoformat() == "2026-07-02"
    assert await works.acte_life(letter) == [7]
    received = await works.value("select envelope_id from acte_transaction where id = $1", letter)
    assert names_in(await archive_of(works, received)) == [
        f"EACT--SPREF0343-{SIREN}-20260702-19.xml", f"{ACT}-3-1_19.xml", f"{ACT}-3-1_18.pdf",
    ]  # fmt: skip
    await actes_send.acknowledge(works.deps, letter)
    await actes_send.acknowledge(works.deps, letter)  # a job resumed after a crash
    sent = await acknowledgement(works, letter)
    await actes_send.transmit(works.deps, sent)
    await actes_send.transmit(works.deps, sent)
    assert await works.acte_life(letter) == [7, 8]
    assert len(works.prefecture.parcels) == 2
    name, archive = works.prefecture.parcels[1]
    assert name == await works.value("select archive_name from acte_envelope where id = $1", sent)
    assert name.endswith("-2.tar.gz")
    assert names_in(archive) == [name.removeprefix("TDT-").replace(".tar.gz", ".xml"), f"{ACT}-3-2_0.xml"]


@pytest.mark.parametrize(("code", "status"), [("2-1", 21), ("5-1", 21), ("4-1", 7)])
async def test_each_letter_has_its_first_status(works: Plant, code: str, status: int) -> None:
    await acknowledged_acte(works)
    assert (await works.ingest(letter_mail(code)))[0] == "handled"
    [letter] = await letters(works)
    assert await works.acte_life(letter) == [status]
    jobs = await works.value("select count(*) from job where kind = 'actes.acknowledge' and object_id = $1", letter)
    assert jobs == (1 if status == 7 else 0)


async def test_a_letter_that_comes_twice_is_one(works: Plant) -> None:
    await acknowledged_acte(works)
    assert [(await works.ingest(letter_mail("3-1")))[0] for _ in range(3)] == ["handled", "ignored", "ignored"]
    assert len(await letters(works)) == 1
    assert works.spooled() == []


async def test_two_letters_of_one_kind_and_one_day_are_two(works: Plant) -> None:
    await acknowledged_acte(works)
    await works.ingest(letter_mail("3-1", serial=19))
    await works.ingest(letter_mail("3-1", serial=29))
    first, second = await letters(works)
    for letter in (first, second):
        await actes_send.acknowledge(works.deps, letter)
        await actes_send.transmit(works.deps, await acknowledgement(works, letter))
    assert [await works.acte_life(one) for one in (first, second)] == [[7, 8], [7, 8]]


async def test_large_documents_are_spooled_and_nothing_stays_of_a_second_mail(works: Plant) -> None:
    await acknowledged_acte(works)
    big = b"%PDF-1.4\n" + bytes(range(256)) * 2000
    await works.ingest(letter_mail("3-1", pdf=big))
    kept = works.spooled()
    assert len(kept) >= 1
    assert (await works.ingest(letter_mail("3-1", pdf=big)))[0] == "ignored"
    raw = await works.value("select count(*) from content where place = 'spool'")
    assert len(works.spooled()) == raw


@pytest.mark.parametrize("code", ["2-1", "3-1", "4-1", "5-1"])
async def test_a_letter_about_an_act_that_never_left_is_for_the_operator(works: Plant, code: str) -> None:
    await works.packaged_acte()
    assert await works.ingest(letter_mail(code)) == ("set_aside", None)
    assert await works.ingest(letter_mail(code, act=ACT.replace("2026_017", "2026_099"))) == ("set_aside", None)
    assert await letters(works) == []


async def test_a_letter_for_another_siren_than_its_acts_is_for_the_operator(works: Plant) -> None:
    await acknowledged_acte(works)
    assert await works.ingest(letter_mail("3-1", siren="222222226")) == ("set_aside", None)
    assert await letters(works) == []


async def test_a_letter_that_outruns_the_ar_proves_the_sending(works: Plant) -> None:
    acte, envelope = await works.packaged_acte()
    works.prefecture.mode = "cut"
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(letter_mail("2-1")))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3]
    assert (await works.ingest(ar_mail()))[0] == "handled"
    assert await works.acte_life(acte) == [1, 2, 3, 4]


async def test_a_document_that_the_mail_does_not_hold_is_told_and_the_letter_kept(works: Plant) -> None:
    await acknowledged_acte(works)
    assert await works.ingest(letter_mail("3-1", pdf=None)) == ("set_aside", works.people["A"].user.authority_id)
    [letter] = await letters(works)
    messages = [
        row["message"]
        for row in await works.fetch("select message from acte_workflow where transaction_id = $1 order by id", letter)
    ]
    assert messages == ["Reçu par le Tdt", f"Document absent du courriel : {ACT}-3-1_18.pdf"]
    assert await works.value("select count(*) from job where kind = 'actes.acknowledge'") == 1
    # the whole mail at last: somebody must look, the collectivité must not have two letters
    assert (await works.ingest(letter_mail("3-1")))[0] == "set_aside"
    assert len(await letters(works)) == 1


async def test_an_acknowledgement_waits_while_the_prefecture_is_away(works: Plant) -> None:
    await acknowledged_acte(works)
    await works.ingest(letter_mail("4-1"))
    [letter] = await letters(works)
    await actes_send.acknowledge(works.deps, letter)
    sent = await acknowledgement(works, letter)
    works.prefecture.mode = "refuse"
    with pytest.raises(Temporary):
        await actes_send.transmit(works.deps, sent)
    assert await works.acte_life(letter) == [7]
    works.prefecture.mode = "accept"
    await actes_send.transmit(works.deps, sent)
    assert await works.acte_life(letter) == [7, 8]


async def test_an_acknowledgement_that_is_refused_is_for_the_operator(works: Plant) -> None:
    await acknowledged_acte(works)
    await works.ingest(letter_mail("4-1"))
    [letter] = await letters(works)
    await actes_send.acknowledge(works.deps, letter)
    sent = await acknowledgement(works, letter)
    await actes_send.transmit(works.deps, sent)
    name = await works.value("select name from acte_envelope where id = $1", sent)
    assert (await works.ingest(envelope_anomaly_mail(name)))[0] == "set_aside"
    assert await works.acte_status(letter) == 8
