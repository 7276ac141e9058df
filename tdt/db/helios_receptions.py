"""What the files of the DGFiP are compared with: who holds a SIRET, what a flow has already been answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, ContentId, HeliosId, ReceivedId
from tdt.domain.jobs import JobKind

SIRET_HOLDERS = "select authority_id, blocked from authority_siret where siret = $1 order by authority_id"


async def list_siret_holders(connection: Connection, siret: str) -> list[tuple[AuthorityId, bool]]:
    """The collectivités that have this SIRET, and whether each blocks it; in scope `system`."""
    rows = await connection.fetch(SIRET_HOLDERS, siret)
    return [(AuthorityId(row["authority_id"]), row["blocked"]) for row in rows]


ANSWERED_TWIN = """
    with mine as (select sha256 from content where id = $2)
    select t.id from helios_transaction t join content a on a.id = t.acquit_content_id
    where t.id = any($1) and a.sha256 = (select sha256 from mine) and not exists (
        select from received v where v.id = $3 and v.content_id = t.acquit_content_id)
    union
    select v.helios_id from received v join content c on c.id = v.content_id
    where v.helios_id = any($1) and v.id <> $3 and v.state <> 'ignored' and c.sha256 = (select sha256 from mine)
    order by 1 limit 1"""


async def find_answered(
    connection: Connection, flows: Sequence[HeliosId], content: ContentId, received: ReceivedId
) -> HeliosId | None:
    """The one of these flows that the same bytes, come in another reception, have answered already."""
    found = await connection.fetchval(ANSWERED_TWIN, list(flows), content, received)
    return HeliosId(found) if found is not None else None


RETOUR_TWIN = """
    select exists (
        select from helios_retour r join content c on c.id = r.content_id
        where r.authority_id = $1 and r.name = $2 and r.received_id <> $4
            and c.sha256 = (select sha256 from content where id = $3))"""


async def has_retour(
    connection: Connection, authority: AuthorityId, name: str, content: ContentId, received: ReceivedId
) -> bool:
    """Whether a collectivité has these bytes under this name, from another reception (another route)."""
    known: bool = await connection.fetchval(RETOUR_TWIN, authority, name, content, received)
    return known


async def move_said(connection: Connection, received: ReceivedId, said: Mapping[str, object]) -> None:
    """Keep what a file says of itself; what was proposed for it before this reading is forgotten."""
    await connection.execute(
        """update received set said = $2, proposed_authority_id = null, proposed_siren = '', proposed_helios_id = null
        where id = $1""",
        received,
        dict(said),
    )


@dataclass(frozen=True, slots=True)
class Proposal:
    """Whose a file probably is, and the flow that it probably answers."""

    authority_id: AuthorityId | None
    siren: str
    helios_id: HeliosId | None = None


PROPOSE = """
    update received set proposed_authority_id = $2, proposed_siren = $3, proposed_helios_id = $4 where id = $1"""


async def move_proposal(connection: Connection, received: ReceivedId, proposal: Proposal) -> None:
    """Say whose a file probably is."""
    await connection.execute(PROPOSE, received, proposal.authority_id, proposal.siren, proposal.helios_id)


SENT_FLOWS = """
    select id, authority_id from helios_transaction where xml_nomfic = $1 and transmitted_name is not null
    order by submitted_at desc, id desc limit 100"""


async def list_sent_flows(connection: Connection, nomfic: str) -> list[tuple[HeliosId, AuthorityId]]:
    """The flows that left under this NomFic, whatever their CodCol, the newest first; in scope `system`."""
    rows = await connection.fetch(SENT_FLOWS, nomfic)
    return [(HeliosId(row["id"]), AuthorityId(row["authority_id"])) for row in rows]


OWNERS_OF_SIRENS = """
    select id from authority where siren = any($1) and status = 1
    union select g.authority_id from authority_granted_siren g join authority a on a.id = g.authority_id
        where g.siren = any($1) and a.status = 1"""


async def list_owners_of_sirens(connection: Connection, sirens: Sequence[str]) -> list[AuthorityId]:
    """Whose these SIREN are, or to whom they were granted; in scope `system`."""
    return [AuthorityId(row["id"]) for row in await connection.fetch(OWNERS_OF_SIRENS, list(sirens))]


# two are enough to know that it is not one
OWNERS_OF_COLUMN = """
    select authority_id from (
        select distinct authority_id from helios_transaction where xml_id_post = $1 and xml_cod_col = $2) o limit 2"""


async def list_owners_of_column(connection: Connection, id_post: str, cod_col: str) -> list[AuthorityId]:
    """Whose flows have this IdPost and CodCol, in scope `system`."""
    rows = await connection.fetch(OWNERS_OF_COLUMN, id_post, cod_col)
    return [AuthorityId(row["authority_id"]) for row in rows]


# what an operator gave to somebody is not taken back
FOUND = """
    update received v set state = 'new', handled_at = null
    where v.state = 'set_aside' and v.code = any($1) and not v.assigned and (
        (v.kind = 'PES_Retour' and 1 = (
            select count(*) from authority_siret s where s.siret = v.said ->> 'id_coll' and not s.blocked))
        or (v.kind <> 'PES_Retour' and exists (
            select from helios_transaction t where t.xml_nomfic = v.said ->> 'nomfic'
                and t.transmitted_name is not null
                and (v.said ->> 'cod_col' is null or t.xml_cod_col = v.said ->> 'cod_col'))))
    returning v.id"""


async def move_found_to_new(connection: Connection, codes: Sequence[str]) -> int:
    """Have read again what waits for one of these reasons and would find somebody now, in scope `system`."""
    rows = await connection.fetch(FOUND, list(codes))
    for row in rows:
        await insert_job(connection, JobKind.HELIOS_INGEST, None, row["id"])
    return len(rows)
