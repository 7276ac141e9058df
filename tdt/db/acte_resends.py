"""An act that is sent again: what is known of the refused one, and how its number goes to the new one."""

from dataclasses import dataclass

from tdt.db.actes import Acte
from tdt.db.pool import Connection, affected
from tdt.domain.errors import Conflict
from tdt.domain.ids import ActeId, ContentId, EnvelopeId


@dataclass(frozen=True, slots=True)
class Mark:
    """What an act in error carries: where the answer of the ministry is, what it was sent again as, a late AR."""

    flux: ContentId | None
    resent_as: ActeId | None
    late_ar: bool
    broadcast_emails: str
    send_sources: bool


MARK = """
    select (
            select flux_content_id from acte_workflow where transaction_id = t.id and status = -1
            order by id desc limit 1
        ) as flux,
        (select n.id from acte_transaction n where n.resend_of = t.id) as resent_as,
        exists (
            select from received r where r.authority_id = t.authority_id and r.kind like '%1-2%'
                and r.detail like '%AR pour l''acte ' || t.id || ',%') as late_ar,
        t.broadcast_emails, t.send_sources
    from acte_transaction t where t.id = $1"""


async def get_mark(connection: Connection, acte: ActeId) -> Mark:
    """Of an act that the scope sees."""
    row = await connection.fetchrow(MARK, acte)
    if row is None:
        raise Conflict("La transaction a disparu.", details={"acte_id": acte})
    return Mark(**row)


SUPERSEDE = """
    update acte_transaction set superseded_at = now()
    where id = $1 and type = 1 and status = -1 and superseded_at is null"""


async def move_to_superseded(connection: Connection, acte: ActeId) -> None:
    """The refused act gives its number up, once. Conflict when it did already."""
    if affected(await connection.execute(SUPERSEDE, acte)) != 1:
        raise Conflict("L'acte a déjà été renvoyé.", details={"acte_id": acte})


async def move_resend_of(connection: Connection, acte: ActeId, refused: ActeId) -> None:
    """Say which refused act this one is sent again for."""
    await connection.execute("update acte_transaction set resend_of = $2 where id = $1", acte, refused)


async def is_superseded(connection: Connection, envelope: EnvelopeId) -> bool:
    """Whether an act of this envelope was sent again as another: it never lives again."""
    query = "select exists (select from acte_transaction where envelope_id = $1 and superseded_at is not null)"
    superseded: bool = await connection.fetchval(query, envelope)
    return superseded


ANSWERED_BEFORE = """
    select t.id from acte_transaction t
    where t.unique_id = $1 and t.authority_id = $2 and t.type = 1 and t.superseded_at is not null
        and t.classification_date is distinct from $3
        and exists (
            select from acte_workflow w join content c on c.id = w.flux_content_id
            where w.transaction_id = t.id and c.sha256 = $4)
    order by t.id limit 1"""


async def find_answered_before(connection: Connection, acte: Acte, sha256: bytes) -> ActeId | None:
    """The refused act that gave this one its number and that these bytes of the State moved, made with another
    classification: they are about that one, and came again."""
    found = await connection.fetchval(
        ANSWERED_BEFORE, acte.unique_id, acte.authority_id, acte.classification_date, sha256
    )
    return ActeId(found) if found is not None else None
