"""The lanes of a worker: which loops serve which lines, so that what is slow holds up nothing of another sort."""

import asyncio
from collections.abc import Sequence

from tdt.config import Config, Worker
from tdt.deps import Ring
from tdt.domain.jobs import JobKind
from tdt.domain.turns import Line

ARCHIVE_LANE = [JobKind.CONTENT_ARCHIVE]
"""Archiving large bodies has a lane of its own, one at a time: it must not delay what leaves for the State."""
MAIL_LANE = [JobKind.NOTICE_SEND, JobKind.ACTE_NOTIFY]
"""So has the mail: a server that hangs holds one loop, and thousands of notices delay nothing else."""
CHECK_LANE = [JobKind.ACTES_ANALYSE, JobKind.HELIOS_ANALYSE]
"""So have the checks of documents: an antivirus that hangs, documents that are slow to read, delay each other only."""
INFORMATION_LANE = [JobKind.HELIOS_SCHEMA, JobKind.HELIOS_INDEX]
"""What only tells, and decides nothing: one at a time, it delays no check."""
MAIN_LANE = [kind for kind in JobKind if kind not in (*ARCHIVE_LANE, *MAIL_LANE, *CHECK_LANE, *INFORMATION_LANE)]
LARGE_LANES = (CHECK_LANE, [JobKind.ACTES_PACKAGE, JobKind.ACTES_TRANSMIT], [JobKind.HELIOS_TRANSMIT])
"""What is large has loops of its own: it takes as long as it takes, and nothing small waits behind it."""
TO_THE_STATE = (JobKind.ACTES_TRANSMIT, JobKind.HELIOS_TRANSMIT)
"""A destination that hangs holds each try for minutes: these never take all the loops, alone or together."""


class Lane:
    """The rings that wait for some lines of jobs. A call for any job is kept once: each one served calls the next."""

    def __init__(self, lines: Sequence[Line]):
        self.lines = list(lines)
        """In the order in which they are looked at: the one served last comes last."""
        self.claiming = asyncio.Lock()
        """One claim at a time: how many of a kind may run is counted before each."""
        self._rings: asyncio.Queue[Ring] = asyncio.Queue()
        self._called = False

    def ring(self, ring: Ring) -> None:
        if ring.job is None and ring.delivery is None:
            if self._called:
                return
            self._called = True
        self._rings.put_nowait(ring)

    def end(self) -> None:
        """Wake one loop up, whatever waits already."""
        self._rings.put_nowait(Ring())

    async def next_ring(self) -> Ring:
        ring = await self._rings.get()
        if ring.job is None and ring.delivery is None:
            self._called = False
        return ring

    def move_last(self, line: Line) -> None:
        """This line was served: the others come before it."""
        self.lines.remove(line)
        self.lines.append(line)


def open_lanes(config: Config) -> dict[Lane, int]:
    """The lanes of a worker, the main one first, and how many loops work on each."""
    many = config.worker.large_concurrency
    return {
        _small(MAIN_LANE): max(config.worker.concurrency, 1),
        _small(ARCHIVE_LANE): 1,
        _small(MAIL_LANE): 1,
        _small(CHECK_LANE): config.documents.concurrency,
        _small(INFORMATION_LANE): 1,
        **{Lane([Line(kind, large=True) for kind in kinds]): many for kinds in LARGE_LANES},
    }


def _small(kinds: Sequence[JobKind]) -> Lane:
    return Lane([Line(kind) for kind in kinds])


def allowed(lines: Sequence[Line], running: Sequence[Line], settings: Worker) -> list[Line]:
    """Those of these lines of which one more may run."""
    most = max((settings.concurrency - 1) // len(TO_THE_STATE), 1)
    return [line for line in lines if line.large or line.kind not in TO_THE_STATE or running.count(line) < most]
