"""Alerts: what went past its limit or does not add up, told once for each event; in scope `system`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tdt.db.audit import insert_audit
from tdt.db.pool import Connection, Record
from tdt.domain.ids import AuthorityId


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `kind` says what is wrong, `subject` with what (`acte:12`, `route:3`), `since` from when on.

    `data` is what an operator is told of it, for JSON; without `authority_id` it is of the platform.
    """

    authority_id: AuthorityId | None
    kind: str
    subject: str
    since: datetime
    data: Mapping[str, object] = field(default_factory=dict)


INSERT = """
    insert into alert (authority_id, kind, subject, since, data) values ($1, $2, $3, $4, $5)
    on conflict (kind, subject, since) do nothing returning id"""


async def insert_alerts(connection: Connection, alerts: Sequence[Alert]) -> list[Alert]:
    """Record these, each with its audit row; gives those that were not recorded yet: they are to be told."""
    new = []
    for one in alerts:
        row = (one.authority_id, one.kind, one.subject, one.since, dict(one.data))
        number = await connection.fetchval(INSERT, *row)
        if number is not None:
            new.append(one)
            about = {"kind": one.kind, "subject": one.subject, "since": one.since.isoformat()}
            await insert_audit(connection, (one.authority_id, None), "system:alert:raise", number, about)
    return new


END = """
    update alert set ended_at = now() where kind = $1 and ended_at is null
        and (subject, since) not in (select * from unnest($2::text[], $3::timestamptz[]))
    returning id, authority_id, kind, subject, since, data"""


async def move_to_ended(connection: Connection, kind: str, still: Collection[tuple[str, datetime]]) -> list[Alert]:
    """End the open alerts of a kind but those (subject, since) that hold on; gives what ended, audited."""
    pairs = list(still)
    rows = await connection.fetch(END, kind, [subject for subject, _ in pairs], [since for _, since in pairs])
    ended = []
    for row in rows:
        one = _alert(row)
        about = {"kind": one.kind, "subject": one.subject, "since": one.since.isoformat()}
        await insert_audit(connection, (one.authority_id, None), "system:alert:end", row["id"], about)
        ended.append(one)
    return ended


OPEN = """
    select id, authority_id, kind, subject, since, data from alert where ended_at is null
    order by since, id limit $1"""


async def list_open(connection: Connection, limit: int = 1000) -> list[Alert]:
    """What is wrong now, the oldest first."""
    return [_alert(row) for row in await connection.fetch(OPEN, limit)]


async def list_open_of(connection: Connection, kind: str) -> list[tuple[str, datetime]]:
    """Subject and instant of all that is wrong in this way."""
    rows = await connection.fetch("select subject, since from alert where kind = $1 and ended_at is null", kind)
    return [(row["subject"], row["since"]) for row in rows]


def _alert(row: Record) -> Alert:
    return Alert(row["authority_id"], row["kind"], row["subject"], row["since"], row["data"])
