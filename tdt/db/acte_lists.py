"""Lists, counts and exports of the transactions of collectivités."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime

from tdt.db.authorities import MEMBERSHIP_TODAY
from tdt.db.pool import Connection
from tdt.domain.ids import ActeId, AuthorityId, EnvelopeId, GroupId

COUNT = "select count(*) from acte_transaction where authority_id = $1 and status = $2"


async def count_actes(connection: Connection, authority: AuthorityId, status: int) -> int:
    """How many transactions of a collectivité, of any type, have this status."""
    found: int = await connection.fetchval(COUNT, authority, status)
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is asked for. `since` and `until`: when the transaction took this status; `type`: of which type."""

    authority: AuthorityId
    status: int
    since: datetime | None = None
    until: datetime | None = None
    type: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One transaction of a list."""

    id: ActeId
    subject: str
    number: str | None
    decision_date: date | None
    nature_code: int | None
    classif: tuple[int, ...]
    type: int


LIST = """
    select id, subject, number, decision_date, nature_code, classif, type from acte_transaction t
    where authority_id = $1 and status = $2{more} order by id desc offset $3 limit $4"""
TOOK = """ and exists (
        select from {workflow} w where w.transaction_id = t.id and w.status = $2{bounds})"""


def took(workflow: str, bounds: tuple[datetime | None, datetime | None], values: list[object]) -> str:
    """The condition that `t` took the status $2 between two instants, which are added to the values.

    Written without an `or`: a plan that reads the whole workflow would come of it.
    """
    text = ""
    for sign, instant in zip((">=", "<="), bounds, strict=True):
        if instant is not None:
            values.append(instant)
            text += f" and w.at {sign} ${len(values)}"
    return TOOK.format(workflow=workflow, bounds=text) if text else ""


async def list_actes(connection: Connection, wanted: Wanted, offset: int, limit: int) -> list[Line]:
    """The newest first, by their number: read backwards from the index of the status, as far as the limit."""
    values: list[object] = [wanted.authority, wanted.status, offset, limit]
    more = took("acte_workflow", (wanted.since, wanted.until), values)
    if wanted.type is not None:
        values.append(wanted.type)
        more += f" and type = ${len(values)}"
    rows = await connection.fetch(LIST.format(more=more), *values)
    return [Line(**{**dict(row), "classif": tuple(row["classif"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Total:
    """How many transactions of a collectivité have their decision in a period."""

    authority_id: AuthorityId
    name: str
    count: int


TOTALS = f"""
    select a.id as authority_id, a.name, coalesce(n.count, 0) as count
    from authority_membership m join authority a on a.id = m.authority_id
    cross join lateral (
        select count(*) as count from acte_transaction t
        where t.authority_id = a.id and t.decision_date between $2 and $3) n
    where m.group_id = $1 and {MEMBERSHIP_TODAY} order by a.name, a.id"""


async def list_totals(connection: Connection, group: GroupId, first: date, last: date) -> list[Total]:
    """For each collectivité that is in a group today, by name."""
    return [Total(**row) for row in await connection.fetch(TOTALS, group, first, last)]


@dataclass(frozen=True, slots=True)
class Period:
    """From an instant until before another, of one collectivité, or of all that the scope sees."""

    since: datetime
    before: datetime
    authority: AuthorityId | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One envelope of an export, with the names of its files and whoever answers for it."""

    id: EnvelopeId
    submitted_at: datetime
    archive_name: str
    files: tuple[str, ...]
    siren: str
    department: str
    district: str
    name: str
    telephone: str
    email: str


ENVELOPES = """
    select e.id, e.submitted_at, e.archive_name, a.siren, a.department, a.district,
        coalesce(trim(u.givenname || ' ' || u.name), a.name) as name, coalesce(u.telephone, a.telephone) as telephone,
        coalesce(u.email, a.email) as email,
        array(select f.name from acte_file f where f.envelope_id = e.id order by f.id) as files
    from acte_envelope e join authority a on a.id = e.authority_id left join account u on u.id = e.account_id
    where e.acknowledges_id is null and (e.submitted_at, e.id) > ($1, $2) and e.submitted_at < $3
        and ($4::bigint is null or e.authority_id = $4)
    order by e.submitted_at, e.id limit 500"""


async def stream_envelopes(connection: Connection, period: Period) -> AsyncIterator[Sent]:
    """The envelopes of a period in their order, five hundred at a time; the automatic AR of letters are left out."""
    after: tuple[datetime, int] = (period.since, 0)
    while rows := await connection.fetch(ENVELOPES, *after, period.before, period.authority):
        for row in rows:
            yield Sent(**{**dict(row), "files": tuple(row["files"])})
        after = (rows[-1]["submitted_at"], rows[-1]["id"])
