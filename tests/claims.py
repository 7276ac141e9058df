"""Claims as a worker makes them: what is due stands in line, then the next one is taken."""

from collections.abc import Iterable

from tdt.db.jobs import move_next_to_running
from tdt.db.pool import Connection
from tdt.db.turns import move_due_to_line
from tdt.domain.jobs import Job, JobKind
from tdt.domain.turns import Line

LARGE = 10_000_000


def lines(kinds: Iterable[JobKind] = JobKind) -> list[Line]:
    return [Line(kind, large) for kind in kinds for large in (False, True)]


async def claim_next(connection: Connection, worker: str, kinds: Iterable[JobKind] = JobKind) -> Job | None:
    """In one transaction."""
    await move_due_to_line(connection, LARGE)
    return await move_next_to_running(connection, worker, lines(kinds))
