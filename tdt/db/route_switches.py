"""Collectivités that change routes on a date: who would, who will, and the change that is given up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.routes import RouteKind

USERS = """
    select u.authority_id from authority_route u
    where u.route_id = $1 and u.valid_from <= $2 and (u.valid_to is null or u.valid_to > $2)
    order by u.authority_id"""


async def list_users(connection: Connection, route: RouteId, day: date) -> list[AuthorityId]:
    """The collectivités whose route this is on that day, in scope `system`."""
    return [AuthorityId(row["authority_id"]) for row in await connection.fetch(USERS, route, day)]


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that is to come: from `on` on the collectivité takes the route `to_id` instead of `from_id`."""

    authority_id: AuthorityId
    authority: str
    kind: str
    on: date
    from_id: RouteId | None
    from_name: str | None
    to_id: RouteId
    to_name: str


PLANNED = """
    select u.authority_id, a.name as authority, u.kind, u.valid_from as on, p.route_id as from_id, o.name as from_name,
        u.route_id as to_id, r.name as to_name
    from authority_route u join authority a on a.id = u.authority_id join route r on r.id = u.route_id
        left join authority_route p on p.authority_id = u.authority_id and p.kind = u.kind and p.valid_to = u.valid_from
        left join route o on o.id = p.route_id
    where u.valid_from > $1
    order by u.valid_from, u.kind, u.authority_id"""


async def list_planned(connection: Connection, today: date) -> list[Planned]:
    """The changes that are to come, in their order, in scope `system`."""
    return [Planned(**row) for row in await connection.fetch(PLANNED, today)]


async def delete_planned(connection: Connection, kind: RouteKind, on: date, authorities: Sequence[AuthorityId]) -> None:
    """Give up a change that is to come: the route before it goes on."""
    gone = await connection.fetch(
        """delete from authority_route where kind = $1 and valid_from = $2 and authority_id = any($3)
        returning authority_id, valid_to""",
        kind,
        on,
        list(authorities),
    )
    for row in gone:
        await connection.execute(
            "update authority_route set valid_to = $4 where authority_id = $1 and kind = $2 and valid_to = $3",
            row["authority_id"],
            kind,
            on,
            row["valid_to"],
        )
