"""The classifications of the collectivités: received, in force, announced, asked for; read once for many deposits."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from tdt.db.actes import IN_FORCE, SubmitFacts
from tdt.db.content import get_small
from tdt.db.pool import Connection, affected
from tdt.domain.actes.classification import matieres_data, natures_data, parse_classification
from tdt.domain.actes.model import Classification
from tdt.domain.ids import AuthorityId, ContentId
from tdt.domain.routes import RouteKind

REMEMBERED = 64
"""One that is full takes a millisecond to read and some 200 kB to keep."""

_read: OrderedDict[bytes, Classification] = OrderedDict()
"""By the SHA-256 of the bytes: what was read stays true for whoever holds the same ones."""


async def read_held(connection: Connection, facts: SubmitFacts) -> Classification | None:
    """The classification held, or None before the first one."""
    if facts.classification is None or facts.classification_sha256 is None:
        return None
    known = _read.get(facts.classification_sha256)
    if known is None:
        known = parse_classification(await get_small(connection, facts.classification))
        _read[facts.classification_sha256] = known
        if len(_read) > REMEMBERED:
            _read.popitem(last=False)
    else:
        _read.move_to_end(facts.classification_sha256)
    return known


INSERT = """
    insert into acte_classification (authority_id, date, content_id, natures, matieres) values ($1, $2, $3, $4, $5)"""


async def insert_classification(
    connection: Connection, authority: AuthorityId, day: date, content: ContentId, read: Classification | None = None
) -> None:
    """Keep a classification received, as bytes and as data; without `read`, the data are added later."""
    natures = natures_data(read.natures) if read is not None else None
    matieres = matieres_data(read.matieres) if read is not None else None
    await connection.execute(INSERT, authority, day, content, natures, matieres)


UNREAD = """
    select id, date, content_id from acte_classification where natures is null and unusable is null
    order by id limit $1"""


@dataclass(frozen=True, slots=True)
class Unread:
    """One that was received before classifications were kept as data."""

    id: int
    date: date
    content_id: ContentId


async def list_unread(connection: Connection, limit: int) -> list[Unread]:
    """Those that are kept as bytes only, in scope `system`."""
    return [Unread(**row) for row in await connection.fetch(UNREAD, limit)]


async def move_to_read(connection: Connection, number: int, read: Classification) -> None:
    """Keep as data what its bytes say."""
    await connection.execute(
        "update acte_classification set natures = $2, matieres = $3 where id = $1",
        number,
        natures_data(read.natures),
        matieres_data(read.matieres),
    )


async def move_to_unusable(connection: Connection, number: int, why: str) -> None:
    """Never in force from here on; the one before it is again."""
    await connection.execute("update acte_classification set unusable = $2 where id = $1", number, why)


@dataclass(frozen=True, slots=True)
class Kept:
    """A classification received: `natures` and `matieres` are None while they are not kept as data."""

    date: date
    received_at: datetime
    content_id: ContentId
    in_force: bool
    unusable: str | None
    natures: Sequence[Mapping[str, Any]] | None
    matieres: Sequence[Mapping[str, Any]] | None


KEPT = f"""
    select c.date, c.received_at, c.content_id, c.content_id = f.content_id as in_force, c.unusable, c.natures,
        c.matieres
    from acte_classification c left join ({IN_FORCE.format(authority="$1")}) f on true
    where c.authority_id = $1 order by c.date desc, c.id desc"""


async def list_kept(connection: Connection, authority: AuthorityId) -> list[Kept]:
    """All that a collectivité received, newest date first."""
    rows = await connection.fetch(KEPT, authority)
    return [Kept(**{**dict(row), "in_force": bool(row["in_force"])}) for row in rows]


ANNOUNCE = f"""
    insert into acte_classification_announced (authority_id, date)
    select $1, $2 where $2 > coalesce((select date from ({IN_FORCE.format(authority="$1")}) held), '-infinity')
    on conflict do nothing"""


async def insert_announced(connection: Connection, authority: AuthorityId, day: date) -> bool:
    """Note that the ministry told of this date; False when it is held already, or was told before."""
    return affected(await connection.execute(ANNOUNCE, authority, day)) == 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the préfecture lately: `pending` still waits for its answer, `today` was asked this day."""

    pending: bool
    today: bool


ASKED = """
    select coalesce(bool_or(status in (1, 2, 3)), false) as pending,
        coalesce(bool_or(status >= 0 and submitted_at >= $3), false) as today
    from acte_transaction where authority_id = $1 and type = 7 and submitted_at >= least($2, $3)"""


async def lock_asked(connection: Connection, authority: AuthorityId, since: datetime, midnight: datetime) -> Asked:
    """The requests 7-1 of this collectivité; whoever asks next waits for the end of this transaction.

    One from before `since` is believed lost: it is not pending any more.
    """
    await connection.execute("select from authority where id = $1 for no key update", authority)
    row = await connection.fetchrow(ASKED, authority, since, midnight)
    return Asked(**row) if row is not None else Asked(False, False)


PLAN = """
    update authority a set classification_planned_on = $1
    where a.id = any(array(
        select o.id from authority o
        where o.status = 1 and not coalesce(o.closes_on <= $1, false)
            and o.classification_planned_on is distinct from $1
            and exists (
                select from authority_route u join route r on r.id = u.route_id
                where u.authority_id = o.id and u.kind = $2 and r.active
                    and u.valid_from <= $1 and (u.valid_to is null or u.valid_to > $1))
        order by o.id limit $3 for no key update skip locked))
    returning a.id"""


async def move_to_planned(connection: Connection, day: date, limit: int) -> list[AuthorityId]:
    """The collectivités at work whose daily request is not planned yet; from here on it is, once for all workers."""
    return [AuthorityId(row["id"]) for row in await connection.fetch(PLAN, day, RouteKind.ACTES, limit)]
