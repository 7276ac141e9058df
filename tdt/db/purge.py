"""Destroy what is kept of a collectivité, batch by batch, each in a transaction of its own.

What stays: the audit, the row of the collectivité without its particulars, and what uniqueness needs for ever.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from tdt.db.actes import OBJECT as ACTE
from tdt.db.helios import OBJECT as FLOW
from tdt.db.pool import Connection, Record
from tdt.domain.closing import Waiting
from tdt.domain.errors import Conflict
from tdt.domain.ids import AuthorityId, ContentId

ENVELOPES, FLOWS, RECEIVED, BODIES = 200, 500, 1000, 500
BATCH_BYTES = 256 << 20
"""No batch of bodies is larger, unless one alone is."""

DUE = """
    select id from authority
    where purged_at is null and (purge_started_at is not null or (closes_on <= $1 and purges_on <= $1)) order by id"""


async def list_due(connection: Connection, day: date) -> list[AuthorityId]:
    """The collectivités to purge on this civil day, and those whose purge has begun, in scope `system`."""
    return [AuthorityId(row["id"]) for row in await connection.fetch(DUE, day)]


WAITING = """
    select
        (select count(*) from job where authority_id = $1 and state <> 'dead')
            + (select count(*) from acte_transaction where authority_id = $1 and status in (1, 2, 17, 18))
            + (select count(*) from helios_transaction where authority_id = $1 and status in (1, 2, 13, 14))
            as unfinished,
        (select count(*) from job where authority_id = $1 and state = 'dead')
            + (select count(*) from acte_transaction where authority_id = $1 and status = 3)
            + (select count(*) from helios_transaction where authority_id = $1 and status = 3) as unanswered"""


async def get_waiting(connection: Connection, authority: AuthorityId) -> Waiting:
    """What of a collectivité is not at its end, in scope `system`."""
    row = await connection.fetchrow(WAITING, authority)
    return Waiting(row["unfinished"], row["unanswered"]) if row is not None else Waiting(0, 0)


async def move_to_purging(connection: Connection, authority: AuthorityId, at: datetime) -> None:
    """The purge begins: from here on there is no way back."""
    await connection.execute("update authority set purge_started_at = $2 where id = $1", authority, at)


@contextmanager
def _still_needed() -> Iterator[None]:
    """What another row still names is not destroyed: somebody must look."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        details = {"constraint": error.constraint_name}
        raise Conflict("Un autre objet tient encore à ce qui est à purger.", details=details) from error


async def _execute(connection: Connection, statements: Sequence[str], *values: object) -> None:
    with _still_needed():
        for statement in statements:
            await connection.execute(statement, *values)


# the newest first: a letter goes before the act that it is about
NEXT_ENVELOPES = "select id from acte_envelope where authority_id = $1 order by id desc limit $2"
ACTES = "select id from acte_transaction where envelope_id = any($1)"
ENVELOPE_ROWS = (
    """insert into acte_purged (siren, number, authority_id)
    select a.siren, t.number, a.id from acte_transaction t join authority a on a.id = t.authority_id
    where t.envelope_id = any($1) and t.type = 1 and t.number is not null on conflict do nothing""",
    f"delete from event where object_kind = '{ACTE}' and object_id in ({ACTES})",
    f"delete from acte_workflow where transaction_id in ({ACTES})",
    f"delete from acte_report where transaction_id in ({ACTES})",
    f"delete from acte_batch_file where transaction_id in ({ACTES})",
    f"delete from acte_notification where transaction_id in ({ACTES})",
    "delete from acte_file where envelope_id = any($1)",
    "delete from attempt where object_kind = 'acte_envelope' and object_id = any($1)",
    f"update acte_envelope set acknowledges_id = null where acknowledges_id in ({ACTES})",
    "delete from acte_transaction where envelope_id = any($1)",
    "delete from acte_envelope where id = any($1)",
)


async def delete_envelopes(connection: Connection, authority: AuthorityId) -> int:
    """Destroy some envelopes with their transactions; gives how many."""
    rows = await connection.fetch(NEXT_ENVELOPES, authority, ENVELOPES)
    await _execute(connection, ENVELOPE_ROWS, [row["id"] for row in rows])
    return len(rows)


NEXT_FLOWS = "select id from helios_transaction where authority_id = $1 order by id limit $2"
FLOW_ROWS = (
    """insert into helios_purged (sha1, authority_id, transaction_id)
    select sha1, authority_id, id from helios_transaction where id = any($1)
    union all select unsigned_sha1, authority_id, id from helios_transaction
        where id = any($1) and unsigned_sha1 is not null on conflict do nothing""",
    f"delete from event where object_kind = '{FLOW}' and object_id = any($1)",
    "delete from helios_workflow where transaction_id = any($1)",
    "delete from helios_report where transaction_id = any($1)",
    "delete from helios_alert where transaction_id = any($1)",
    "delete from helios_verdict where transaction_id = any($1)",
    "delete from helios_bordereau where transaction_id = any($1)",
    "delete from attempt where object_kind = 'helios_transaction' and object_id = any($1)",
    "delete from helios_transaction where id = any($1)",
)


