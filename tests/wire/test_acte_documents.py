"""Stamped PDFs and bordereaux over the wire: exact headers, what is written; unstamped, and why, when it must be."""

import hashlib
import io
import json
import sys
from pathlib import Path

import pikepdf
import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, SimpleSigner, async_sign_pdf
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.validation import SignatureCoverageLevel
from reportlab.lib.pagesizes import A4
from structlog.testing import capture_logs

from tdt.config import Config, Documents, Stamp
from tdt.domain.ids import ActeId
from tdt.sandbox.pki import Pki
from tests import pdfs
from tests.postgres import TestDatabase
from tests.wire import test_actes_api as actes
from tests.wire.client import File
from tests.wire.stack import Stack, changed, run_stack
from tests.wire.test_actes_api import DOWNLOAD, FILES, PDF, create, fetchval, form, latin1, move

ready = actes.ready
BORDEREAU = "/modules/actes/actes_create_pdf.php"
TAMPON = "/modules/actes/actes_transac_get_tampon.php"
AR = (
    '<?xml version="1.0" encoding="ISO-8859-1"?>\n<actes:ARActe xmlns:actes="http://www.interieur.gouv.fr/ACTES#v1.1-'
    '20040216" actes:DateReception="2026-07-13" actes:IDActe="034-123456782-20200131-ACTE_1-DE"/>'
).encode("latin-1")
UNIQUE_ID = "034-123456782-20200131-ACTE_1-DE"


async def deposit(stack: Stack, data: bytes, annexe: bytes = PDF, acknowledged: bool = True) -> ActeId:
    """An act sent on the 12th of July, received on the 13th, with two annexes."""
    parts = [part for part in form(acte_pdf_file=File("délib été.pdf", data)) if part[0] != "acte_attachments[]"]
    annexes = [("acte_attachments[]", File(f"annexe {index}.pdf", annexe)) for index in range(2)]
    number = await create(stack, [*parts, *annexes])
    if acknowledged:
        await move(stack, number, 3, None)
        await fetchval(
            stack,
            "update acte_workflow set at = '2026-07-12T23:30:00+02' where status = 3 and transaction_id = $1"
            " returning id",
            number,
        )
        await move(stack, number, 4, AR)
    return number


async def file_of(stack: Stack, number: ActeId, position: int = 1) -> tuple[int, str]:
    row = await fetchval(
        stack, "select (id, name) from acte_file where transaction_id = $1 and position = $2", number, position
    )
    assert isinstance(row, tuple)
    return row[0], row[1]


def said(data: bytes, tmp_path: Path) -> str:
    """What poppler reads on the last page."""
    path = tmp_path / "answer.pdf"
    path.write_bytes(data)
    return " ".join(word.text for word in pdfs.see(path)[-1].words)


async def test_an_act_and_its_annexes_are_stamped(ready: Stack, tmp_path: Path) -> None:
    data, annexe = pdfs.make(A4, pages=3), pdfs.make(A4, pdfs.full_page)
    number = await deposit(ready, data, annexe)
    kept = ready.spooled()
    file, name = await file_of(ready, number)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true&date_affichage=2026-07-14")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"
    assert answer.headers["cache-control"] == "must-revalidate, post-check=0,pre-check=0"
    assert (answer.headers["expires"], answer.headers["pragma"]) == ("0", "public")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-tdt-tampon"] == "TAMPON_APPOSE"
    text = said(answer.body, tmp_path)
    for line in (
        "Envoyé en préfecture le 12/07/2026",
        "Reçu en préfecture le 13/07/2026",
        "Publié le 14/07/2026",
        f"ID : {UNIQUE_ID}",
    ):
        assert line in text
    again = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true&date_affichage=2026-07-14")
    assert again.body == answer.body
    plain = await ready.client().get(f"{DOWNLOAD}?file={file}")
    assert plain.body == data
    assert "x-tdt-tampon" not in plain.headers
    assert ready.spooled() == kept
    entry = json.loads((await ready.client().get(f"{FILES}?transaction={number}")).body)[3]
    assert entry["mimetype"] == "application/pdf"
    second = await ready.client().get(f"{DOWNLOAD}?file={entry['id']}&tampon=true")
    assert second.headers["content-disposition"] == f"attachment; filename={entry['name']}"
    assert f"ID : {UNIQUE_ID}" in said(second.body, tmp_path)


async def test_dates_that_are_not_known_are_left_to_fill_in(ready: Stack, tmp_path: Path) -> None:
    number = await deposit(ready, pdfs.make(A4), acknowledged=False)
    file, _ = await file_of(ready, number)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=1&date_affichage=demain")
    assert answer.headers["x-tdt-tampon"] == "TAMPON_APPOSE"
    assert f"Envoyé en préfecture le Reçu en préfecture le Publié le ID : {UNIQUE_ID}" in said(answer.body, tmp_path)


