"""Check a posted transaction (its files, then what its collectivité may send); then have its archive built."""

from tdt.crash import Step, reach
from tdt.db import actes as db
from tdt.db.acte_reports import insert_report
from tdt.db.jobs import insert_job
from tdt.deps import Deps
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import refused_together
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.flows.actes_send.checks import run_checks
from tdt.flows.actes_send.envelopes import refuse
from tdt.flows.actes_send.findings import Findings, Posted


async def analyse(deps: Deps, acte_id: ActeId) -> None:
    """Check a posted transaction, with all that travels in its envelope; refuse it, or have its archive built.

    An archive leaves whole: one transaction refused refuses the others with it. What the checks found is kept either
    way. Raises Temporary when a check cannot be made now: nothing is refused for it, the transactions stay posted.
    """
    async with deps.transaction("system") as connection:
        acte = await db.get_transaction(connection, acte_id)
        together = await db.list_of_envelope(connection, acte.envelope_id) if acte is not None else []
    if acte is None or any(one.status is not ActeStatus.POSTE for one in together):
        return
    found: dict[ActeId, Findings] = {}
    for one in together:
        async with deps.transaction("system") as connection:
            message, *documents = await db.list_files(connection, one.id)
        found[one.id] = await run_checks(deps, Posted(one, message, tuple(documents)))
        if found[one.id].refusal:
            break
    reach(Step.ANALYSIS_ACTE_CHECKED)
    await _record(deps, acte, found)


async def _record(deps: Deps, acte: db.Acte, found: dict[ActeId, Findings]) -> None:
    async with deps.transaction("system") as connection:
        # checks take their time: what they were about may have been turned to an error meanwhile
        await db.lock_envelope(connection, acte.envelope_id)
        actes = await db.list_of_envelope(connection, acte.envelope_id)
        if any(one.status is not ActeStatus.POSTE for one in actes):
            return
        for number, findings in found.items():
            for report in findings.reports:
                await insert_report(connection, acte.authority_id, number, report)
        refused = next((number for number, findings in found.items() if findings.refusal), None)
        if refused is None:
            await insert_job(connection, JobKind.ACTES_PACKAGE, acte.authority_id, acte.envelope_id)
            reach(Step.ANALYSIS_ACTE)
            return
        reason = found[refused].refusal
        for one in actes:
            await refuse(connection, [one], reason if one.id == refused else refused_together(refused, reason))
