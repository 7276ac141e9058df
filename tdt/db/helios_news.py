"""What the PES_Retour of a collectivité say of its mandats and titres, and the flows that carried them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from tdt.db.helios import HAS_LEFT
from tdt.db.pool import Connection
from tdt.domain.helios.news import PROBLEMS, News
from tdt.domain.ids import AuthorityId, HeliosId, HeliosRetourId


@dataclass(frozen=True, slots=True)
class Budget:
    """Whose pièces a PES_Retour speaks of."""

    cod_col: str
    cod_bud: str


SUMMARY = """
    insert into helios_retour_summary (retour_id, authority_id, cod_col, cod_bud, restitutions, counts, omitted)
    values ($1, $2, $3, $4, $5, $6, $7)"""

PIECE = """
    insert into helios_retour_piece (authority_id, retour_id, side, exercice, bordereau, type, piece, state, became,
        problem, observation, comment, date, payments, paid, lignes, lignes_omitted)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"""


async def insert_news(
    connection: Connection, authority: AuthorityId, retour: HeliosRetourId, budget: Budget, news: News
) -> None:
    """Keep what a PES_Retour says; one that is read again replaces what it said."""
    await connection.execute("delete from helios_retour_piece where retour_id = $1", retour)
    await connection.execute("delete from helios_retour_summary where retour_id = $1", retour)
    counts = {what: dict(states) for what, states in news.counts.items()}
    told = (budget.cod_col, budget.cod_bud, list(news.restitutions), counts, news.omitted)
    await connection.execute(SUMMARY, retour, authority, *told)
    rows = [
        (
            authority,
            retour,
            str(one.side),
            one.exercice,
            one.bordereau,
            one.type,
            one.piece,
            one.state,
            str(one.kind),
            one.kind in PROBLEMS or bool(one.lignes),
            one.observation,
            one.comment,
            one.date,
            one.payments,
            one.paid,
            [
                {
                    "number": ligne.number,
                    "state": ligne.state,
                    "observation": ligne.observation,
                    "comment": ligne.comment,
                }
                for ligne in one.lignes
            ],
            one.lignes_omitted,
        )
        for one in news.pieces
    ]
    if rows:
        await connection.executemany(PIECE, rows)


@dataclass(frozen=True, slots=True)
class ToldPiece:
    """A pièce as a PES_Retour told it, and the flows of the same collectivité that carried it, the newest first."""

    id: int
    retour_id: HeliosRetourId
    retour_name: str
    received_at: datetime
    side: str
    exercice: int | None
    bordereau: int | None
    type: str
    piece: int | None
    state: str
    became: str
    observation: str
    comment: str
    date: str
    payments: int
    paid: Decimal
    lignes: Sequence[Mapping[str, Any]]
    lignes_omitted: int
    flows: Sequence[HeliosId]


# The number of a bordereau is unique by type; another type counts only where no bordereau of that type was sent.
BORDEREAU = """
    b.authority_id = p.authority_id and b.exercice = p.exercice and b.number = p.bordereau and b.side = p.side
    and b.cod_col = s.cod_col and b.cod_bud = s.cod_bud
    and (p.type = '' or b.type = p.type or not exists (
        select 1 from helios_bordereau o where o.authority_id = p.authority_id and o.exercice = p.exercice
            and o.number = p.bordereau and o.side = p.side and o.cod_col = s.cod_col and o.cod_bud = s.cod_bud
            and o.type = p.type))"""
FLOWS = f"""
    array(select b.transaction_id from helios_bordereau b join helios_transaction t on t.id = b.transaction_id
        where {BORDEREAU} and (p.piece is null or p.piece = any(b.pieces)) and {HAS_LEFT}
        group by b.transaction_id, t.submitted_at order by t.submitted_at desc, b.transaction_id desc) as flows"""
OWN = [field.name for field in fields(ToldPiece) if field.name not in ("retour_name", "received_at", "flows")]
TOLD = ", ".join(f"p.{name}" for name in OWN)

# The latest news of each pièce: a PES_Retour of the stock says again what others have said. Pièces are looked up one by
# one: a bordereau may have tens of thousands.
LATEST = f"""
    with carried as materialized (
        select b.authority_id, b.side, b.exercice, b.number, b.type, b.cod_col, b.cod_bud, u.piece
        from helios_bordereau b join helios_transaction t on t.id = b.transaction_id
        cross join lateral unnest(b.pieces) as u (piece)
        where b.transaction_id = $1 and {HAS_LEFT}),
    found as (
        select p.id from carried b
        join helios_retour_piece p on p.authority_id = b.authority_id and p.exercice = b.exercice
            and p.bordereau = b.number and p.piece = b.piece
        join helios_retour_summary s on s.retour_id = p.retour_id where {BORDEREAU}
        union all
        select p.id from helios_bordereau b join helios_transaction t on t.id = b.transaction_id
        join helios_retour_piece p on p.authority_id = b.authority_id and p.exercice = b.exercice
            and p.bordereau = b.number and p.piece is null
        join helios_retour_summary s on s.retour_id = p.retour_id
        where b.transaction_id = $1 and {HAS_LEFT} and {BORDEREAU}),
    latest as (
        select distinct on (p.side, p.exercice, p.bordereau, p.piece, p.became = 'asap_rejected')
            p.id, p.became, p.problem, r.received_at
        from helios_retour_piece p join helios_retour r on r.id = p.retour_id where p.id in (select id from found)
        order by p.side, p.exercice, p.bordereau, p.piece, p.became = 'asap_rejected', r.received_at desc, p.id desc)"""
COUNT = f"{LATEST} select became, count(*) as number from latest group by became order by became"
LIST = f"""
    {LATEST}, chosen as (select id from latest order by problem desc, received_at desc, id limit $2)
    select {TOLD}, r.name as retour_name, r.received_at, {FLOWS}
    from chosen join helios_retour_piece p on p.id = chosen.id
    join helios_retour_summary s on s.retour_id = p.retour_id join helios_retour r on r.id = p.retour_id
    order by p.problem desc, r.received_at desc, p.id"""


async def list_news_of_flow(
    connection: Connection, flow: HeliosId, most: int
) -> tuple[Mapping[str, int], list[ToldPiece]]:
    """How many pièces of a flow were told in which state, the latest news of each; and some, problems first."""
    counts = {row["became"]: row["number"] for row in await connection.fetch(COUNT, flow)}
    return counts, [ToldPiece(**row) for row in await connection.fetch(LIST, flow, most)] if counts else []


@dataclass(frozen=True, slots=True)
class Summary:
    """What a PES_Retour says, in short."""

    cod_col: str
    cod_bud: str
    restitutions: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    omitted: int


async def get_summary(connection: Connection, retour: HeliosRetourId) -> Summary | None:
    """Of a PES_Retour visible to the scope, or None: what it says was never read."""
    columns = "cod_col, cod_bud, restitutions, counts, omitted"
    row = await connection.fetchrow(f"select {columns} from helios_retour_summary where retour_id = $1", retour)
    return Summary(**row) if row is not None else None


OF_RETOUR = f"""
    with chosen as (
        select id from helios_retour_piece where retour_id = $1 order by problem desc, id limit $2)
    select {TOLD}, r.name as retour_name, r.received_at, {FLOWS}
    from chosen join helios_retour_piece p on p.id = chosen.id
    join helios_retour_summary s on s.retour_id = p.retour_id join helios_retour r on r.id = p.retour_id
    order by p.problem desc, p.id"""


async def list_news_of_retour(connection: Connection, retour: HeliosRetourId, most: int) -> list[ToldPiece]:
    """What a PES_Retour says of pièces, problems first."""
    return [ToldPiece(**row) for row in await connection.fetch(OF_RETOUR, retour, most)]


async def count_kept(connection: Connection, retour: HeliosRetourId) -> int:
    """The pièces of a PES_Retour that are kept."""
    counted = await connection.fetchval("select count(*) from helios_retour_piece where retour_id = $1", retour)
    return int(counted)


NAMES = "select id, xml_nomfic, submitted_at from helios_transaction where id = any($1)"


async def list_names(connection: Connection, flows: Sequence[HeliosId]) -> Mapping[HeliosId, tuple[str, datetime]]:
    """NomFic and instant of the deposit of flows visible to the scope."""
    rows = await connection.fetch(NAMES, list(flows))
    return {HeliosId(row["id"]): (row["xml_nomfic"] or "", row["submitted_at"]) for row in rows}
