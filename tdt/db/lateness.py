"""What is older than its limit, found by a few indexed statements whatever has ended; in scope `system`.

Each gives rows for `tdt.domain.limits.Item`: of each rule and route the oldest, then one for all the others
(`tdt.domain.crowds`), so that memory does not grow with what is late. A limit is the instant before which something is
late; None: it never is. What stands still because its work was set aside is told as that work (`job.dead`), not a
second time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tdt.db.pool import Connection, Record
from tdt.domain.crowds import NAMED, rest_of
from tdt.domain.limits import ACTES, HELIOS, Item, Late

Before = Mapping[Late, datetime]

BOUNDED = """
    select * from (
        select l.*, count(*) over w as together, row_number() over (w order by l.since, l.id) as place
        from ({}) l window w as (partition by l.late, l.route_id)) b
    where place <= {} order by since, id"""


async def _list(connection: Connection, statement: str, *values: object) -> list[Item]:
    """What a statement finds (`late`, `subject`, `id`, `since`, …), bounded."""
    return [_item(row) for row in await connection.fetch(BOUNDED.format(statement, NAMED + 1), *values)]


def _item(row: Record) -> Item:
    kind, place = Late(row["late"]), {"route_id": row["route_id"], "route": row["route"] or ""}
    if row["place"] > NAMED:
        # the first of the others stands for them all: since when, and why
        subject, count = rest_of(kind, row["route_id"]), row["together"] - NAMED
        return Item(kind, subject, row["since"], name="les suivants", count=count, error=row["error"], **place)
    owner = (row["authority_id"], row["authority"] or "")
    return Item(kind, row["subject"], row["since"], *owner, row["name"], error=row["error"], **place)


def since(module: str) -> str:
    """The instant at which the transaction `t` of a module came to its status: notes made in it since do not count."""
    return f"""(
        select min(w.at) from {module}_workflow w where w.transaction_id = t.id and w.id > coalesce((
            select max(o.id) from {module}_workflow o where o.transaction_id = t.id and o.status <> t.status), 0))"""


LATE_ACTES = f"""
    with wanted as (select * from unnest($1::smallint[], $2::timestamptz[], $5::text[]) as w(status, before, rule)),
    unfinished as (
        select t.* from acte_transaction t where t.status in (1, 2, 7, 12, 14, 17, 18, 19, 20)
        union all
        select t.* from acte_transaction t where t.status = 3 and t.type <> 2),
    old as (
        select t.id, t.status, t.envelope_id, t.authority_id, t.number, w.before, w.rule,
            coalesce({since("acte")}, t.submitted_at) as since
        from unfinished t join wanted w on w.status = t.status and t.submitted_at <= w.before),
    working as (
        select o.*, j.state, j.last_error, j.id as job
        from old o left join lateral (
            select w.* from (
                select j.id, j.state, j.last_error from job j
                where j.kind in ('actes.analyse', 'actes.acknowledge') and j.object_id = o.id
                union all
                select j.id, j.state, j.last_error from job j
                where j.kind in ('actes.package', 'actes.transmit') and j.object_id = o.envelope_id
                union all
                select j.id, j.state, j.last_error from acte_envelope e
                join job j on j.kind in ('actes.package', 'actes.transmit') and j.object_id = e.id
                where e.acknowledges_id = o.id) w
            where o.status in (1, 2, 7) order by w.state = 'dead' desc, w.id desc limit 1) j on true)
    select case when t.status = 2 and coalesce(t.last_error, '') like 'CONVENTION_RETENUE%' then 'acte.held'
            else t.rule end as late,
        'actes:' || t.id as subject, t.id, t.since, t.authority_id, a.name as authority,
        coalesce(t.number, '') as name, e.route_id, r.name as route,
        case when t.status in (1, 2, 7) and t.job is null then null else coalesce(t.last_error, '') end as error
    from working t join authority a on a.id = t.authority_id join acte_envelope e on e.id = t.envelope_id
    join route r on r.id = e.route_id
    where t.since <= t.before and t.state is distinct from 'dead'
        and (t.status <> 2
            or t.since <= case when coalesce(t.last_error, '') like 'CONVENTION_RETENUE%'
                then $3::timestamptz else $4::timestamptz end)"""


async def list_late_actes(connection: Connection, before: Before) -> list[Item]:
    """The transactions of ACTES that are in their status for too long."""
    statuses = {int(status): kind for status, kind in ACTES.items() if isinstance(kind, Late)}
    waiting, held = before.get(Late.ACTE_WAITING), before.get(Late.ACTE_HELD)
    either = max((one for one in (waiting, held) if one is not None), default=None)  # each limit counts by itself
    wanted = [(status, either if kind is Late.ACTE_WAITING else before.get(kind)) for status, kind in statuses.items()]
    return await _list(
        connection, LATE_ACTES, *_columns(wanted), held, waiting, [str(one) for one in statuses.values()]
    )


LATE_FLOWS = f"""
    with wanted as (select * from unnest($1::smallint[], $2::timestamptz[], $3::text[]) as w(status, before, rule)),
    old as (
        select t.id, t.route_id, t.authority_id, t.xml_nomfic, t.filename, w.before, w.rule,
            coalesce({since("helios")}, t.submitted_at) as since
        from helios_transaction t join wanted w on w.status = t.status and t.submitted_at <= w.before
        where t.status in (9, 11, 13, 14, 19, 20, 23))
    select t.rule as late, 'helios:' || t.id as subject, t.id, t.since, t.authority_id, a.name as authority,
        coalesce(t.xml_nomfic, t.filename) as name, '' as error, t.route_id, r.name as route
    from old t join authority a on a.id = t.authority_id join route r on r.id = t.route_id
    where t.since <= t.before"""
"""But those at 1, 2 and 3: the alerts of HELIOS tell them (tdt.db.helios_alerts)."""


async def list_late_flows(connection: Connection, before: Before) -> list[Item]:
    """The PES that wait for people in their status for too long."""
    statuses = {int(status): kind for status, kind in HELIOS.items() if isinstance(kind, Late)}
    wanted = [(status, before.get(kind)) for status, kind in statuses.items()]
    return await _list(connection, LATE_FLOWS, *_columns(wanted), [str(one) for one in statuses.values()])


def _columns(pairs: Sequence[tuple[int, datetime | None]]) -> tuple[list[int], list[datetime | None]]:
    return [status for status, _ in pairs], [at for _, at in pairs]


LATE_JOBS = """
    select case
            when j.state = 'dead' then 'job.dead' when j.state = 'running' then 'job.running' else 'job.retrying' end
            as late,
        'job:' || j.id as subject, j.id, j.kind || ' ' || j.object_id as name, j.authority_id, a.name as authority,
        null::bigint as route_id, '' as route,
        case j.state when 'dead' then coalesce(j.dead_at, j.started_at, j.created_at)
            when 'running' then j.started_at else j.created_at end as since,
        case when j.code <> '' then j.code || ' : ' else '' end || coalesce(j.last_error, '') as error
    from job j left join authority a on a.id = j.authority_id
    where (j.state = 'dead' and coalesce(j.dead_at, j.started_at, j.created_at) <= $1)
        or (j.state = 'running' and j.started_at <= $2)
        or (j.state = 'ready' and j.attempts > 1 and j.created_at <= $3 and j.kind = any($4))"""
ON_THEIR_OWN = (
    "actes.classification",
    "actes.daily_classification",
    "helios.reread",
    "helios.schema",
    "helios.index",
)
"""The jobs of what has no status, nor a limit, of its own."""
OVERDUE = """
    select kind, count(*) as count, min(run_at) as since from job where state = 'ready' and run_at <= $1
    group by kind order by kind"""


async def list_late_jobs(connection: Connection, before: Before) -> list[Item]:
    """The jobs set aside, in hand for too long, tried in vain for too long; those that nobody takes, by kind."""
    limits = [before.get(kind) for kind in (Late.JOB_DEAD, Late.JOB_RUNNING, Late.JOB_RETRYING)]
    items = await _list(connection, LATE_JOBS, *limits, list(ON_THEIR_OWN))
    for row in await connection.fetch(OVERDUE, before.get(Late.JOB_OVERDUE)):
        items.append(Item(Late.JOB_OVERDUE, f"jobs:{row['kind']}", row["since"], name=row["kind"], count=row["count"]))
    return items


HAS_DEAD_JOB = "exists (select from job d where d.kind = '{}' and d.object_id = {} and d.state = 'dead')"
IN_SPOOL = f"""
    select 'spool' as late, 'spool' as subject, count(*) as count, min(c.created_at) as since,
        (select j.last_error from job j where j.kind = 'content.archive' and j.last_error is not null
            order by j.id limit 1) as error
    from content c
    where c.spool_name is not null and c.place = 'spool' and c.created_at <= $1
        and not {HAS_DEAD_JOB.format("content.archive", "c.id")}"""
UNSENT_NOTICES = """
    select 'notices' as late, 'notices' as subject, count(*) as count, min(n.created_at) as since,
        max(j.last_error) as error
    from notice n join job j on j.kind = 'notice.send' and j.object_id = n.id and j.state <> 'dead'
    where n.sent_at is null and n.created_at <= $1"""
UNSENT_MAILS = """
    select 'acte_mails' as late, 'acte-mails' as subject, count(*) as count, min(m.created_at) as since,
        max(j.last_error) as error
    from acte_mail m join job j on j.kind = 'acte.notify' and j.object_id = m.id and j.state <> 'dead'
    where m.sent_at is null and m.refused is null and m.created_at <= $1"""
HEAPS = {Late.SPOOL: IN_SPOOL, Late.NOTICES: UNSENT_NOTICES, Late.ACTE_MAILS: UNSENT_MAILS}


async def list_late_heaps(connection: Connection, before: Before) -> list[Item]:
    """What is told as one heap: contents in the spool, notices, mails about actes."""
    items = []
    for kind, statement in HEAPS.items():
        row = await connection.fetchrow(statement, before.get(kind))
        if row is not None and row["count"]:
            error = row["error"] or ""
            items.append(Item(kind, row["subject"], row["since"], count=row["count"], error=error))
    return items


LATE_RECEIVED = f"""
    select l.*, 'received:' || l.id as subject, r.name as route, a.name as authority from (
        select 'received' as late, d.id, d.received_at as since, d.name, d.authority_id, d.route_id, coalesce((
                select j.last_error from job j
                where j.kind in ('actes.ingest', 'helios.ingest') and j.object_id = d.id
                order by j.id desc limit 1), '') as error
        from received d where d.state = 'new' and d.received_at <= $1
            and not {HAS_DEAD_JOB.format("actes.ingest", "d.id")} and not {HAS_DEAD_JOB.format("helios.ingest", "d.id")}
        union all
        select 'box', d.id, coalesce(d.handled_at, d.received_at), d.name, d.authority_id, d.route_id,
            coalesce(nullif(d.detail, ''), d.code, '')
        from received d where d.state = 'set_aside' and coalesce(d.handled_at, d.received_at) <= $2) l
    join route r on r.id = l.route_id left join authority a on a.id = l.authority_id"""


async def list_late_received(connection: Connection, before: Before) -> list[Item]:
    """What came from the State, and is not read, or waits in the operator's box for too long."""
    return await _list(connection, LATE_RECEIVED, before.get(Late.RECEIVED), before.get(Late.BOX))


