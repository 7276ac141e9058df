"""What a check of a posted transaction is given, and what it gives back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tdt.db.acte_reports import Report
from tdt.db.actes import Acte, ActeFile
from tdt.deps import Deps


@dataclass(frozen=True, slots=True)
class Posted:
    """A transaction as it was posted: its XML message, then the act and its annexes."""

    acte: Acte
    message: ActeFile
    documents: tuple[ActeFile, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check says: a report on each file that it looked at, and the workflow's text if the whole is refused."""

    reports: tuple[Report, ...] = ()
    refusal: str = ""


Check = Callable[[Deps, Posted], Awaitable[Findings]]
"""Called outside any transaction. It raises Temporary when it cannot say anything now: what is posted then waits."""
