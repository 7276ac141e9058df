"""What was tried for a transaction, and the work that is to come, as it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection
from tdt.domain.plain import instant
from tdt.domain.routes import Outcome


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One try to hand bytes to the State, and what became of it."""

    name: str
    size: int
    sha256: bytes
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    detail: str
    clause: str

    def plain(self) -> dict[str, object]:
        """As JSON says it. One without outcome never ended."""
        return {
            "name": self.name,
            "size": self.size,
            "sha256": self.sha256.hex(),
            "started_at": instant(self.started_at),
            "ended_at": instant(self.ended_at),
            "outcome": self.outcome or Outcome.UNCERTAIN,
            "detail": self.detail,
            "clause": self.clause,
        }


BY_WHOM = """left join lateral (
        -- of the same database transaction, so of the same instant
        select account_id from audit
        where authority_id = w.authority_id and at = w.at and object_id = w.transaction_id
            and account_id is not null limit 1) a on true
    left join account u on u.id = a.account_id"""
"""To the steps `w` of a workflow: the account that took each, `u`, from the audit."""

ATTEMPTS = """
    select name, size, sha256, started_at, ended_at, outcome, detail, clause from attempt
    where object_kind = $1 and object_id = $2 order by started_at, id"""


async def list_shown_attempts(connection: Connection, object_kind: str, object_id: int) -> list[ShownAttempt]:
    """Every try for this object, oldest first."""
    return [ShownAttempt(**row) for row in await connection.fetch(ATTEMPTS, object_kind, object_id)]


@dataclass(frozen=True, slots=True)
class ShownJob:
    """Work that is to come, or that was set aside (`dead`) for an operator."""

    kind: str
    state: str
    run_at: datetime
    attempts: int
    last_error: str | None

    def plain(self, operator: bool) -> dict[str, object]:
        """As JSON says it: for whom the platform is not, only what and when, for the reason may name machines."""
        told: dict[str, object] = {"kind": self.kind, "state": self.state, "run_at": instant(self.run_at)}
        return {**told, "attempts": self.attempts, "last_error": self.last_error} if operator else told


JOBS = """
    select kind, state, run_at, attempts, last_error from job
    where (kind = any($1) and object_id = $2) or (kind = any($3) and object_id = $4) order by id"""


async def list_shown_jobs(
    connection: Connection, mine: tuple[Sequence[str], int], envelopes: tuple[Sequence[str], int]
) -> list[ShownJob]:
    """The jobs of these kinds on the transaction, and on its envelope."""
    return [ShownJob(**row) for row in await connection.fetch(JOBS, *mine, *envelopes)]
