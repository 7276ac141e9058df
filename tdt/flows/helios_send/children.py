"""The checks of a flow that are made in a child: what becomes of a flow that kills it."""

from typing import TypeVar

from tdt.db.helios import HeliosTransaction, lock_transaction
from tdt.db.helios_reports import Aspect, Report, insert_report, list_reports
from tdt.deps import Deps
from tdt.documents.child import ChildFailed, Limits, Task
from tdt.domain.tries import Killed, count_killed

BYTES_PER_SECOND = 1 << 20
"""What a child reads at least, twice over and on a busy machine: a large flow has the more time."""

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class TooMuch(Exception):
    """No child survives this flow."""

    def __init__(self, killed: Killed):
        super().__init__(killed.detail)
        self.killed = killed


async def run(
    deps: Deps, flow: HeliosTransaction, aspect: Aspect, task: Task[Argument, Result], argument: Argument
) -> Result:
    """Run a task on the bytes of a flow. Temporary when it is to be tried again; TooMuch once it killed too many."""
    try:
        return await run_once(deps, flow, task, argument)
    except ChildFailed as failure:
        killed = await _count(deps, flow, aspect, failure)
        if killed.is_last:
            raise TooMuch(killed) from failure
        raise killed.retried(deps.now(), flow=flow.id) from failure


async def run_once(deps: Deps, flow: HeliosTransaction, task: Task[Argument, Result], argument: Argument) -> Result:
    """The same, for whoever only looks: nothing is counted. Raises ChildFailed."""
    settings = deps.config.documents
    limits = Limits(settings.memory_bytes, settings.seconds + flow.size / BYTES_PER_SECOND)
    return await deps.work(task, argument, [flow.content_id], limits)


async def _count(deps: Deps, flow: HeliosTransaction, aspect: Aspect, failure: ChildFailed) -> Killed:
    async with deps.transaction("system") as connection:
        pending = [
            one.data
            for one in await list_reports(connection, flow.id)
            if (one.aspect, one.verdict) == (aspect, "pending")
        ]
        killed = count_killed(pending[0] if pending else {}, failure.cause, str(failure))
        report = Report(aspect, "pending", killed.recorded())
        # it may be purged meanwhile
        if await lock_transaction(connection, flow.id) is not None:
            await insert_report(connection, flow.authority_id, flow.id, report)
    return killed
