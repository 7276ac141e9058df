"""The operator's box: what the State sent and nobody could be given, or that a person must look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.ids import AuthorityId, ContentId, HeliosId, ReceivedId

FORGED = "forged"
"""The `kind` of what does not prove that it comes from the ministry."""


@dataclass(frozen=True, slots=True)
class BoxLine:
    """A reception as an operator sees it."""

    id: ReceivedId
    route: str
    route_kind: str
    name: str
    state: str
    kind: str
    code: str
    detail: str
    received_at: datetime
    handled_at: datetime | None
    authority_id: AuthorityId | None
    authority: str | None
    proposed_authority_id: AuthorityId | None
    proposed: str | None
    proposed_siren: str
    proposed_act: str
    proposed_helios_id: HeliosId | None
    assigned: bool
    assigned_act: str
    assigned_helios_id: HeliosId | None
    helios_id: HeliosId | None
    vouched_by: str | None
    content_id: ContentId
    size: int
    sha256: str
    said: Mapping[str, object]


LINES = """
    select v.id, r.name as route, r.kind as route_kind, v.name, v.state, v.kind, v.code, v.detail, v.received_at,
        v.handled_at, v.authority_id, a.name as authority, v.proposed_authority_id, p.name as proposed,
        v.proposed_siren, v.proposed_act, v.proposed_helios_id, v.assigned, v.assigned_act, v.assigned_helios_id,
        v.helios_id, v.vouched_by, v.content_id, c.size, encode(c.sha256, 'hex') as sha256, v.said
    from received v join route r on r.id = v.route_id join content c on c.id = v.content_id
        left join authority a on a.id = v.authority_id left join authority p on p.id = v.proposed_authority_id"""

LIST = f"{LINES} where v.state = any($1) and ($2::bigint is null or v.id < $2) order by v.id desc limit $3"


async def list_received(connection: Connection, states: Sequence[str], before: int | None, limit: int) -> list[BoxLine]:
    """Receptions in these states, the newest first, of a smaller id than `before`; in scope `system`."""
    return [BoxLine(**row) for row in await connection.fetch(LIST, list(states), before, limit)]


async def find_line(connection: Connection, received: ReceivedId) -> BoxLine | None:
    """One reception, in scope `system`."""
    row = await connection.fetchrow(f"{LINES} where v.id = $1", received)
    return BoxLine(**row) if row is not None else None


async def lock_line(connection: Connection, received: ReceivedId) -> BoxLine | None:
    """The same, kept from other operators until the end of the transaction."""
    row = await connection.fetchrow(f"{LINES} where v.id = $1 for update of v", received)
    return BoxLine(**row) if row is not None else None


MOVE_TO_NEW = """
    update received set state = 'new', handled_at = null, authority_id = $3, assigned = $4, assigned_act = $5,
        vouched_by = coalesce($6, vouched_by), assigned_helios_id = $7
    where id = $1 and state = $2"""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operator decided about a reception that is to be read again."""

    authority_id: AuthorityId | None
    assigned: bool
    act: str
    vouched_by: str | None = None
    helios_id: HeliosId | None = None


async def move_to_new(connection: Connection, line: BoxLine, decision: Decision) -> bool:
    """Have a reception read again; False when it is not any more what the operator saw."""
    status = await connection.execute(
        MOVE_TO_NEW,
        line.id,
        line.state,
        decision.authority_id,
        decision.assigned,
        decision.act,
        decision.vouched_by,
        decision.helios_id,
    )
    return affected(status) == 1


async def move_to_dismissed(connection: Connection, line: BoxLine) -> bool:
    """Take a reception out of the box: seen, nothing to do. Its bytes stay."""
    status = await connection.execute(
        "update received set state = 'dismissed', handled_at = now() where id = $1 and state = $2", line.id, line.state
    )
    return affected(status) == 1


PROPOSE = """
    update received set proposed_authority_id = $2, proposed_siren = $3, proposed_act = $4 where id = $1"""


async def move_proposal(
    connection: Connection, received: ReceivedId, authority: AuthorityId | None, siren: str, act: str
) -> None:
    """Say for whom a reception probably is."""
    await connection.execute(PROPOSE, received, authority, siren, act)


OWNERS_OF_ACTS = """
    select distinct on (unique_id, authority_id) unique_id, authority_id from acte_transaction
    where unique_id = any($1)"""


async def list_owners_of_acts(connection: Connection, acts: Sequence[str]) -> list[tuple[str, AuthorityId]]:
    """Whose acts these IDActe are, in scope `system`."""
    rows = await connection.fetch(OWNERS_OF_ACTS, list(acts))
    return [(row["unique_id"], AuthorityId(row["authority_id"])) for row in rows]


OWNERS_OF_SIRENS = "select siren, id from authority where siren = any($1) and status = 1"


async def list_owners_of_sirens(connection: Connection, sirens: Sequence[str]) -> list[tuple[str, AuthorityId]]:
    """Whose these SIREN are, in scope `system`."""
    return [(row["siren"], AuthorityId(row["id"])) for row in await connection.fetch(OWNERS_OF_SIRENS, list(sirens))]


COUNT = """
    select r.kind, case when v.kind = 'forged' then 'forged' when v.kind = 'OCRE' then 'ocre'
        when v.authority_id is null then 'unattributed'
        else 'attributed' end as reason, count(*) as waiting
    from received v join route r on r.id = v.route_id where v.state = 'set_aside' group by 1, 2"""


async def count_waiting(connection: Connection) -> dict[tuple[str, str], int]:
    """How many receptions wait for an operator, by kind of route and reason; in scope `system`."""
    return {(row["kind"], row["reason"]): row["waiting"] for row in await connection.fetch(COUNT)}