async def test_the_column_of_the_reception_is_believed_first(ready: Stack, tmp_path: Path) -> None:
    number = await deposit(ready, pdfs.make(A4))
    await fetchval(ready, "update acte_transaction set received_on = '2026-07-15' where id = $1 returning id", number)
    file, _ = await file_of(ready, number)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert "Reçu en préfecture le 15/07/2026" in said(answer.body, tmp_path)


def encrypted() -> bytes:
    output = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdfs.make(A4))) as pdf:
        pdf.save(output, encryption=pikepdf.Encryption(owner="maire", user=""))
    return output.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [(encrypted(), "TAMPON_PDF_CHIFFRE"), (PDF, "TAMPON_PDF_ILLISIBLE"), (pdfs.make(A4)[:900], "TAMPON_PDF_ILLISIBLE")],
    ids=["encrypted", "broken", "cut"],
)
async def test_a_pdf_that_cannot_be_stamped_comes_as_it_is_and_why(
    ready: Stack,
    data: bytes,
    code: str,
) -> None:
    number = await deposit(ready, data)
    file, name = await file_of(ready, number)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["x-tdt-tampon"] == code
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


async def test_a_document_that_is_too_much_for_a_child_comes_as_it_is(
    config: Config, database: TestDatabase, pki: Pki
) -> None:
    small = changed(config, documents=Documents(concurrency=1, memory_bytes=24 << 20, seconds=10))
    async with run_stack(small, database, pki) as stack:
        await classified(stack)
        data = pdfs.make(A4, pages=2)
        file, _ = await file_of(stack, await deposit(stack, data))
        answer = await stack.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
        assert (answer.body, answer.headers["x-tdt-tampon"]) == (data, "TAMPON_PDF_TROP_LOURD")


async def test_the_style_of_the_stamp_is_a_setting(
    config: Config, database: TestDatabase, pki: Pki, tmp_path: Path
) -> None:
    style = Stamp(position="bottom-left", x=20, y=5, pages="first", opacity=1)
    async with run_stack(changed(config, stamp=style), database, pki) as stack:
        await classified(stack)
        file, _ = await file_of(stack, await deposit(stack, pdfs.make(A4, pages=2)))
        answer = await stack.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
        (tmp_path / "answer.pdf").write_bytes(answer.body)
        first, second = pdfs.see(tmp_path / "answer.pdf")
        word = next(word for word in first.words if word.text == "Envoyé")
        assert 20 < word.left < 40
        assert first.height - 60 < word.top < first.height - 45
        assert "Envoyé" not in [word.text for word in second.words]


async def classified(stack: Stack) -> None:
    """As the fixture `ready` does, for a stack of another configuration."""
    authority = stack.authorities["A"]
    content = await fetchval(stack, actes.INSERT_BODY, authority, len(actes.CLASSIFICATION), actes.CLASSIFICATION)
    await fetchval(
        stack,
        "insert into acte_classification (authority_id, date, content_id) values ($1, '2019-03-01', $2) returning id",
        authority,
        content,
    )


async def test_what_the_prefecture_wrote_is_not_stamped(ready: Stack) -> None:
    data = pdfs.make(A4)
    number = await deposit(ready, data)
    await fetchval(ready, "update acte_envelope set received = true returning id")
    file, _ = await file_of(ready, number)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert (answer.body, answer.headers["x-tdt-tampon"]) == (data, "TAMPON_SANS_OBJET")


async def test_another_file_than_a_pdf_is_sent_under_its_posted_name(ready: Stack) -> None:
    number = await deposit(ready, pdfs.make(A4))
    file, _ = await file_of(ready, number, 0)
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    assert "x-tdt-tampon" not in answer.headers


async def test_the_old_way_to_the_stamped_act(ready: Stack) -> None:
    number = await deposit(ready, pdfs.make(A4), acknowledged=False)
    early = await ready.client().get(f"{TAMPON}?transaction={number}")
    assert (early.status, early.body) == (200, b"KO\nPas d'acquittement recu")
    await move(ready, number, 4, AR)
    await move(ready, number, 0, None)
    file, _ = await file_of(ready, number)
    for query in (f"transaction={number}", f"unique_id={UNIQUE_ID}"):
        for method in (ready.client().get(f"{TAMPON}?{query}"), ready.client().post(f"{TAMPON}?{query}", [])):
            answer = await method
            assert (answer.status, answer.body) == (302, b"")
            assert answer.headers["location"] == f"actes_download_file.php?file={file}&tampon=true"
    unknown = await ready.client().get(f"{TAMPON}?transaction=999999")
    assert unknown.body == latin1("KO\nNuméro de transaction invalide.")
    await fetchval(ready, "delete from acte_file where position > 0 returning id")
    empty = await ready.client().get(f"{TAMPON}?transaction={number}")
    assert (empty.status, empty.body) == (200, b"")


