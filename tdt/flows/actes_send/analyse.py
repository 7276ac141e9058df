"""Check a posted transaction (its files, then what its collectivité may send); then have its archive built."""

from tdt.db import actes as db
from tdt.db.acte_reports import insert_report
from tdt.db.jobs import insert_job
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_send.checks import run_checks
from tdt.flows.actes_send.envelopes import refuse
from tdt.flows.actes_send.findings import Findings, Posted


async def analyse(deps: Deps, acte_id: ActeId) -> None:
    """Check a posted transaction; refuse it, or have its archive built. What the checks found is kept either way.

    Raises Temporary when a check cannot be made now: nothing is refused for it, the transaction stays posted.
    """
    async with deps.transaction("system") as connection:
        acte = await db.get_transaction(connection, acte_id)
        if acte is None or acte.status is not ActeStatus.POSTE:
            return
        message, *documents = await db.list_files(connection, acte_id)
    findings = await run_checks(deps, Posted(acte, message, tuple(documents)))
    await _record(deps, acte_id, findings)


async def _record(deps: Deps, acte_id: ActeId, findings: Findings) -> None:
    async with deps.transaction("system") as connection:
        # checks take their time: what they were about may have been turned to an error meanwhile
        acte = await db.lock_transaction(connection, acte_id)
        if acte is None or acte.status is not ActeStatus.POSTE:
            return
        for report in findings.reports:
            await insert_report(connection, acte.authority_id, acte.id, report)
        if findings.refusal:
            await refuse(connection, [acte], findings.refusal)
            return
        await insert_job(connection, JobKind.ACTES_PACKAGE, acte.authority_id, acte.envelope_id)
