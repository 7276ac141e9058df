"""The checks that are made in children: how a file is given to one, and what becomes of a file that kills it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from tdt.db.acte_reports import Aspect, Report, insert_report, list_reports
from tdt.db.actes import Acte, ActeFile
from tdt.deps import Deps
from tdt.documents.child import ChildFailed, Task
from tdt.domain.actes.documents import too_much
from tdt.domain.errors import Refused, Temporary

MOST_TRIES = 3
BETWEEN = timedelta(minutes=1)
"""A machine that lacked memory or time may have them again."""

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
        async with AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(deps.as_file("system", file.content_id)) for file in look.files]
            return await deps.children.run(task, argument, [one.descriptor for one in opened])
    except ChildFailed as failure:
        tries = await _count(deps, look, failure)
        if tries >= MOST_TRIES:
            raise Refused(too_much(look.files[0].name, failure.cause, tries), code="CONTROLE_IMPOSSIBLE") from failure
        raise Temporary(
            "Un document n'a pas pu être contrôlé.",
            code="CONTROLE_INTERROMPU",
            details={"file": look.files[0].id, "cause": str(failure), "retry_at": deps.now() + tries * BETWEEN},
        ) from failure


async def _count(deps: Deps, look: Look, failure: ChildFailed) -> int:
    """How many children it has killed now: kept as a report, that the check replaces when it succeeds."""
    position = look.files[0].position
    async with deps.transaction("system") as connection:
        known = [
            report
            for report in await list_reports(connection, look.acte.id)
            if (report.position, report.aspect, report.verdict) == (position, look.aspect, "pending")
        ]
        before = known[0].data.get("tries") if known else 0
        tries = (before if isinstance(before, int) else 0) + 1
        data = {"tries": tries, "cause": str(failure.cause), "detail": str(failure)}
        report = Report(position, look.aspect, "pending", data)
        await insert_report(connection, look.acte.authority_id, look.acte.id, report)
    return tries
