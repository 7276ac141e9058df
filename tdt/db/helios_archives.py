"""Where flows are archived, as the archivist's software said."""

from tdt.db.pool import Connection
from tdt.domain.ids import HeliosId


async def get_archive_url(connection: Connection, flow: HeliosId) -> str:
    """Empty while nobody said."""
    url: str = await connection.fetchval("select archive_url from helios_transaction where id = $1", flow)
    return url


async def move_archive_url(connection: Connection, flow: HeliosId, url: str) -> None:
    """Say where a flow is archived."""
    await connection.execute("update helios_transaction set archive_url = $2 where id = $1", flow, url)