LATE_ATTEMPTS = f"""
    select 'uncertain' as late, 'attempt:' || x.id as subject, x.id, x.started_at as since, x.authority_id,
        a.name as authority, x.name,
        x.route_id, r.name as route, (
            select coalesce(j.last_error, '') from job j
            where j.kind = case x.object_kind when 'acte_envelope' then 'actes.transmit' else 'helios.transmit' end
                and j.object_id = x.object_id order by j.id desc limit 1) as error
    from attempt x join authority a on a.id = x.authority_id join route r on r.id = x.route_id
    where (x.outcome is null or x.outcome = 'uncertain')
        and x.started_at <= case x.object_kind when 'acte_envelope' then $1::timestamptz else $2::timestamptz end
        and not exists (
            select from attempt later where later.object_kind = x.object_kind and later.object_id = x.object_id
            and later.id > x.id)
        and case x.object_kind
            when 'helios_transaction' then
                exists (select from helios_transaction t where t.id = x.object_id and t.status = 2)
                and not {HAS_DEAD_JOB.format("helios.transmit", "x.object_id")}
            else
                exists (
                    select from acte_transaction t join acte_envelope e on e.id = x.object_id
                    where (t.envelope_id = e.id and t.status = 2) or (t.id = e.acknowledges_id and t.status = 7))
                and not {HAS_DEAD_JOB.format("actes.transmit", "x.object_id")} end"""


async def list_late_attempts(connection: Connection, before: datetime | None, windows: Sequence[float]) -> list[Item]:
    """The uncertain sendings that nothing has decided: neither proof nor resend. `windows`: those of the crash rule, of
    ACTES and of HELIOS, that are added to the limit."""
    limits = [before - timedelta(seconds=seconds) if before is not None else None for seconds in windows]
    return await _list(connection, LATE_ATTEMPTS, *limits)


LATE_LISTENERS = """
    select r.id, r.name, coalesce(l.seen_at, r.created_at) as since, coalesce(l.error, '') as error
    from route r left join route_listener l on l.route_id = r.id
    where r.active and coalesce(l.seen_at, r.created_at) <= $1 order by r.id"""


async def list_late_listeners(connection: Connection, before: datetime | None) -> list[Item]:
    """The routes in service whose reception nobody has looked at with success for too long."""
    return [
        Item(
            Late.LISTENER, f"route:{row['id']}", row["since"], error=row["error"], route_id=row["id"], route=row["name"]
        )
        for row in await connection.fetch(LATE_LISTENERS, before)
    ]
