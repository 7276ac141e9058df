"""What the checks of an acte's files said: kept for whoever must explain a refusal, or a proof, years later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tdt.db.pool import Connection
from tdt.domain.ids import ActeId, AuthorityId

Aspect = Literal["antivirus", "pdf", "signature", "budget"]
Verdict = Literal["passed", "refused", "not_applicable", "pending"]
"""`pending`: the check was tried, did not come to its end, and will be tried again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one check said of the file at `position` of a transaction; `data` is what it found, as JSON."""

    position: int
    aspect: Aspect
    verdict: Verdict
    data: Mapping[str, object]
    at: datetime | None = None
    """Of the database, when it is read."""


INSERT = """
    insert into acte_report (authority_id, transaction_id, position, aspect, verdict, data)
    values ($1, $2, $3, $4, $5, $6)
    on conflict (transaction_id, position, aspect)
        do update set verdict = excluded.verdict, data = excluded.data, at = now()"""


async def insert_report(connection: Connection, authority: AuthorityId, acte: ActeId, report: Report) -> None:
    """Keep a report; the same check made again (a job resumed after a crash) replaces what it said."""
    await connection.execute(INSERT, authority, acte, report.position, report.aspect, report.verdict, dict(report.data))


LIST = "select position, aspect, verdict, data, at from acte_report where transaction_id = $1 order by position, aspect"


async def list_reports(connection: Connection, acte: ActeId) -> list[Report]:
    """The reports on the files of a transaction visible to the scope, by file."""
    return [Report(**row) for row in await connection.fetch(LIST, acte)]
