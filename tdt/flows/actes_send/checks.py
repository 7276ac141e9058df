"""The checks of a posted transaction, in their order. A new one is a function of its own module, named in CHECKS."""

from tdt.db import actes as db
from tdt.db.acte_reports import Report
from tdt.deps import Deps
from tdt.domain.actes.classification import parse_classification
from tdt.domain.actes.model import MessageCode
from tdt.domain.actes.rules import AnalysedFile, check_analysis
from tdt.domain.errors import Permanent, Refused
from tdt.flows.actes_send.antivirus import check_viruses
from tdt.flows.actes_send.budget import check_budgets
from tdt.flows.actes_send.documents import check_pdfs
from tdt.flows.actes_send.findings import Check, Findings, Posted
from tdt.flows.actes_send.signatures import check_signatures


async def check_typologies(deps: Deps, posted: Posted) -> Findings:
    """Formats and typologies, against the classification of the collectivité."""
    acte = posted.acte
    if acte.type != MessageCode.ACTE:
        return Findings()
    async with deps.transaction("system") as connection:
        held = await db.last_classification(connection, acte.authority_id)
    if held is None or acte.nature_code is None:
        raise Permanent("L'acte a été accepté sans classification ni nature.", details={"acte_id": acte.id})
    analysed = [AnalysedFile(file.name, file.code_pj, file.mimetype) for file in posted.documents]
    try:
        check_analysis(acte.nature_code, analysed, parse_classification(held.xml))
    except Refused as refusal:
        return Findings(refusal=refusal.message)
    return Findings()


CHECKS: tuple[Check, ...] = (
    check_viruses,
    check_typologies,
    check_pdfs,
    check_signatures,
    check_budgets,
)


async def run_checks(deps: Deps, posted: Posted) -> Findings:
    """Every check up to the first that refuses, what they found put together."""
    reports: list[Report] = []
    for check in CHECKS:
        findings = await check(deps, posted)
        reports += findings.reports
        if findings.refusal:
            return Findings(tuple(reports), findings.refusal)
    return Findings(tuple(reports))
