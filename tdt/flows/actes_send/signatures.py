"""The signatures of a transaction's documents: inside its PDFs, and detached beside them; a report on each document."""

import asyncio
import hashlib

from tdt.db.acte_reports import Report, Verdict
from tdt.db.actes import Acte, ActeFile
from tdt.deps import Deps
from tdt.documents.signatures import DETACHED_SIGNATURE, PDF_SIGNATURES, XML_SIGNATURES, Detached, PdfSignaturesOrder
from tdt.domain.actes import filetype
from tdt.domain.actes.signatures import (
    SIGNATURE_FILE,
    XmlSignaturesOrder,
    find_fault,
    invalid_signature,
    must_be_known,
    recorded,
)
from tdt.domain.errors import Refused, Temporary
from tdt.domain.signatures import Signature, Signatures, Signer
from tdt.flows.actes_send.children import Look, run
from tdt.flows.actes_send.findings import Findings, Posted


async def check_signatures(deps: Deps, posted: Posted) -> Findings:
    """Every signature of every document must hold, and its certificate be known where that is asked for."""
    reports, refusals = [], []
    for file in posted.documents:
        try:
            found = await _read(deps, posted, file)
        except Refused as refused:
            reports.append(Report(file.position, "signature", "refused", {"code": refused.code}))
            refusals.append(refused.message)
            continue
        report, refusal = await _judge(deps, posted.acte, file, found)
        reports += [report] if report is not None else []
        refusals += [refusal] if refusal else []
    return Findings(tuple(reports), refusals[0] if refusals else "")


async def _read(deps: Deps, posted: Posted, file: ActeFile) -> Signatures:
    look = Look(posted.acte, "signature", [file])
    found: list[Signature] = []
    faults: list[str] = []
    if file.mimetype == filetype.PDF:
        inside = await run(deps, look, PDF_SIGNATURES, PdfSignaturesOrder())
        found += inside.found
        faults += [inside.fault]
    if file.mimetype == filetype.XML and file.code_pj == SIGNATURE_FILE:
        others = [one for one in posted.documents if one.position != file.position]
        digests = tuple([digest for one in others for digest in await _digests(deps, one)])
        found += (await run(deps, look, XML_SIGNATURES, XmlSignaturesOrder(digests))).found
    if file.signature:
        beside = await run(deps, look, DETACHED_SIGNATURE, Detached(file.signature))
        found += beside.found
        faults += [beside.fault]
    return Signatures(tuple(found), next((fault for fault in faults if fault), ""))


async def _digests(deps: Deps, file: ActeFile) -> list[str]:
    """Of a document, by each algorithm that a signature beside it may have used."""
    digests = [hashlib.new(name) for name in ("sha256", "sha384", "sha512")]
    async for chunk in deps.stream("system", file.content_id):
        for digest in digests:
            await asyncio.to_thread(digest.update, chunk)
    return [digest.hexdigest() for digest in digests]


async def _judge(deps: Deps, acte: Acte, file: ActeFile, signatures: Signatures) -> tuple[Report | None, str]:
    """None for a document that is not signed, unless it should be a signature."""
    if signatures.fault:
        words = invalid_signature(file.name, "", f"elle ne peut pas être lue ({signatures.fault})")
        return Report(file.position, "signature", "refused", {"fault": signatures.fault}), words
    if not signatures.found:
        unread = Report(file.position, "signature", "not_applicable", {"fault": "aucune signature reconnue"})
        return unread if file.code_pj == SIGNATURE_FILE else None, ""
    known = must_be_known(acte.nature_code, acte.classif, deps.config.actes.verify_signing_certificate)
    entries, refusals = [], []
    for signature in signatures.found:
        signer = await _identify(deps, signature, known)
        fault = find_fault(signature, signer, known)
        entries.append(recorded(signature, signer, fault))
        refusals += [invalid_signature(file.name, signature.name, fault)] if fault else []
    data = {"signatures": entries, "certificates_required": known}
    unverified = any(signature.unverified for signature in signatures.found)
    verdict: Verdict = "refused" if refusals else "not_applicable" if unverified else "passed"
    return Report(file.position, "signature", verdict, data), "".join(refusals[:1])


async def _identify(deps: Deps, signature: Signature, known: bool) -> Signer:
    if not signature.certificate:
        return Signer()
    try:
        return await asyncio.to_thread(deps.signers.identify, signature, deps.now())
    except Temporary as error:
        if known and signature.kind == "signature":
            raise
        return Signer(refusal=error.message)
