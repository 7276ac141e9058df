"""What a check of a posted flow is given, and what it gives back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tdt.db.helios import HeliosTransaction
from tdt.db.helios_reports import Report
from tdt.deps import Deps
from tdt.domain.helios.carried import NOTHING, Carried
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.stream import PesUnreadable


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass over the stored bytes gave: the header or why there is none, the first bytes, the SHA-1.

    `seen`: in which encoding the bytes look written (domain/helios/encoding).
    """

    header: PesHeader | PesUnreadable
    head: bytes
    sha1: bytes
    seen: str = ""
    carried: Carried = NOTHING


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check says: its report, if it makes one, and the workflow's text if the flow is refused."""

    report: Report | None = None
    refusal: str = ""


Check = Callable[[Deps, HeliosTransaction, Reading], Awaitable[Findings]]
"""Called outside any transaction. It raises Temporary when it cannot say anything now: the flow then stays posted."""
