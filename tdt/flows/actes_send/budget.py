"""Read the budgets in XML of an act and judge them, in flat memory and outside the event loop."""

import asyncio
from collections.abc import Mapping

from tdt.db import actes as db
from tdt.db.acte_reports import Report, Verdict
from tdt.db.authorities import get_authority
from tdt.deps import Deps
from tdt.domain.actes import budget as rules
from tdt.domain.actes import filetype
from tdt.domain.actes.budget_reading import BudgetReader
from tdt.domain.actes.model import MessageCode
from tdt.domain.errors import Permanent, Refused
from tdt.flows.actes_send.findings import Findings, Posted

ACT = 1
"""Position of the act among the files: what stands after it is an annexe."""


async def check_budgets(deps: Deps, posted: Posted) -> Findings:
    """Read each XML document of an act and judge it; the act itself, in XML, must be a budget and its annexes PDF."""
    if posted.acte.type != MessageCode.ACTE or all(file.mimetype != filetype.XML for file in posted.documents):
        return Findings()
    facts = await _facts(deps, posted.acte)
    reports: list[Report] = []
    refusals: list[Refused] = []
    for file in posted.documents:
        if file.mimetype == filetype.XML and (file.position == ACT or facts.nature_code == rules.NATURE):
            report, refusal = await _check_file(deps, facts, file)
            reports.append(report)
            refusals += [refusal] if refusal is not None else []
    if any(file.position == ACT and file.mimetype == filetype.XML for file in posted.documents):
        refusals += [rules.annexe_not_pdf(file.name) for file in posted.documents if _is_foreign_annexe(file)]
    return Findings(tuple(reports), refusals[0].message if refusals else "")


async def _facts(deps: Deps, acte: db.Acte) -> rules.BudgetFacts:
    """What a budget must agree with."""
    async with deps.transaction("system") as connection:
        authority = await get_authority(connection, acte.authority_id)
    if authority is None:
        raise Permanent("L'acte n'a plus de collectivité.", details={"acte_id": acte.id})
    return rules.BudgetFacts(authority.siren, acte.nature_code, acte.classif, acte.decision_date)


def _is_foreign_annexe(file: db.ActeFile) -> bool:
    return file.position != ACT and file.mimetype != filetype.PDF


async def _check_file(deps: Deps, facts: rules.BudgetFacts, file: db.ActeFile) -> tuple[Report, Refused | None]:
    try:
        if file.position == ACT:
            rules.check_carrier(facts)
        read = await _read(deps, file, indented=False)
        if read.seal is not None and read.sealed_as is None:
            # as TotEM itself does: the layout may have changed on the way, what is said may not
            read = await _read(deps, file, indented=True)
    except Refused as refusal:
        return _report(file, "refused", {}, refusal), refusal
    except rules.BudgetUnreadable as error:
        if isinstance(error, rules.NotBudget) and file.position != ACT:
            return _report(file, "not_applicable", {"reason": error.reason}), None
        damaged = rules.unreadable(file.name)
        return _report(file, "refused", {"reason": error.reason}, damaged), damaged
    try:
        rules.check_budget(file.name, read, facts)
    except Refused as refusal:
        return _report(file, "refused", rules.summary(read), refusal), refusal
    return _report(file, "passed", rules.summary(read)), None


async def _read(deps: Deps, file: db.ActeFile, indented: bool) -> rules.Budget:
    reader = BudgetReader(indented)
    async for chunk in deps.stream(file.authority_id, file.content_id):
        await asyncio.to_thread(reader.feed, chunk)
    return await asyncio.to_thread(reader.close)


def _report(file: db.ActeFile, verdict: Verdict, data: Mapping[str, object], refusal: Refused | None = None) -> Report:
    told = {"code": refusal.code, "message": refusal.message} if refusal is not None else {}
    return Report(file.position, "budget", verdict, {**data, **told})
