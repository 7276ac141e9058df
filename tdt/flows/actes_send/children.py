"""The checks that are made in children: how a file is given to one, and what becomes of a file that kills it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tdt.db.acte_reports import Aspect, Report, insert_report, list_reports
from tdt.db.actes import Acte, ActeFile
from tdt.deps import Deps
from tdt.documents.child import ChildFailed, Task
from tdt.domain.actes.documents import too_much
from tdt.domain.errors import Refused
from tdt.domain.tries import Killed, count_killed

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Look:
    """On what, and for which report: that of this aspect on the first file."""

    acte: Acte
    aspect: Aspect
    files: Sequence[ActeFile]


async def run(deps: Deps, look: Look, task: Task[Argument, Result], argument: Argument) -> Result:
    """Run a task on these files.

    Temporary when it is to be tried again; Refused, with the workflow's text, once it killed too many children.
    """
    try:
        return await deps.work(task, argument, [file.content_id for file in look.files])
    except ChildFailed as failure:
        killed = await _count(deps, look, failure)
        if killed.is_last:
            raise Refused(too_much(look.files[0].name, killed), code="CONTROLE_IMPOSSIBLE") from failure
        raise killed.retried(deps.now(), file=look.files[0].id) from failure


async def _count(deps: Deps, look: Look, failure: ChildFailed) -> Killed:
    """How many children it has killed now: kept as a report, that the check replaces when it succeeds."""
    position = look.files[0].position
    async with deps.transaction("system") as connection:
        known = [
            report.data
            for report in await list_reports(connection, look.acte.id)
            if (report.position, report.aspect, report.verdict) == (position, look.aspect, "pending")
        ]
        killed = count_killed(known[0] if known else {}, failure.cause, str(failure))
        report = Report(position, look.aspect, "pending", killed.recorded())
        await insert_report(connection, look.acte.authority_id, look.acte.id, report)
    return killed