async def test_the_bordereau_of_a_transaction(ready: Stack, tmp_path: Path) -> None:
    number = await deposit(ready, pdfs.make(A4))
    answer = await ready.client().get(f"{BORDEREAU}?trans_id={number}")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == 'inline; filename="acquittement.pdf"'
    assert answer.headers["content-length"] == str(len(answer.body))
    path = tmp_path / "bordereau.pdf"
    path.write_bytes(answer.body)
    text = " ".join(word.text for page in pdfs.see(path) for word in page.words)
    digest = hashlib.sha256(pdfs.make(A4)).hexdigest()
    for part in (UNIQUE_ID, "Délibération sur l'été", digest, "12/07/2026 à 23:30:00", "13/07/2026", "Dépôt initial"):
        assert part in text
    again = await ready.client().post(f"{BORDEREAU}?trans_id={number}", [])
    assert again.body == answer.body


async def test_the_bordereau_shows_each_letter_and_then_its_answers(ready: Stack, tmp_path: Path) -> None:
    number = await deposit(ready, pdfs.make(A4))
    hanging = (
        "insert into acte_transaction (authority_id, account_id, envelope_id, related_id, type, type_reponse, status)"
        " select authority_id, account_id, envelope_id, $2, $3, $4, $5 from acte_transaction where id = $1 returning id"
    )
    first = await fetchval(ready, hanging, number, number, 3, None, 8)
    await fetchval(ready, hanging, number, number, 4, None, 8)
    await fetchval(ready, hanging, number, first, 3, 4, 4)
    path = tmp_path / "bordereau.pdf"
    path.write_bytes((await ready.client().get(f"{BORDEREAU}?trans_id={number}")).body)
    text = " ".join(word.text for page in pdfs.see(path) for word in page.words)
    shown = text[text.index("Échanges liés") :]
    labels = ("Demande de pièces complémentaires", "Transmission de pièces complémentaires", "Lettre d’observations")
    places = [shown.find(label) for label in labels]
    assert -1 < places[0] < places[1] < places[2], shown


async def test_a_bordereau_whatever_the_state_and_what_is_refused(ready: Stack) -> None:
    number = await deposit(ready, pdfs.make(A4), acknowledged=False)
    early = await ready.client().get(f"{BORDEREAU}?trans_id={number}")
    assert early.body.startswith(b"%PDF-")
    for query in ("", "?trans_id=", "?trans_id=999999", "?trans_id=abc"):
        refused = await ready.client().get(f"{BORDEREAU}{query}")
        assert (refused.status, refused.body, refused.headers["location"]) == (302, b"", actes.INDEX)


async def signed(data: bytes, pki: Pki) -> bytes:
    """With a PAdES signature, which covers every byte."""
    client = pki.directory / "clients"
    signer = SimpleSigner.load(  # type: ignore[no-untyped-call]
        str(client / "certonly.key"), str(client / "certonly.pem")
    )
    assert signer is not None
    metadata = PdfSignatureMetadata(field_name="Maire", subfilter=SigSeedSubFilter.PADES)
    output = await async_sign_pdf(IncrementalPdfFileWriter(io.BytesIO(data)), metadata, signer)
    return bytes(output.getvalue())


async def test_a_signed_pdf_is_stamped_on_a_copy_the_original_stays_beside(ready: Stack, tmp_path: Path) -> None:
    data = await signed(pdfs.make(A4), ready.pki)
    file, _ = await file_of(ready, await deposit(ready, data))
    with capture_logs() as lines:
        stamped = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert stamped.headers["x-tdt-tampon"] == "TAMPON_APPOSE"
    assert f"ID : {UNIQUE_ID}" in said(stamped.body, tmp_path)
    assert [line["signed"] for line in lines if line["event"] == "stamped"] == [True]
    plain = await ready.client().get(f"{DOWNLOAD}?file={file}")
    assert plain.body == data
    [signature] = PdfFileReader(io.BytesIO(plain.body)).embedded_signatures
    signature.compute_integrity_info()
    assert signature.evaluate_signature_coverage() is SignatureCoverageLevel.ENTIRE_FILE


async def test_without_a_child_the_pdf_comes_as_it_is(ready: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pdfs.make(A4)
    file, _ = await file_of(ready, await deposit(ready, data))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    answer = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["x-tdt-tampon"] == "TAMPON_INDISPONIBLE"
    monkeypatch.undo()
    again = await ready.client().get(f"{DOWNLOAD}?file={file}&tampon=true")
    assert again.headers["x-tdt-tampon"] == "TAMPON_APPOSE"
