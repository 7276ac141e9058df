"""The sendings in doubt, each with what decides it and when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.db.uncertain import Uncertain, list_uncertain
from tdt.deps import Deps
from tdt.domain.uncertain import Doubt, decided_by

WAITS = {"acte_envelope": (1, 2), "helios_transaction": (2,)}
LETTER_WAITS, LETTER_SENT = 7, 8


@dataclass(frozen=True, slots=True)
class Line:
    """One of them: what decides it, and when at the latest if that is known."""

    attempt: Uncertain
    decided_by: str
    decided_at: datetime | None


async def list_doubts(deps: Deps) -> list[Line]:
    """All of them, the oldest first."""
    async with deps.transaction("system") as connection:
        found = await list_uncertain(connection)
    config = deps.config
    windows = {
        "acte_envelope": timedelta(seconds=config.actes.uncertain_seconds),
        "helios_transaction": timedelta(seconds=config.helios.uncertain_seconds),
    }
    return [Line(one, *decided_by(_doubt(one), deps.now(), windows[one.object_kind])) for one in found]


def _doubt(one: Uncertain) -> Doubt:
    waits = (LETTER_WAITS,) if one.letter else WAITS[one.object_kind]
    return Doubt(
        one.started_at,
        one.ended,
        one.status in waits,
        one.status is not None and one.status > max(waits),
        one.later,
        one.work,
        one.run_at,
        one.error,
    )
