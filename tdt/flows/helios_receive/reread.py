"""Read again what waits in the operator's box once its collectivité or its flow is known."""

import structlog

from tdt.db.helios_receptions import move_found_to_new
from tdt.deps import Deps
from tdt.domain.helios.box import AGAIN

log = structlog.get_logger()


async def reread(deps: Deps) -> int:
    """Have read again the PES_Retour whose SIRET has one holder now and the acquits whose flow has left; how many."""
    async with deps.transaction("system") as connection:
        found = await move_found_to_new(connection, sorted(AGAIN))
    if found:
        log.info("received.reread", count=found)
    return found


async def reread_all(deps: Deps) -> None:
    """The same, as a job: a SIRET was given, taken, blocked or learnt by somebody who does not see the box."""
    await reread(deps)
