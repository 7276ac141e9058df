"""What a doorbell is: it rings for a job, or for any job."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from tdt.domain.ids import JobId


@dataclass(frozen=True, slots=True)
class Ring:
    """A call to work: for this job, or (None) for whatever is due. `delivery` belongs to the doorbell."""

    job: JobId | None = None
    delivery: object = None


class Wakeups(Protocol):
    """Rings for workers. Losing a ring loses nothing: the worker also looks by itself, slowly."""

    def listen(self) -> AbstractAsyncContextManager[AsyncIterator[Ring]]:
        """The rings, for one worker, as long as the context lasts."""
        ...

    async def answered(self, ring: Ring) -> None:
        """The worker took care of this ring (the job was done, given back, or somebody else's)."""
        ...
