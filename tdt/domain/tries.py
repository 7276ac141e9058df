"""A check made in a child that did not survive it: how often it is tried again, and the words when it never can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.domain.errors import Temporary

MOST_TRIES = 3
BETWEEN = timedelta(minutes=1)
"""A machine that lacked memory or time may have them again."""

CAUSES = {
    "memory": "trop de mémoire",
    "time": "trop de temps",
    "size": "trop de place",
}


@dataclass(frozen=True, slots=True)
class Killed:
    """How many children a check has killed by now, and how the last one ended."""

    tries: int
    cause: str
    detail: str

    @property
    def is_last(self) -> bool:
        """Nothing is gained by one more try."""
        return self.tries >= MOST_TRIES

    @property
    def reason(self) -> str:
        """For people."""
        return f"il demande {CAUSES[self.cause]}" if self.cause in CAUSES else "sa lecture échoue brutalement"

    def recorded(self) -> dict[str, object]:
        """As a report keeps it, until the check succeeds."""
        return {"tries": self.tries, "cause": self.cause, "detail": self.detail}

    def retried(self, now: datetime, **details: object) -> Temporary:
        """Why nothing is said of the document yet, and when it is looked at again."""
        return Temporary(
            "Un document n'a pas pu être contrôlé.",
            code="CONTROLE_INTERROMPU",
            details={**details, "cause": self.detail, "retry_at": now + self.tries * BETWEEN},
        )


def count_killed(before: Mapping[str, object], cause: str, detail: str) -> Killed:
    """One more; `before`: what was recorded of those before, if there were any."""
    known = before.get("tries")
    return Killed((known if isinstance(known, int) else 0) + 1, cause, detail)
