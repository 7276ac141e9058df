"""Compare a flow with the DGFiP's schemas and rules. It informs and never refuses: the flow is on its way meanwhile."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from tdt.db import helios as db
from tdt.db.audit import insert_change
from tdt.db.helios_bordereaux import list_sent_before
from tdt.db.helios_reports import Report, Verdict, insert_report, list_reports
from tdt.db.schema_sets import get_archive, list_sets
from tdt.deps import Deps
from tdt.documents.child import ChildFailed, Limits
from tdt.documents.schemas import CHECK_FLOW, ActiveSet, Checked, CheckOrder
from tdt.domain.audit import Actor
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.helios.controls import key_of
from tdt.domain.helios.scan import EXPENSE, REVENUE
from tdt.domain.helios.schema_report import Judgement, SetSaid, failed
from tdt.domain.ids import HeliosId
from tdt.domain.tries import Killed, count_killed

SLOWEST = 1 << 18
"""Bytes read in a second, on a busy machine."""
NOTHING: Mapping[str, str] = {}
SIDES = {"depense": EXPENSE, "recette": REVENUE}
UNKNOWN = "Numéro de transaction invalide."


async def check_schema(deps: Deps, flow_id: HeliosId) -> None:
    """Compare a flow and keep what is said of it. Temporary when it is to be tried again."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, flow_id)
    if found is None:
        return
    try:
        async with deps.as_file("system", found.content_id) as file:
            judged = await check_file(deps, file.descriptor, found.size, await _sent_before(deps, flow_id))
        await _keep(deps, found, Report("schema", judged.verdict, judged.plain()))
    except ChildFailed as failure:
        killed = await _count(deps, found, failure)
        verdict: Verdict = "not_applicable" if killed.is_last else "pending"
        await _keep(deps, found, Report("schema", verdict, failed(killed.cause, killed.tries)))
        if not killed.is_last:
            raise killed.retried(deps.now(), helios_id=flow_id) from failure


async def recheck_schema(deps: Deps, by: Actor, flow_id: HeliosId) -> dict[str, object]:
    """Compare a flow again, with the sets in force today; its report is replaced. For the operator. Raises Refused."""
    async with deps.acting(by) as connection:
        found = await db.get_transaction(connection, flow_id)
        before = await _told(deps, flow_id)
    if found is None:
        raise Refused(UNKNOWN)
    await check_schema(deps, flow_id)
    after = await _told(deps, flow_id)
    async with deps.acting(by) as connection:
        shown = [{name: one.get(name) for name in ("verdict", "at", "message")} for one in (before, after)]
        await insert_change(connection, by, ("helios:schema-check", flow_id, found.authority_id), *shown)
    return after


async def _sent_before(deps: Deps, flow_id: HeliosId) -> dict[str, str]:
    """The bordereaux of a flow that another flow of its collectivité has brought to the DGFiP, or is bringing."""
    async with deps.transaction("system") as connection:
        found = await list_sent_before(connection, flow_id)
    return {
        key_of(SIDES[one.side], str(one.exercice), one.type, str(one.number)): (
            f"helios:{one.transaction_id} ({'accepté par la DGFiP' if one.accepted else 'pas encore acquitté'})"
        )
        for one in found
    }


async def check_file(deps: Deps, file: int, size: int, sent: Mapping[str, str] = NOTHING) -> Judgement:
    """Compare the flow in an open file with the sets in force today. ChildFailed when it is too much."""
    today = paris_date(deps.now())
    with ExitStack() as stack:
        active, archives = list[ActiveSet](), list[int]()
        async with deps.transaction("system") as connection:
            for one in await list_sets(connection):
                if one.is_active(today) and (archive := await get_archive(connection, one.id)) is not None:
                    scratch = stack.enter_context(deps.scratch())
                    await scratch.write(archive)
                    active.append(ActiveSet(one.name, dict(one.roots)))
                    archives.append(scratch.descriptor)
        documents = deps.config.documents
        limits = Limits(documents.memory_bytes, documents.seconds + size / SLOWEST)
        checked = await deps.children.run(CHECK_FLOW, CheckOrder(active, dict(sent)), [file, *archives], limits)
    return _judgement(checked)


def _judgement(checked: Checked) -> Judgement:
    sets = [SetSaid(one.name, one.known, one.faults, one.more) for one in checked.sets]
    return Judgement(checked.root, sets, checked.controls, checked.findings)


async def _count(deps: Deps, found: db.HeliosTransaction, failure: ChildFailed) -> Killed:
    """How many children it has killed by now; after the last one it is given up, and told."""
    async with deps.transaction("system") as connection:
        known = _of_schema(await list_reports(connection, found.id))
    before = known.data if known is not None and known.verdict == "pending" else {}
    return count_killed(before, str(failure.cause), str(failure))


async def _keep(deps: Deps, found: db.HeliosTransaction, report: Report) -> None:
    async with deps.transaction("system") as connection:
        # it may be purged meanwhile
        if await db.lock_transaction(connection, found.id) is not None:
            await insert_report(connection, found.authority_id, found.id, report)


async def _told(deps: Deps, flow_id: HeliosId) -> dict[str, object]:
    async with deps.transaction("system") as connection:
        report = _of_schema(await list_reports(connection, flow_id))
    if report is None:
        return {}
    return {"verdict": report.verdict, "at": report.at.isoformat() if report.at else None, **report.data}


def _of_schema(reports: Sequence[Report]) -> Report | None:
    return next((one for one in reports if one.aspect == "schema"), None)