async def delete_flows(connection: Connection, authority: AuthorityId) -> int:
    """Destroy some PES; gives how many. Their digests stay taken for ever, as do their NomFic."""
    rows = await connection.fetch(NEXT_FLOWS, authority, FLOWS)
    await _execute(connection, FLOW_ROWS, [row["id"] for row in rows])
    return len(rows)


NEXT_RECEIVED = "select id from received where authority_id = $1 order by id limit $2"
RETOURS = "select id from helios_retour where received_id = any($1)"
RECEIVED_ROWS = (
    f"delete from helios_retour_piece where retour_id in ({RETOURS})",
    f"delete from helios_retour_summary where retour_id in ({RETOURS})",
    "delete from helios_retour where received_id = any($1)",
    "delete from received where id = any($1)",
)


async def delete_received(connection: Connection, authority: AuthorityId) -> int:
    """Destroy some of what the State sent; gives how many."""
    rows = await connection.fetch(NEXT_RECEIVED, authority, RECEIVED)
    await _execute(connection, RECEIVED_ROWS, [row["id"] for row in rows])
    return len(rows)


PARTICULARS = (
    "update received set proposed_authority_id = null, proposed_siren = '', proposed_act = ''"
    " where proposed_authority_id = $1",
    "delete from acte_classification where authority_id = $1",
    "delete from acte_classification_announced where authority_id = $1",
    "delete from convention_avenant where authority_id = $1",
    "delete from convention where authority_id = $1",
    "delete from suspension where authority_id = $1",
    "delete from alert where authority_id = $1",
    "delete from balance where authority_id = $1",
    "delete from notice where authority_id = $1",
    "delete from acte_mail where authority_id = $1",
    "delete from mail_refusal where authority_id = $1",
    "delete from account_notification where authority_id = $1",
    "delete from job where authority_id = $1",
    "delete from nonce where authority_id = $1",
    "delete from login_failure where authority_id = $1",
    "delete from acte_envelope_serial where authority_id = $1",
    "delete from acte_batch_file where authority_id = $1",
    "delete from acte_batch where authority_id = $1",
    "delete from authority_route where authority_id = $1",
    "delete from authority_siret where authority_id = $1",
    "delete from authority_granted_siren where authority_id = $1",
    "delete from siret_proposal where authority_id = $1",
    "delete from authority_membership where authority_id = $1",
    "delete from service_member where authority_id = $1",
    "delete from service where authority_id = $1",
    "delete from account_permission where authority_id = $1",
    # those above the collectivités outlive the one that they belonged to
    "update account set authority_id = null where authority_id = $1 and role in ('SADM', 'GADM')",
    "delete from login_failure where account_id in (select id from account where authority_id = $1)",
    "delete from account where authority_id = $1",
    """update authority set status = 0, email = '', telephone = '', fax = '', address = '', postal_code = '', city = '',
        p_dest = '', modules = '{}', agreement = '', default_broadcast_email = '', broadcast_email = '',
        email_mail_securise = '', descr_mail_securise = '', agreement_content_id = null where id = $1""",
)


async def delete_particulars(connection: Connection, authority: AuthorityId) -> None:
    """Destroy accounts, services, conventions, routes …; of the collectivité itself, all but who it was."""
    await _execute(connection, PARTICULARS, authority)


@dataclass(frozen=True, slots=True)
class Bodies:
    """A batch of destroyed bodies: the last one looked at, and their files in the spool."""

    last: ContentId
    spool_names: tuple[str, ...]


NEXT_BODIES = """
    select id, size, spool_name from content where authority_id = $1 and id > $2 order by id limit $3"""
BODY_ROWS = ("delete from content_chunk where content_id = any($1)", "delete from content where id = any($1)")


async def delete_bodies(connection: Connection, authority: AuthorityId, after: ContentId) -> Bodies | None:
    """Destroy the next bodies after this one; None when there is none left. Only its own: no body has two owners."""
    rows = await connection.fetch(NEXT_BODIES, authority, after, BODIES)
    batch: list[Record] = []
    size = 0
    for row in rows:
        size += row["size"]
        if batch and size > BATCH_BYTES:
            break
        batch.append(row)
    if not batch:
        return None
    await _execute(connection, BODY_ROWS, [row["id"] for row in batch])
    names = tuple(row["spool_name"] for row in batch if row["spool_name"] is not None)
    return Bodies(ContentId(batch[-1]["id"]), names)


async def move_to_purged(connection: Connection, authority: AuthorityId, at: datetime) -> None:
    """The purge has ended."""
    await connection.execute("update authority set purged_at = $2 where id = $1", authority, at)
