"""The bordereaux that flows carry: what the trésorerie returns of a mandat or of a titre finds its flow by them."""

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
