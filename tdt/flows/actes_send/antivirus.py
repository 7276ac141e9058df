"""The antivirus looks at every file of a transaction, its XML message included (it holds what was signed apart)."""

from tdt.db.acte_reports import Report
from tdt.db.breakers import Place
from tdt.deps import Deps
from tdt.domain.antivirus import infected
from tdt.domain.breaker import Remote
from tdt.flows.actes_send.findings import Findings, Posted


async def check_viruses(deps: Deps, posted: Posted) -> Findings:
    """Every file, even after one that is infected: the report is whole. Temporary as long as there is no verdict."""
    if not deps.antivirus.configured:
        return Findings()
    async with deps.guarded(Place(Remote.ANTIVIRUS)):
        return await _scan(deps, posted)


async def _scan(deps: Deps, posted: Posted) -> Findings:
    engine = await deps.antivirus.engine()
    reports, refusals = [], []
    for file in (posted.message, *posted.documents):
        found = await deps.antivirus.scan(deps.stream("system", file.content_id))
        data = {**engine.recorded(), "found": found}
        reports.append(Report(file.position, "antivirus", "refused" if found else "passed", data))
        if found:
            refusals.append(infected(file.name, found))
    return Findings(tuple(reports), refusals[0] if refusals else "")
