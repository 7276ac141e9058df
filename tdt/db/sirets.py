"""SIRETs that flows bear: what is known of one, those that an operator must decide upon, SIRENs granted."""

from dataclasses import dataclass
from datetime import datetime

from tdt.db.pool import Connection, affected
from tdt.domain.helios.sirets import SiretStanding
from tdt.domain.ids import AuthorityId, HeliosId

STANDING = """
    select exists (select from authority_granted_siren where siren = left($2, 9) and authority_id = $1) as granted,
        exists (select from authority_siret where siret = $2 and authority_id = $1) as mine,
        exists (select from authority_siret where siret = $2 and authority_id <> $1)
            or exists (select from authority where siren = left($2, 9) and id <> $1 and purged_at is null)
            or exists (select from authority_granted_siren where siren = left($2, 9) and authority_id <> $1)
            as another"""


async def find_standing(connection: Connection, authority: AuthorityId, siret: str) -> SiretStanding:
    """What the whole platform knows of a SIRET, for this collectivité; in scope `system`."""
    [row] = await connection.fetch(STANDING, authority, siret)
    return SiretStanding(**row)


# ---------------------------------------------------------------------------------------------- proposals

INSERT_PROPOSAL = """
    insert into siret_proposal (authority_id, siret, first_flow, last_flow) values ($1, $2, $3, $3)
    on conflict (authority_id, siret) do update
        set last_flow = excluded.last_flow, last_at = now(), flows = siret_proposal.flows + 1
    returning flows = 1"""


async def insert_proposal(connection: Connection, authority: AuthorityId, siret: str, flow: HeliosId) -> bool:
    """Propose a SIRET to the operator, or count one flow more; True the first time. What was decided stays."""
    first: bool = await connection.fetchval(INSERT_PROPOSAL, authority, siret, flow)
    return first


@dataclass(frozen=True, slots=True)
class Proposal:
    """A SIRET that flows of a collectivité bear. `holders`: who has it, or its SIREN; for the operator."""

    id: int
    authority_id: AuthorityId
    authority: str
    siren: str
    siret: str
    state: str
    flows: int
    first_flow: HeliosId
    first_at: datetime
    last_flow: HeliosId
    last_at: datetime
    holders: list[AuthorityId]


PROPOSALS = """
    select p.id, p.authority_id, a.name as authority, a.siren, p.siret, p.state, p.flows, p.first_flow, p.first_at,
        p.last_flow, p.last_at,
        array(select authority_id from authority_siret s where s.siret = p.siret and s.authority_id <> p.authority_id
            union select id from authority o where o.siren = left(p.siret, 9) and o.id <> p.authority_id
            union select g.authority_id from authority_granted_siren g
                where g.siren = left(p.siret, 9) and g.authority_id <> p.authority_id
            order by 1) as holders
    from siret_proposal p join authority a on a.id = p.authority_id
    where {where} order by p.id limit 10000"""
# given by hand meanwhile: nothing is left to decide
WAITING = """p.state = 'waiting' and not exists (
        select from authority_siret s where s.siret = p.siret and s.authority_id = p.authority_id)"""


async def list_proposals(connection: Connection, everything: bool) -> list[Proposal]:
    """Those that wait, or all; the oldest first, in scope `system`."""
    query = PROPOSALS.format(where="true" if everything else WAITING)
    return [Proposal(**row) for row in await connection.fetch(query)]


async def lock_proposal(connection: Connection, proposal: int) -> Proposal | None:
    """One of them, kept from others until the end of the transaction."""
    if await connection.fetchval("select id from siret_proposal where id = $1 for update", proposal) is None:
        return None
    [row] = await connection.fetch(PROPOSALS.format(where="p.id = $1"), proposal)
    return Proposal(**row)


async def move_proposal(connection: Connection, proposal: int, state: str) -> None:
    """What an operator decided."""
    await connection.execute("update siret_proposal set state = $2, decided_at = now() where id = $1", proposal, state)


async def count_proposals(connection: Connection) -> int:
    """How many wait, in scope `system`."""
    count: int = await connection.fetchval(f"select count(*) from siret_proposal p where {WAITING}")
    return count


# ---------------------------------------------------------------------------------------------- SIRENs granted


async def list_granted(connection: Connection, authority: AuthorityId | None) -> list[tuple[str, AuthorityId]]:
    """The SIRENs granted, with the collectivité that has each; of one or of all."""
    rows = await connection.fetch(
        """select siren, authority_id from authority_granted_siren
        where $1::bigint is null or authority_id = $1 order by siren""",
        authority,
    )
    return [(row["siren"], AuthorityId(row["authority_id"])) for row in rows]


async def find_siren_owner(connection: Connection, siren: str) -> AuthorityId | None:
    """The collectivité whose own SIREN this is, or that it was granted to, in scope `system`."""
    found = await connection.fetchval(
        """select id from authority where siren = $1 and purged_at is null
        union all select authority_id from authority_granted_siren where siren = $1 limit 1""",
        siren,
    )
    return AuthorityId(found) if found is not None else None


async def insert_granted(connection: Connection, authority: AuthorityId, siren: str) -> None:
    """Grant a SIREN. Conflict (authority_granted_siren_pkey) when another just got it."""
    await connection.execute(
        "insert into authority_granted_siren (siren, authority_id) values ($2, $1)", authority, siren
    )


async def delete_granted(connection: Connection, authority: AuthorityId, siren: str) -> bool:
    """Take a SIREN back; the SIRETs learnt stay. False when it was not granted."""
    status = await connection.execute(
        "delete from authority_granted_siren where authority_id = $1 and siren = $2", authority, siren
    )
    return affected(status) == 1
