"""The antivirus looks at a flow before anything else is said of it, as S2LOW does."""

from tdt.db.breakers import Place
from tdt.db.helios import HeliosTransaction
from tdt.db.helios_reports import Report
from tdt.deps import Deps
from tdt.domain.breaker import Remote
from tdt.domain.helios.rules import infected
from tdt.flows.helios_send.findings import Findings, Reading


async def check_virus(deps: Deps, flow: HeliosTransaction, _reading: Reading) -> Findings:
    """The stored bytes, streamed. Temporary as long as there is no verdict: the flow then waits."""
    if not deps.antivirus.configured:
        return Findings()
    async with deps.guarded(Place(Remote.ANTIVIRUS)):
        engine = await deps.antivirus.engine()
        found = await deps.antivirus.scan(deps.stream(flow.authority_id, flow.content_id))
    report = Report("antivirus", "refused" if found else "passed", {**engine.recorded(), "found": found})
    return Findings(report, infected(flow.id).message if found else "")
