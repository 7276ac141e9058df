"""The jobs that were set aside: what an operator sees of them, and how one is given back; in scope `system`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, JobId

OF_ACTES = ("actes.analyse", "actes.acknowledge")
OF_ENVELOPES = ("actes.package", "actes.transmit")
OF_FLOWS = ("helios.analyse", "helios.transmit", "helios.schema", "helios.index")


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that was set aside, and the flow that it stands still for (`acte_id`, the first of its envelope, or
    `helios_id`). `uncertain`: a sending of it may have arrived."""

    id: JobId
    kind: str
    object_id: int
    authority_id: AuthorityId | None
    authority: str | None
    since: datetime
    attempts: int
    takeovers: int
    code: str
    reason: str
    acte_id: int | None
    helios_id: int | None
    uncertain: bool

    @property
    def flow(self) -> str:
        """As `tdt flow` designates it; empty when it is of none."""
        if self.acte_id is not None:
            return f"actes:{self.acte_id}"
        return f"helios:{self.helios_id}" if self.helios_id is not None else ""


DEAD = """
    select j.id, j.kind, j.object_id, j.authority_id, a.name as authority,
        coalesce(j.dead_at, j.started_at, j.created_at) as since, j.attempts, j.takeovers, j.code,
        coalesce(j.last_error, '') as reason,
        case
            when j.kind = any($1::text[]) then j.object_id
            when j.kind = any($2::text[]) then (
                select coalesce(e.acknowledges_id, min(t.id)) from acte_envelope e
                left join acte_transaction t on t.envelope_id = e.id
                where e.id = j.object_id group by e.acknowledges_id)
        end as acte_id,
        case when j.kind = any($3::text[]) then j.object_id end as helios_id,
        exists (
            select from attempt x where (x.outcome is null or x.outcome = 'uncertain') and x.object_id = j.object_id
            and x.object_kind = case j.kind when 'actes.transmit' then 'acte_envelope'
                when 'helios.transmit' then 'helios_transaction' end) as uncertain
    from job j left join authority a on a.id = j.authority_id
    where j.state = 'dead'"""
LIST = f"""{DEAD} and ($4::text[] is null or j.kind = any($4)) and ($5::bigint is null or j.authority_id = $5)
    and ($6::text is null or j.code = $6) order by since, j.id limit $7"""
TAKE = f"{DEAD} and j.id = $4 for update of j"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which are listed: of these kinds (all when none is named), of a collectivité, with a code."""

    kinds: Collection[str] = ()
    authority: AuthorityId | None = None
    code: str | None = None
    limit: int = 1000


async def list_dead(connection: Connection, wanted: Wanted) -> list[DeadJob]:
    """What was set aside, the oldest first."""
    kinds = list(wanted.kinds) or None
    rows = await connection.fetch(LIST, *_kinds(), kinds, wanted.authority, wanted.code, wanted.limit)
    return [DeadJob(**row) for row in rows]


async def lock_dead(connection: Connection, job: JobId) -> DeadJob | None:
    """One of them, kept from other operators until the end of the transaction; None when it is not set aside."""
    row = await connection.fetchrow(TAKE, *_kinds(), job)
    return DeadJob(**row) if row is not None else None


def _kinds() -> Sequence[list[str]]:
    return [list(OF_ACTES), list(OF_ENVELOPES), list(OF_FLOWS)]


REVIVE = """
    update job set state = 'ready', run_at = now(), attempts = 0, takeovers = 0, worker = null, published_at = null,
        turn = null, code = '', dead_at = null
    where id = $1 and state = 'dead' returning pg_notify('tdt_job', id::text)"""


async def move_to_ready(connection: Connection, job: JobId) -> bool:
    """Give a job that was set aside back to the workers, as if it had never been tried; False when it was not."""
    return bool(await connection.fetch(REVIVE, job))


async def count_dead(connection: Connection) -> dict[str, int]:
    """How many are set aside, by kind."""
    rows = await connection.fetch("select kind, count(*) as jobs from job where state = 'dead' group by kind")
    return {row["kind"]: row["jobs"] for row in rows}
