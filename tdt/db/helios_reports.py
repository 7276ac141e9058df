"""What the checks of a PES said: kept for whoever must explain a refusal, or a proof, years later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, HeliosId

Aspect = Literal["antivirus", "reading", "signature", "schema"]
Verdict = Literal["passed", "refused", "not_applicable", "pending"]
"""`pending`: the check was tried, did not come to its end, and will be tried again."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one check said of a flow; `data` is what it found, as JSON."""

    aspect: Aspect
    verdict: Verdict
    data: Mapping[str, object]
    at: datetime | None = None
    """Of the database, when it is read."""


INSERT = """
    insert into helios_report (authority_id, transaction_id, aspect, verdict, data) values ($1, $2, $3, $4, $5)
    on conflict (transaction_id, aspect) do update set verdict = excluded.verdict, data = excluded.data, at = now()"""


async def insert_report(connection: Connection, authority: AuthorityId, flow: HeliosId, report: Report) -> None:
    """Keep a report; the same check made again replaces what it said."""
    await connection.execute(INSERT, authority, flow, report.aspect, report.verdict, dict(report.data))


LIST = "select aspect, verdict, data, at from helios_report where transaction_id = $1 order by aspect"


async def list_reports(connection: Connection, flow: HeliosId) -> list[Report]:
    """The reports on a flow visible to the scope."""
    return [Report(**row) for row in await connection.fetch(LIST, flow)]
