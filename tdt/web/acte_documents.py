"""The documents of ACTES that a client downloads: files as posted or with their stamp, archives, bordereaux."""

from aiohttp import web

from tdt.db import actes as db
from tdt.db import batches
from tdt.domain.actes.model import ActeStatus
from tdt.domain.calendar import parse_civil_date
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeFileId, ActeId, BatchFileId, EnvelopeId
from tdt.flows import actes_documents
from tdt.web.actes import INDEX, check_view, get_followed
from tdt.web.call import Call, php_int, refused
from tdt.web.s2low import FILE_HEADERS, redirect, safe_filename, text

NO_ARCHIVE = "Erreur d'envoi du fichier : Le fichier archive n'est pas/plus disponible."
PDF = "application/pdf"
STAMP_HEADER = "X-Tdt-Tampon"
"""Whether the stamp is on the PDF, or the code that says why not (docs/errors.md)."""


async def download_file(call: Call) -> web.StreamResponse:
    """One file (`file`) as sent, or with its stamp (`tampon`); a file of a lot; the archive of an envelope (`env`)."""
    file_id, envelope_id = call.query.text("file"), call.query.text("env")
    if file_id.isdecimal() and call.query.text("type") == "batch":
        return await _send_batch_file(call, BatchFileId(php_int(file_id)))
    if file_id.isdecimal():
        return await _send_file(call, ActeFileId(php_int(file_id)))
    if envelope_id.isdecimal():
        return await _send_envelope(call, EnvelopeId(php_int(envelope_id)))
    raise refused("Paramètre manquant.", "")


async def _send_file(call: Call, file_id: ActeFileId) -> web.StreamResponse:
    async with call.transaction() as connection:
        file = await db.get_file(connection, file_id)
        envelope = await db.get_envelope(connection, file.envelope_id) if file is not None else None
        if file is None or envelope is None:
            raise Forbidden("Accès refusé", details={"page": INDEX})
        await check_view(call, connection, (envelope.account_id, envelope.authority_id))
    if call.query.is_true("tampon") and file.mimetype == PDF:
        return await _send_stamped(call, file)
    return await call.send(file.content_id, file.mimetype, file.posted_filename or file.name)


async def _send_batch_file(call: Call, file_id: BatchFileId) -> web.StreamResponse:
    """A file of a lot has a number of its own: that of an act's file is another file."""
    async with call.transaction() as connection:
        file = await batches.get_file(connection, file_id)
        batch = await batches.get_batch(connection, file.batch_id) if file is not None else None
        if file is None or batch is None:
            raise Forbidden("Accès refusé", details={"page": INDEX})
        await check_view(call, connection, (batch.account_id, batch.authority_id))
    return await call.send(file.content_id, PDF, file.posted_filename)


async def _send_stamped(call: Call, file: db.ActeFile) -> web.StreamResponse:
    """With its stamp, or as it is and why: what a client asked for never fails for want of a stamp."""
    published = parse_civil_date(call.query.text("date_affichage"))
    async with actes_documents.stamp(call.deps, call.scope, file, published) as stamped:
        headers = {**_business_headers(file.name), STAMP_HEADER: stamped.code}
        if stamped.body is not None:
            return await call.stream(stamped.body.read(), stamped.body.size, headers)
    return await call.send_as(file.content_id, headers)


def _business_headers(name: str) -> dict[str, str]:
    """S2LOW does not quote the name of a stamped PDF."""
    return {
        "Content-Type": PDF,
        "Content-Disposition": f"attachment; filename={safe_filename(name)}",
        **FILE_HEADERS,
    }


async def get_tampon(call: Call) -> web.StreamResponse:
    """Where the stamped act is; S2LOW's older way, deprecated, which some software still goes."""
    async with call.transaction() as connection:
        acte = await get_followed(call, connection)
        workflow = await db.list_workflow(connection, acte.id)
        files = await db.list_files(connection, acte.id)
    if all(step.status is not ActeStatus.ACQUITTEMENT_RECU for step in workflow):
        raise Refused("Pas d'acquittement recu")
    first = next((file for file in files if file.name.lower().endswith("pdf")), None)
    if first is None:
        return text(b"")
    return redirect(f"actes_download_file.php?file={first.id}&tampon=true")


async def _send_envelope(call: Call, envelope_id: EnvelopeId) -> web.StreamResponse:
    async with call.transaction() as connection:
        envelope = await db.get_envelope(connection, envelope_id)
        if envelope is None:
            raise Forbidden("Accès refusé", details={"page": INDEX})
        await check_view(call, connection, (envelope.account_id, envelope.authority_id))
    if envelope.content_id is None:
        raise refused(NO_ARCHIVE, "")
    return await call.send(envelope.content_id, "application/x-gzip", envelope.archive_name)


BORDEREAU_HEADERS = {
    "Content-Type": PDF,
    "Content-Disposition": 'inline; filename="acquittement.pdf"',
    "Cache-Control": "private, max-age=0, must-revalidate",
    "Pragma": "public",
}


async def create_pdf(call: Call) -> web.StreamResponse:
    """The bordereau d'acquittement of a transaction, whatever its state; shown by a browser rather than kept."""
    if not (number := call.query.text("trans_id")):
        raise refused("Pas d'identifiant de transaction spécifié", INDEX)
    async with call.transaction() as connection:
        acte = await db.get_transaction(connection, ActeId(php_int(number)))
        if acte is None:
            raise refused("Erreur d'initialisation de la transaction.", INDEX)
        await check_view(call, connection, (acte.account_id, acte.authority_id))
    async with actes_documents.write_bordereau(call.deps, call.scope, acte.id) as body:
        return await call.stream(body.read(), body.size, BORDEREAU_HEADERS)
