"""Several acts in one envelope: checked together, sent once and whole, each with an answer of its own."""

import asyncio
import io
import tarfile
from dataclasses import replace

import pytest

from tdt.domain.errors import Refused, Temporary, Uncertain
from tdt.domain.ids import ActeId, EnvelopeId
from tdt.flows import actes_send, actes_submit
from tests.actes_archives import Acte, Idcl, Parcel, acte_parcel
from tests.faults.plant import SIREN, WINDOW, Plant, anomaly_mail, ar_mail, envelope_anomaly_mail
from tests.pdf_files import PDF

ONE = Acte(number="ENS_0", date="2026-03-09", siren=SIREN, files=(("99_DE", "pdf", PDF),))
ACTES = [replace(ONE, number=f"ENS_{place}") for place in range(3)]


def parcel(*actes: Acte, serial: int = 1) -> Parcel:
    parcels = [acte_parcel(acte, serial, Idcl(siren=SIREN)) for acte in actes or ACTES]
    return replace(
        parcels[0],
        messages={name: data for one in parcels for name, data in one.messages.items()},
        documents={name: data for one in parcels for name, data in one.documents.items()},
    )


async def submit(works: Plant, sent: Parcel) -> list[ActeId]:
    body = await works.body(sent.build())
    return await actes_submit.submit_ready(works.deps, works.people["A"], sent.name, body)


async def packaged(works: Plant, sent: Parcel) -> tuple[list[ActeId], EnvelopeId]:
    numbers = await submit(works, sent)
    envelope = await works.envelope_of(numbers[0])
    await actes_send.analyse(works.deps, numbers[0])
    await actes_send.package(works.deps, envelope)
    return numbers, envelope


async def statuses(works: Plant, numbers: list[ActeId]) -> list[int]:
    return [await works.acte_status(number) for number in numbers]


def entries(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


async def test_one_archive_for_all_and_an_answer_for_each(works: Plant) -> None:
    sent = parcel()
    numbers, envelope = await packaged(works, sent)
    assert await statuses(works, numbers) == [2, 2, 2]
    await actes_send.transmit(works.deps, envelope)
    assert await statuses(works, numbers) == [3, 3, 3]
    [(name, archive)] = works.prefecture.parcels
    assert name == sent.name
    left = entries(archive)
    envelope_xml = left.pop(sent.envelope_name)
    posted = sent.entries()
    posted.pop(sent.envelope_name)
    assert left == posted
    assert b"<actes:Email>retours@tdt.test</actes:Email>" in envelope_xml
    mine = works.people["A"].user.authority_id
    assert await works.ingest(ar_mail(number="ENS_1")) == ("handled", mine)
    assert await works.ingest(anomaly_mail("007", number="ENS_0")) == ("handled", mine)
    assert await statuses(works, numbers) == [-1, 4, 3]
    assert await works.ingest(ar_mail(number="ENS_2")) == ("handled", mine)
    assert await statuses(works, numbers) == [-1, 4, 4]
    await actes_send.transmit(works.deps, envelope)
    assert len(works.prefecture.parcels) == 1


async def test_an_anomaly_of_the_envelope_is_for_all(works: Plant) -> None:
    numbers, envelope = await packaged(works, parcel())
    await actes_send.transmit(works.deps, envelope)
    await works.ingest(ar_mail(number="ENS_1"))
    assert (await works.ingest(envelope_anomaly_mail(parcel().envelope_name)))[0] == "handled"
    assert await statuses(works, numbers) == [-1, 4, -1]


async def test_one_act_refused_refuses_the_envelope_and_nothing_leaves(works: Plant) -> None:
    wrong = replace(ACTES[1], files=(("99_XX", "pdf", PDF),))
    numbers, _ = await packaged(works, parcel(ACTES[0], wrong, ACTES[2]))
    assert await statuses(works, numbers) == [-1, -1, -1]
    reason = f"La typologie 99_XX n'est pas permise sur le fichier {next(iter(wrong.documents()))}"
    messages = [
        await works.value("select message from acte_workflow where transaction_id = $1 and status = -1", number)
        for number in numbers
    ]
    together = f"Enveloppe invalide : la transaction {numbers[1]} de la même enveloppe est refusée ({reason})"
    assert messages == [together, f"Enveloppe invalide : {reason}", together]
    assert await works.value("select count(*) from job where kind in ('actes.package', 'actes.transmit')") == 0


async def test_an_analysis_made_twice_changes_nothing(works: Plant) -> None:
    """A worker taken for dead wakes up: the archive is built once all the same."""
    numbers, envelope = await packaged(works, parcel())
    for number in numbers:
        await actes_send.analyse(works.deps, number)
    await actes_send.package(works.deps, envelope)
    assert await statuses(works, numbers) == [2, 2, 2]
    assert await works.value("select count(*) from job where kind = 'actes.transmit'") == 1


async def test_the_answer_to_one_act_proves_the_sending_of_all(works: Plant) -> None:
    numbers, envelope = await packaged(works, parcel())
    works.prefecture.mode = "cut"
    with pytest.raises(Uncertain):
        await actes_send.transmit(works.deps, envelope)
    assert (await works.ingest(ar_mail(number="ENS_2")))[0] == "handled"
    assert await statuses(works, numbers) == [3, 3, 4]
    works.prefecture.mode = "accept"
    works.elapse(WINDOW * 2)
    await actes_send.transmit(works.deps, envelope)
    assert works.prefecture.parcels == []
    assert (await works.ingest(ar_mail(number="ENS_0")))[0] == "handled"
    assert await statuses(works, numbers) == [4, 3, 4]


async def test_two_posts_of_one_envelope_at_once(works: Plant) -> None:
    results = await asyncio.gather(*(submit(works, parcel()) for _ in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Refused", "Refused", "Refused", "list"]
    refused = next(result for result in results if isinstance(result, Refused))
    assert refused.code in ("ENVELOPPE_DEJA_DEPOSEE", "ACTE_NUMERO_PRIS")
    assert await works.value("select count(*) from acte_transaction") == 3
    assert works.spooled() == []


async def test_a_message_outside_the_grammar_refuses_the_envelope(works: Plant) -> None:
    acte = ACTES[0]
    message = acte.message().replace(b"<actes:DocumentPapier>N</actes:DocumentPapier>", b"<actes:Autre/>")
    sent = replace(parcel(acte, ACTES[1]), changes={acte.message_name: message})
    numbers, _ = await packaged(works, sent)
    assert await statuses(works, numbers) == [-1, -1]


async def test_a_database_that_is_away_is_no_refusal(works: Plant) -> None:
    sent = parcel(replace(ONE, files=(("99_DE", "pdf", b"%PDF-1.4\n" + bytes(range(256)) * 3000),)))
    body = await works.body(sent.build())
    works.deps.pool.terminate()
    with pytest.raises(Temporary):
        await actes_submit.submit_ready(works.deps, works.people["A"], sent.name, body)
