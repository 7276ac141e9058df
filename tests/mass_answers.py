"""Many actes that wait for their AR, made in the database as if they had been sent, and the AR of each as a mail."""

from tdt.db.pool import Connection
from tdt.domain.ids import AuthorityId, RouteId
from tests.faults.plant import ar_mail

SIREN = "123456782"

SENT = """
    with numbers as (select 'M' || one as number from generate_series(1, $4::int) as one),
    envelopes as (
        insert into acte_envelope (authority_id, route_id, name, archive_name)
        select $1, $2, 'TACT--' || $3 || '--20260310-' || substr(number, 2) || '.xml',
            'TDT-TACT--' || $3 || '--20260310-' || substr(number, 2) || '.tar.gz' from numbers
        returning id, substring(name from '-([0-9]+)[.]xml$') as serial)
    insert into acte_transaction
        (authority_id, envelope_id, type, number, decision_date, nature_code, unique_id, status)
    select $1, id, 1, 'M' || serial, '2026-03-09', 1, '034-' || $3 || '-20260309-M' || serial || '-DE', 3
    from envelopes"""


async def insert_sent_acts(
    connection: Connection, authority: AuthorityId, route: RouteId, count: int, siren: str = SIREN
) -> None:
    """Acts numbered M1, M2… at status 3, each in its envelope; in scope `system`."""
    await connection.execute(SENT, authority, route, siren, count)


def answer(number: int, siren: str = SIREN) -> bytes:
    """The mail with the AR of act M<number>."""
    return ar_mail(siren, f"M{number}")
