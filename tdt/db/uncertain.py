"""The sendings in doubt: all of them, with what stands beside each; in scope `system`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId

KINDS = {"actes": "acte_envelope", "helios": "helios_transaction"}

UNCERTAIN = """
    select x.id, x.object_kind, x.object_id, x.authority_id, a.name as authority, r.name as route, x.name,
        x.started_at, x.outcome is not null as ended, x.detail,
        case x.object_kind when 'helios_transaction' then x.object_id else coalesce(
            e.acknowledges_id, (select min(t.id) from acte_transaction t where t.envelope_id = x.object_id)) end
            as flow,
        case x.object_kind
            when 'helios_transaction' then (select t.status from helios_transaction t where t.id = x.object_id)
            else coalesce((select min(t.status) from acte_transaction t where t.envelope_id = x.object_id),
                (select t.status from acte_transaction t where t.id = e.acknowledges_id)) end as status,
        coalesce(e.acknowledges_id is not null, false) as letter,
        exists (
            select from attempt y where y.object_kind = x.object_kind and y.object_id = x.object_id and y.id > x.id)
            as later,
        j.state as work, j.run_at, coalesce(j.last_error, '') as error
    from attempt x join authority a on a.id = x.authority_id join route r on r.id = x.route_id
    left join acte_envelope e on x.object_kind = 'acte_envelope' and e.id = x.object_id
    left join lateral (
        select j.state, j.run_at, j.last_error from job j
        where j.kind = case x.object_kind when 'acte_envelope' then 'actes.transmit' else 'helios.transmit' end
            and j.object_id = x.object_id order by j.state = 'dead' desc, j.id desc limit 1) j on true
    where x.outcome is null or x.outcome = 'uncertain' order by x.started_at, x.id limit $1"""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A sending in doubt. `ended`: it has its outcome, uncertain; else it is under way, or was cut. `flow`, `status`:
    of the PES, or of the first act of the envelope, or of the `letter` that it acknowledges; `later`: it was sent
    again since; `work`, `run_at`, `error`: of its job, if it has one."""

    id: int
    object_kind: str
    object_id: int
    authority_id: AuthorityId
    authority: str
    route: str
    name: str
    started_at: datetime
    ended: bool
    detail: str
    flow: int | None
    status: int | None
    letter: bool
    later: bool
    work: str | None
    run_at: datetime | None
    error: str

    @property
    def target(self) -> str:
        """As `tdt flow` and `tdt release` designate it."""
        return f"{'helios' if self.object_kind == 'helios_transaction' else 'actes'}:{self.flow}"


async def list_uncertain(connection: Connection, limit: int = 1000) -> list[Uncertain]:
    """All of them, the oldest first."""
    return [Uncertain(**row) for row in await connection.fetch(UNCERTAIN, limit)]


COUNT_OPEN = """
    select count(*) from attempt where outcome is null and object_kind = any($1)
        and ($2::bigint is null or authority_id = $2) and started_at > now() - interval '1 hour'"""


async def count_open(connection: Connection, authority: AuthorityId | None, modules: Sequence[str]) -> int:
    """How many sendings have begun and have no outcome yet, of a collectivité or of all."""
    kinds = [KINDS[module] for module in modules]
    found: int = await connection.fetchval(COUNT_OPEN, kinds, authority)
    return found
