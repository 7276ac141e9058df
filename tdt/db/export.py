"""Everything that is kept of a collectivité, row by row, as it was at one instant."""

from collections.abc import AsyncIterator, Mapping

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId

PAGE = 500

OWNED = "select t from {table} t where t.authority_id = {authority} order by {order}"

ORDERS: Mapping[str, str] = {
    "authority_membership": "valid_from",
    "authority_siret": "id",
    "authority_granted_siren": "siren",
    "siret_proposal": "id",
    "authority_route": "kind, valid_from",
    "account": "id",
    "account_permission": "account_id, module",
    "service": "id",
    "service_member": "service_id, account_id",
    "convention": "id",
    "convention_avenant": "id",
    "suspension": "id",
    "notice": "id",
    "acte_envelope_serial": "day",
    "acte_envelope": "id",
    "acte_transaction": "id",
    "acte_file": "id",
    "acte_workflow": "id",
    "acte_classification": "id",
    "acte_classification_announced": "date",
    "acte_report": "id",
    "acte_batch": "id",
    "acte_batch_file": "id",
    "acte_mail": "id",
    "acte_notification": "id",
    "account_notification": "account_id, about",
    "mail_refusal": "recipient",
    "helios_transaction": "id",
    "helios_nomfic": "nomfic, cod_col",
    "helios_workflow": "id",
    "helios_report": "id",
    "helios_retour": "id",
    "helios_alert": "id",
    "helios_verdict": "id",
    "helios_bordereau": "id",
    "helios_retour_summary": "retour_id",
    "helios_retour_piece": "id",
    "attempt": "id",
    "received": "id",
    "event": "id",
    "alert": "id",
    "balance": "id",
    "audit": "id",
}
"""The tables whose rows belong to one collectivité, and the order in which they are given."""

SECRET = "password_hash"  # noqa: S105 - the name of the one column that never leaves

OTHERS: Mapping[str, str] = {
    "authority": "select to_jsonb(t) as value from authority t where t.id = {authority}",
    "authority_group": """
        select jsonb_build_object('id', g.id, 'name', g.name) as value from authority_group g
        where g.id in (select group_id from authority_membership where authority_id = {authority}) order by g.id""",
    "route": """
        select jsonb_build_object('id', r.id, 'kind', r.kind, 'transport', r.transport, 'name', r.name, 'test', r.test)
            as value
        from route r where r.id in (
            select route_id from authority_route where authority_id = {authority}
            union select route_id from acte_envelope where authority_id = {authority}
            union select route_id from helios_transaction where authority_id = {authority}
            union select route_id from received where authority_id = {authority}) order by r.id""",
    "content": """
        select jsonb_build_object('id', c.id, 'sha256', encode(c.sha256, 'hex'), 'size', c.size,
            'created_at', c.created_at, 'name', coalesce(n.name, '')) as value
        from content c left join (
            select content_id, min(name) as name from (
                select content_id, name from acte_file where authority_id = {authority}
                union all select content_id, archive_name from acte_envelope where authority_id = {authority}
                union all select content_id, filename from helios_transaction where authority_id = {authority}
                union all select unsigned_content_id, filename from helios_transaction where authority_id = {authority}
                union all select acquit_content_id, acquit_filename from helios_transaction
                    where authority_id = {authority}
                union all select content_id, 'classification.xml' from acte_classification
                    where authority_id = {authority}
                union all select content_id, name from received where authority_id = {authority}
                union all select flux_content_id, 'reponse-' || transaction_id || '.xml' from acte_workflow
                    where authority_id = {authority}
                union all select content_id, 'convention.pdf' from convention where authority_id = {authority}
                union all select content_id, 'avenant.pdf' from convention_avenant where authority_id = {authority}
                union all select agreement_content_id, 'convention.pdf' from authority where id = {authority}) named
            where content_id is not null group by content_id) n on n.content_id = c.id
        where c.authority_id = {authority} order by c.id""",
}

COUNTED = (
    "acte_envelope",
    "acte_transaction",
    "acte_file",
    "acte_workflow",
    "acte_classification",
    "helios_transaction",
    "helios_workflow",
    "helios_retour",
    "received",
    "content",
)
"""The tables that tell whether anything came or moved after an export."""


async def get_instant(connection: Connection) -> None:
    """Let the transaction see, to its end, what there is now; to be called first in it."""
    await connection.execute("set transaction isolation level repeatable read; set local timezone = 'UTC'")


async def stream_rows(connection: Connection, table: str, authority: AuthorityId) -> AsyncIterator[str]:
    """The rows of a table that belong to a collectivité, each as a JSON object on one line; without secrets."""
    query = OTHERS.get(table)
    if query is None:
        rows = OWNED.format(table=table, authority="{authority}", order=ORDERS[table])
        query = f"select to_jsonb(owned.t) - '{SECRET}' as value from ({rows}) owned"
    select = query.format(authority=int(authority))
    # a cursor: rows are asked for by pages and read once, whatever the index
    await connection.execute(
        f"declare export_{table} no scroll cursor for select value::text as line from ({select}) given"
    )
    while rows_given := await connection.fetch(f"fetch {PAGE} from export_{table}"):
        for row in rows_given:
            yield row["line"]
    await connection.execute(f"close export_{table}")


COUNT = "select " + ", ".join(f"(select count(*) from {table} where authority_id = $1) as {table}" for table in COUNTED)


async def count_rows(connection: Connection, authority: AuthorityId) -> dict[str, int]:
    """How many rows a collectivité has, in the tables that tell whether anything came or moved."""
    row = await connection.fetchrow(COUNT, authority)
    return dict(row) if row is not None else {}
