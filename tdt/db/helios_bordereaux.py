"""The bordereaux that flows carry: what the trésorerie returns of a mandat or of a titre finds its flow by them."""

from dataclasses import dataclass

from tdt.db.pool import Connection
from tdt.domain.helios.carried import Carried
from tdt.domain.ids import AuthorityId, HeliosId

INSERT = """
    insert into helios_bordereau (authority_id, transaction_id, side, exercice, number, type, cod_col, cod_bud, pieces)
    select $1, t.id, $3, $4, $5, $6, coalesce(t.xml_cod_col, ''), coalesce(t.xml_cod_bud, ''), $7
    from helios_transaction t where t.id = $2"""


async def insert_bordereaux(connection: Connection, authority: AuthorityId, flow: HeliosId, carried: Carried) -> None:
    """Keep what a flow carries, once its header is; a flow that is analysed again replaces what it carried."""
    await connection.execute("delete from helios_bordereau where transaction_id = $1", flow)
    rows = [
        (authority, flow, str(one.side), one.exercice, one.number, one.type, sorted(set(one.pieces)))
        for one in carried.bordereaux
    ]
    if rows:
        await connection.executemany(INSERT, rows)


@dataclass(frozen=True, slots=True)
class SentBordereau:
    """A bordereau that another flow has brought to the DGFiP: accepted, or not acknowledged yet."""

    transaction_id: HeliosId
    side: str
    exercice: int
    number: int
    type: str
    accepted: bool


# one that an acquit refused, even in part, may come again under its number
SENT_BEFORE = """
    select distinct on (b.id) o.transaction_id, b.side, b.exercice, b.number, b.type,
        coalesce(v.outcome = 'accepted', false) as accepted
    from helios_bordereau b
    join helios_transaction mine on mine.id = b.transaction_id
    join helios_bordereau o on o.authority_id = b.authority_id and o.exercice = b.exercice and o.number = b.number
        and o.side = b.side and o.type = b.type and o.cod_col = b.cod_col and o.cod_bud = b.cod_bud
        and o.transaction_id <> b.transaction_id
    join helios_transaction t on t.id = o.transaction_id and t.transmitted_name is not null
        and t.submitted_at <= mine.submitted_at
    left join lateral (
        select outcome from helios_verdict where transaction_id = t.id order by at desc, id desc limit 1) v on true
    where b.transaction_id = $1 and (v.outcome = 'accepted' or (v.outcome is null and t.status = 3))
    order by b.id, accepted desc, o.transaction_id limit 1000"""


async def list_sent_before(connection: Connection, flow: HeliosId) -> list[SentBordereau]:
    """Those of a flow that an earlier one of its collectivité and budget has brought."""
    return [SentBordereau(**row) for row in await connection.fetch(SENT_BEFORE, flow)]
