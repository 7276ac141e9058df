"""Every PDF of a transaction must be one that anybody can open, to its last page."""

from dataclasses import asdict

from tdt.db.acte_reports import Report
from tdt.db.actes import Acte, ActeFile
from tdt.deps import Deps
from tdt.documents.inspection import INSPECT, PdfOrder
from tdt.domain.actes import filetype
from tdt.domain.actes.documents import unreadable_pdf
from tdt.domain.errors import Refused
from tdt.flows.actes_send.children import Look, run
from tdt.flows.actes_send.findings import Findings, Posted


async def check_pdfs(deps: Deps, posted: Posted) -> Findings:
    """Read each PDF in a child; a report for each, the first refusal for all."""
    reports, refusals = [], []
    for file in posted.documents:
        if file.mimetype == filetype.PDF:
            report, refusal = await _check(deps, posted.acte, file)
            reports.append(report)
            refusals += [refusal] if refusal else []
    return Findings(tuple(reports), refusals[0] if refusals else "")


async def _check(deps: Deps, acte: Acte, file: ActeFile) -> tuple[Report, str]:
    try:
        seen = await run(deps, Look(acte, "pdf", [file]), INSPECT, PdfOrder())
    except Refused as refused:
        return Report(file.position, "pdf", "refused", {"code": refused.code}), refused.message
    refusal = unreadable_pdf(file.name, seen.fault) if seen.fault else ""
    return Report(file.position, "pdf", "refused" if refusal else "passed", asdict(seen)), refusal
