"""The checks of a posted flow, in S2LOW's order. A new one is a function of its own module, named in CHECKS.

What depends on the other flows of the platform (names) comes last, in the transaction of the new status (`analyse`).
"""

from tdt.db.helios import HeliosTransaction
from tdt.db.helios_reports import Report
from tdt.deps import Deps
from tdt.domain.errors import Refused
from tdt.domain.helios import rules
from tdt.domain.helios.encoding import declared_encoding
from tdt.domain.helios.reading_words import say_unreadable
from tdt.flows.helios_send.antivirus import check_virus
from tdt.flows.helios_send.findings import Check, Findings, Reading
from tdt.flows.helios_send.signatures import check_signatures


async def check_reading(_deps: Deps, flow: HeliosTransaction, reading: Reading) -> Findings:
    """Encoding, XML, domains, NomFic, CodCol; then the digest. The report has what the words do not say."""
    facts = rules.AnalysisFacts(transaction_id=flow.id, head=reading.head, sha1_unchanged=reading.sha1 == flow.sha1)
    data: dict[str, object] = {"encoding": {"declared": declared_encoding(reading.head), "seen": reading.seen}}
    try:
        rules.check_reading(reading.header, facts)
    except Refused as refusal:
        reason = str(refusal.details.get("reason", ""))
        told = {"reason": say_unreadable(reason), "detail": reason} if reason else {}
        return Findings(Report("reading", "refused", {**data, "code": refusal.code, **told}), refusal.message)
    return Findings(Report("reading", "passed", data))


CHECKS: tuple[Check, ...] = (check_virus, check_reading, check_signatures)


async def run_checks(deps: Deps, flow: HeliosTransaction, reading: Reading) -> tuple[list[Report], str]:
    """Every check up to the first that refuses: the reports, and the refusal or nothing."""
    reports: list[Report] = []
    for check in CHECKS:
        findings = await check(deps, flow, reading)
        reports += [findings.report] if findings.report is not None else []
        if findings.refusal:
            return reports, findings.refusal
    return reports, ""
