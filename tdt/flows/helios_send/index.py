"""Note what a flow of before carries, so that what the trésorerie returns of it finds it."""

from tdt.db import helios as db
from tdt.db.helios_bordereaux import insert_bordereaux
from tdt.deps import Deps
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.helios.stream import PesUnreadable
from tdt.domain.ids import HeliosId
from tdt.flows.helios_send.reading import read


async def index(deps: Deps, flow_id: HeliosId) -> None:
    """Read a flow that was accepted before bordereaux were noted; made again, it changes nothing."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, flow_id)
    if found is None or found.status is HeliosStatus.DETRUITE:
        return
    reading = await read(deps, found)
    if isinstance(reading.header, PesUnreadable):
        return
    async with deps.transaction("system") as connection:
        if await db.lock_transaction(connection, flow_id) is not None:
            await insert_bordereaux(connection, found.authority_id, flow_id, reading.carried)
