"""The whole life of a PES flow, as it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.helios import REFUSED_TAG
from tdt.db.pool import Connection
from tdt.db.shown_work import BY_WHOM
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import AccountId, AuthorityId, HeliosId, ReceivedId
from tdt.domain.plain import instant


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the life. `account_id` is who caused it, None when nobody of the collectivité did."""

    status: HeliosStatus
    at: datetime
    message: str
    account_id: AccountId | None
    account: str | None
    operator: str | None
    """The login of whoever did it at the command line."""


STEPS = f"""
    select w.status, w.at, w.message, a.account_id, trim(u.givenname || ' ' || u.name) as account, (
            select o.data ->> 'operator' from audit o
            where o.authority_id = w.authority_id and o.at = w.at and o.object_id = w.transaction_id
                and o.tag like 'cli:helios:%' limit 1) as operator
    from helios_workflow w
    {BY_WHOM}
    where w.transaction_id = $1 order by w.id"""


async def list_steps(connection: Connection, flow: HeliosId) -> list[Step]:
    """The life of a flow, oldest first."""
    rows = await connection.fetch(STEPS, flow)
    return [Step(**{**dict(row), "status": HeliosStatus(row["status"])}) for row in rows]


@dataclass(frozen=True, slots=True)
class Around:
    """What is not in the row of a flow: whose it is, its digest, its way, its acquit."""

    authority: str
    account: str | None
    origin: str
    sha256: bytes
    route: str
    transport: str
    test: bool
    acquit_size: int | None


AROUND = """
    select a.name as authority, trim(u.givenname || ' ' || u.name) as account, t.origin, c.sha256, r.name as route,
        r.transport, r.test, q.size as acquit_size
    from helios_transaction t join authority a on a.id = t.authority_id join route r on r.id = t.route_id
    join content c on c.id = t.content_id left join content q on q.id = t.acquit_content_id
    left join account u on u.id = t.account_id
    where t.id = $1"""


async def find_around(connection: Connection, flow: HeliosId) -> Around | None:
    """What surrounds a flow visible to the scope."""
    row = await connection.fetchrow(AROUND, flow)
    return Around(**row) if row is not None else None


FIRST_COPY = f"""
    select w.at, a.data, o.name as authority
    from helios_workflow w
    -- written with the refusal: of the same instant
    join audit a on a.tag = '{REFUSED_TAG}' and a.at = w.at and a.object_id = w.transaction_id
    left join authority o on o.id = (a.data ->> 'holder_authority')::bigint
    where w.transaction_id = $1 and w.status = {HeliosStatus.ERREUR:d} order by w.id desc limit 1"""


@dataclass(frozen=True, slots=True)
class FirstCopy:
    """Who holds what a flow was refused for: for the operator only."""

    transaction_id: HeliosId
    authority_id: AuthorityId
    authority: str | None


async def find_first_copy(connection: Connection, flow: HeliosId) -> FirstCopy | None:
    """Of a flow refused because its name is taken on the platform, in scope `system`."""
    row = await connection.fetchrow(FIRST_COPY, flow)
    if row is None:
        return None
    data = row["data"]
    return FirstCopy(HeliosId(data["holder"]), AuthorityId(data["holder_authority"]), row["authority"])


RETURNED = """
    select r.id, r.name, r.kind, r.state, r.code, r.detail, r.received_at, c.size,
        r.helios_id is distinct from $1 and r.assigned_helios_id is distinct from $1 as proposed
    from received r join content c on c.id = r.content_id
    where r.helios_id = $1 or r.assigned_helios_id = $1 or r.proposed_helios_id = $1 order by r.id"""


@dataclass(frozen=True, slots=True)
class Returned:
    """What the DGFiP sent about a flow. `proposed`: it probably answers it, an operator decides."""

    id: ReceivedId
    name: str
    kind: str
    state: str
    code: str
    detail: str
    received_at: datetime
    size: int
    proposed: bool

    def plain(self, operator: bool) -> dict[str, object]:
        """As JSON says it: why it waits is for the operator."""
        told: dict[str, object] = {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "state": self.state,
            "at": instant(self.received_at),
            "size": self.size,
        }
        return {**told, "code": self.code, "detail": self.detail, "proposed": self.proposed} if operator else told


async def list_returned(connection: Connection, flow: HeliosId) -> list[Returned]:
    """The files of the DGFiP about a flow that the scope sees, oldest first."""
    return [Returned(**row) for row in await connection.fetch(RETURNED, flow)]


@dataclass(frozen=True, slots=True)
class Alert:
    """What the operator was told of a flow."""

    kind: str
    since: datetime
    told_at: datetime


async def list_alerts(connection: Connection, flow: HeliosId) -> list[Alert]:
    """The alerts about a flow, oldest first."""
    query = "select kind, since, told_at from helios_alert where transaction_id = $1 order by id"
    return [Alert(**row) for row in await connection.fetch(query, flow)]


NAMED = """
    select id from helios_transaction where xml_nomfic = $1
    union
    select id from helios_transaction
    where transmitted_name = $1 and authority_id in (select id from authority where siren = any($2))
    union
    select id from helios_transaction where filename = $1 or acquit_filename = $1
    union
    select id from helios_transaction where sha1 = $3
    order by id"""


async def list_ids_named(
    connection: Connection, name: str, sirens: Sequence[str], sha1: bytes | None
) -> list[HeliosId]:
    """The flows of this NomFic, sent under this name (of one of these SIREN), posted or acknowledged under it.

    Or the one of these bytes.
    """
    return [HeliosId(row["id"]) for row in await connection.fetch(NAMED, name, list(sirens), sha1)]
