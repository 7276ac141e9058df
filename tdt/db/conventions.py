"""Conventions of the collectivités, their avenants, the suspensions, and the flows that wait for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tdt.db.authorities import MEMBERSHIP_TODAY
from tdt.db.jobs import write_wake
from tdt.db.pool import Connection, Record, as_record
from tdt.domain.authorities import Module
from tdt.domain.conventions import Avenant, Convention, Dossier, Suspension
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.jobs import JobKind

TRANSMISSIONS: Mapping[Module, JobKind] = {
    Module.ACTES: JobKind.ACTES_TRANSMIT,
    Module.HELIOS: JobKind.HELIOS_TRANSMIT,
}

AVENANTS = """coalesce((select jsonb_agg(to_jsonb(v) order by v.effective_on, v.id) from convention_avenant v
    where v.convention_id = c.id), '[]') as avenants"""
CONVENTION_COLUMNS = f"""c.id, c.authority_id, c.module, c.reference, c.device, c.state_party, c.operator, c.domains,
    c.signed_on, c.starts_on, c.ends_on, c.content_id, {AVENANTS}"""
SUSPENSION_COLUMNS = """s.id, s.module, s.starts_on, s.ends_on, s.reason, s.domains, s.flow,
    s.authority_id is null as everyone"""


DOSSIER = f"""
    select (select jsonb_agg(to_jsonb(found)) from (
                select {CONVENTION_COLUMNS} from convention c
                where c.authority_id = $1 and c.module = $2 order by c.id) found) as conventions,
        (select jsonb_agg(to_jsonb(found)) from (
                select {SUSPENSION_COLUMNS} from suspension s
                where (s.authority_id = $1 or s.authority_id is null) and s.module = $2
                order by s.starts_on, s.id) found) as suspensions,
        (select g.name from authority_membership m join authority_group g on g.id = m.group_id
            where m.authority_id = $1 and {MEMBERSHIP_TODAY}) as group_name"""


async def get_dossier(connection: Connection, authority: AuthorityId, module: Module) -> Dossier:
    """All that the verdict needs, in one statement."""
    row = as_record(await connection.fetchrow(DOSSIER, authority, module))
    return Dossier(
        tuple(read_convention(one) for one in row["conventions"] or ()),
        tuple(_suspension(one) for one in row["suspensions"] or ()),
        row["group_name"],
    )


def read_convention(values: Mapping[str, Any]) -> Convention:
    """The convention of a row, or of a JSON object, that holds CONVENTION_COLUMNS."""
    return Convention(
        id=values["id"],
        authority_id=AuthorityId(values["authority_id"]),
        module=Module(values["module"]),
        reference=values["reference"],
        signed_on=_day(values["signed_on"]),
        starts_on=_day(values["starts_on"]),
        ends_on=_day_or_none(values["ends_on"]),
        device=values["device"],
        state_party=values["state_party"],
        operator=values["operator"],
        domains=frozenset(values["domains"]),
        avenants=tuple(_avenant(one) for one in values["avenants"]),
    )


def _avenant(values: Mapping[str, Any]) -> Avenant:
    return Avenant(
        id=values["id"],
        reference=values["reference"],
        signed_on=_day(values["signed_on"]),
        effective_on=_day(values["effective_on"]),
        ends_on=_day_or_none(values["ends_on"]),
        device=values["device"],
        state_party=values["state_party"],
        operator=values["operator"],
        domains=frozenset(values["domains"]) if values["domains"] is not None else None,
    )


def _suspension(values: Mapping[str, Any]) -> Suspension:
    return Suspension(
        values["id"],
        Module(values["module"]),
        _day(values["starts_on"]),
        _day_or_none(values["ends_on"]),
        values["reason"],
        frozenset(values["domains"]),
        values["flow"],
        values["everyone"],
    )


def _day(value: str | date) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _day_or_none(value: str | date | None) -> date | None:
    return _day(value) if value is not None else None


async def get_dossiers(
    connection: Connection, authority: AuthorityId | None = None
) -> dict[AuthorityId, dict[Module, Dossier]]:
    """The same for every collectivité visible to the scope, or for one, in three statements; none where nothing is."""
    seen = "where ($1::bigint is null or {}.authority_id = $1)"
    groups = {
        row["authority_id"]: row["name"]
        for row in await connection.fetch(
            f"""select m.authority_id, g.name from authority_membership m join authority_group g on g.id = m.group_id
            where {MEMBERSHIP_TODAY} and ($1::bigint is null or m.authority_id = $1)""",
            authority,
        )
    }
    conventions: dict[tuple[AuthorityId, Module], list[Convention]] = {}
    for row in await connection.fetch(
        f"select {CONVENTION_COLUMNS} from convention c {seen.format('c')} order by c.id", authority
    ):
        one = read_convention(row)
        conventions.setdefault((one.authority_id, one.module), []).append(one)
    suspensions: dict[tuple[AuthorityId, Module], list[Suspension]] = {}
    for row in await connection.fetch(
        f"""select {SUSPENSION_COLUMNS}, s.authority_id from suspension s {seen.format("s")}
        and s.authority_id is not null order by s.starts_on, s.id""",
        authority,
    ):
        stop = _suspension(row)
        suspensions.setdefault((AuthorityId(row["authority_id"]), stop.module), []).append(stop)
    found: dict[AuthorityId, dict[Module, Dossier]] = {}
    for owner, module in {*conventions, *suspensions}:
        found.setdefault(owner, {})[module] = Dossier(
            tuple(conventions.get((owner, module), ())),
            tuple(suspensions.get((owner, module), ())),
            groups.get(owner),
        )
    return found


@dataclass(frozen=True, slots=True)
class Filed:
    """A convention with where its PDF is, and how its collectivité is called."""

    convention: Convention
    content_id: ContentId | None
    authority: str


LIST = f"select {CONVENTION_COLUMNS}, a.name as authority from convention c join authority a on a.id = c.authority_id"


async def list_conventions(
    connection: Connection, authority: AuthorityId | None = None, module: Module | None = None
) -> list[Filed]:
    """The conventions visible to the scope, by collectivité."""
    rows = await connection.fetch(
        f"""{LIST} where ($1::bigint is null or c.authority_id = $1) and ($2::text is null or c.module = $2)
        order by lower(a.name), a.id, c.module, c.starts_on, c.id""",
        authority,
        module,
    )
    return [_filed(row) for row in rows]


async def lock_convention(connection: Connection, convention: int) -> Filed | None:
    """A convention visible to the scope, kept from other administrators until the end of the transaction."""
    row = await connection.fetchrow(f"{LIST} where c.id = $1 for update of c", convention)
    return _filed(row) if row is not None else None


def _filed(row: Record) -> Filed:
    content = row["content_id"]
    return Filed(read_convention(row), ContentId(content) if content is not None else None, row["authority"])


INSERT = """
    insert into convention (authority_id, module, reference, device, state_party, operator, domains, signed_on,
        starts_on, ends_on)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id"""


async def insert_convention(connection: Connection, new: Convention) -> int:
    """Record a convention; its `id` and avenants are not read. Conflict when its reference is taken."""
    convention: int = await connection.fetchval(INSERT, new.authority_id, new.module, *_terms(new))
    return convention


MOVE = """
    update convention set reference = $2, device = $3, state_party = $4, operator = $5, domains = $6, signed_on = $7,
        starts_on = $8, ends_on = $9
    where id = $1"""


async def move_convention(connection: Connection, new: Convention) -> None:
    """Give a convention these values; its collectivité and module stay."""
    await connection.execute(MOVE, new.id, *_terms(new))


def _terms(new: Convention) -> tuple[object, ...]:
    return (
        new.reference,
        new.device,
        new.state_party,
        new.operator,
        sorted(new.domains),
        new.signed_on,
        new.starts_on,
        new.ends_on,
    )


async def move_document(
    connection: Connection, convention: int, avenant: int | None, content: ContentId | None
) -> None:
    """Give a convention, or one of its avenants, its PDF."""
    if avenant is None:
        await connection.execute("update convention set content_id = $2 where id = $1", convention, content)
        return
    await connection.execute(
        "update convention_avenant set content_id = $3 where id = $2 and convention_id = $1",
        convention,
        avenant,
        content,
    )


INSERT_AVENANT = """
    insert into convention_avenant (convention_id, authority_id, reference, signed_on, effective_on, ends_on, device,
        state_party, operator, domains, content_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) returning id"""


async def insert_avenant(
    connection: Connection, convention: Convention, new: Avenant, content: ContentId | None
) -> int:
    """Record an avenant; its `id` is not read. Conflict when its reference is taken."""
    avenant: int = await connection.fetchval(
        INSERT_AVENANT,
        convention.id,
        convention.authority_id,
        new.reference,
        new.signed_on,
        new.effective_on,
        new.ends_on,
        new.device,
        new.state_party,
        new.operator,
        sorted(new.domains) if new.domains is not None else None,
        content,
    )
    return avenant


async def find_document(connection: Connection, convention: int, avenant: int | None) -> ContentId | None:
    """Where the PDF of a convention, or of one of its avenants, is."""
    found = await connection.fetchval(
        """select case when $2::bigint is null then (select content_id from convention where id = $1)
            else (select content_id from convention_avenant where id = $2 and convention_id = $1) end""",
        convention,
        avenant,
    )
    return ContentId(found) if found is not None else None


async def insert_suspension(connection: Connection, authority: AuthorityId | None, new: Suspension) -> int:
    """Suspend a module of a collectivité, of all of them (None), or one flow; the `id` is not read."""
    suspension: int = await connection.fetchval(
        """insert into suspension (authority_id, module, domains, starts_on, ends_on, reason, flow)
        values ($1, $2, $3, $4, $5, $6, $7) returning id""",
        authority,
        new.module,
        sorted(new.domains),
        new.starts_on,
        new.ends_on,
        new.reason,
        new.flow,
    )
    return suspension


async def list_suspensions(
    connection: Connection, authority: AuthorityId | None
) -> list[tuple[AuthorityId | None, str, Suspension]]:
    """The suspensions visible to the scope, by collectivité, the newest last; first those of all of them."""
    rows = await connection.fetch(
        f"""select {SUSPENSION_COLUMNS}, s.authority_id, coalesce(a.name, '') as authority
        from suspension s left join authority a on a.id = s.authority_id
        where $1::bigint is null or s.authority_id = $1
        order by s.authority_id is not null, lower(a.name), a.id, s.starts_on, s.id""",
        authority,
    )
    return [(row["authority_id"], row["authority"], _suspension(row)) for row in rows]


async def lock_suspension(connection: Connection, suspension: int) -> tuple[AuthorityId | None, Suspension] | None:
    """A suspension visible to the scope, kept from other administrators until the end of the transaction."""
    row = await connection.fetchrow(
        f"select {SUSPENSION_COLUMNS}, s.authority_id from suspension s where s.id = $1 for update", suspension
    )
    return (row["authority_id"], _suspension(row)) if row is not None else None


async def move_suspension(connection: Connection, suspension: int, ends_on: date) -> None:
    """Let a suspension end on this day, its last one."""
    await connection.execute("update suspension set ends_on = $2 where id = $1", suspension, ends_on)


async def end_suspension(connection: Connection, current: Suspension, today: date) -> None:
    """Nothing is stopped by it any more, from today on."""
    yesterday = date.fromordinal(today.toordinal() - 1)
    if current.starts_on > yesterday:
        await delete_suspension(connection, current.id)
    else:
        await move_suspension(connection, current.id, yesterday)


OPEN_HOLDS = f"""
    select {SUSPENSION_COLUMNS} from suspension s
    where s.module = $1 and s.authority_id is not distinct from $2 and s.flow is not distinct from $3
        and s.domains = '{{}}' and s.starts_on <= $4 and (s.ends_on is null or s.ends_on >= $4)
    order by s.id for update"""


async def lock_holds(
    connection: Connection, module: Module, authority: AuthorityId | None, flow: int | None, today: date
) -> list[Suspension]:
    """What stops a module today: of all collectivités, of one, or of one flow of it; kept from other operators."""
    return [_suspension(row) for row in await connection.fetch(OPEN_HOLDS, module, authority, flow, today)]


async def delete_suspension(connection: Connection, suspension: int) -> None:
    """A suspension that never was, or that is lifted on its first day: the audit keeps it."""
    await connection.execute("delete from suspension where id = $1", suspension)


# ---------------------------------------------------------------------------------------------- what waits

WAITS = "last_error like 'CONVENTION_RETENUE%'"
WAKE = write_wake("($1::bigint is null or j.authority_id = $1) and j.kind = $2", WAITS)


async def wake_held(connection: Connection, authority: AuthorityId | None, module: Module) -> int:
    """Have the flows that wait for a convention looked at again once this transaction is committed; gives how many.

    Without a collectivité: those of all.
    """
    if module not in TRANSMISSIONS:
        return 0
    woken: int = await connection.fetchval(WAKE, authority, TRANSMISSIONS[module])
    return woken


@dataclass(frozen=True, slots=True)
class HeldFlow:
    """A flow that waits in state 2 for its convention; `why` is the code and the clause."""

    authority_id: AuthorityId
    authority: str
    kind: str
    object_id: int
    since: datetime
    next_look: datetime
    why: str


HELD = f"""
    select j.authority_id, a.name as authority, j.kind, j.object_id, j.created_at as since, j.run_at as next_look,
        j.last_error as why
    from job j join authority a on a.id = j.authority_id
    where j.state = 'ready' and j.{WAITS} and ($1::bigint is null or j.authority_id = $1)
    order by j.created_at, j.id"""


async def list_held(connection: Connection, authority: AuthorityId | None = None) -> list[HeldFlow]:
    """The flows that wait for a convention, oldest first."""
    return [HeldFlow(**row) for row in await connection.fetch(HELD, authority)]


async def count_held(connection: Connection) -> dict[str, int]:
    """How many flows wait for a convention, by kind of job, in scope `system`."""
    rows = await connection.fetch(
        f"select kind, count(*) as flows from job where state = 'ready' and {WAITS} group by kind"
    )
    return {row["kind"]: row["flows"] for row in rows}
