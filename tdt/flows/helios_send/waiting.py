"""Why a checked flow does not leave yet: said to the worker, and in the workflow that the collectivité reads."""

from dataclasses import dataclass
from datetime import timedelta

from tdt.db import helios as db
from tdt.db.helios_sending import count_being_sent
from tdt.db.pool import Connection
from tdt.db.windows import lock_sending
from tdt.deps import Deps
from tdt.domain.breaker import WAITS, Remote, Wait, spread
from tdt.domain.breaker import hold as wait_for
from tdt.domain.conventions import Verdict, hold
from tdt.domain.errors import Held
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import HeliosId
from tdt.domain.routes import Route
from tdt.domain.transmission import CROWD, CROWDED, Forecast, postpone


@dataclass(frozen=True, slots=True)
class Crowd:
    """As many sendings as the route takes are being made."""

    most: int
    waits: timedelta


Waits = Verdict | Forecast | Crowd | Wait


async def find_crowd(connection: Connection, route: Route, found: db.HeliosTransaction) -> Crowd | None:
    """Whether the route carries as many sendings as it takes (its setting `senders`; as many as come without it)."""
    most = route.settings.get("senders")
    if not isinstance(most, int) or most < 1:
        return None
    await lock_sending(connection, route.id)
    being_sent, waiting = await count_being_sent(connection, route.id, found.id)
    # each sending that ends calls the next one; looking again is for the one that a killed worker did not call
    return Crowd(most, max(timedelta(seconds=30), timedelta(seconds=waiting))) if being_sent >= most else None


async def hold_back(deps: Deps, transaction_id: HeliosId, waits: Waits) -> Held:
    """What the worker is told; the client reads why in the workflow."""
    match waits:
        case Verdict():
            await _tell_held(deps, transaction_id, waits.clause)
            return hold(waits, deps.now())
        case Forecast():
            await _tell_held(deps, transaction_id, waits.reason)
            return postpone(waits, deps.now())
        case Wait():
            await _tell_held(deps, transaction_id, WAITS[Remote.HELIOS])
            return wait_for(Remote.HELIOS, spread(waits, transaction_id))
        case Crowd():
            return Held(CROWD.format(waits.most), code=CROWDED, details={"retry_at": deps.now() + waits.waits})


async def _tell_held(deps: Deps, transaction_id: HeliosId, why: str) -> None:
    """The reason, in the workflow of a flow that still waits."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, transaction_id)
        if found is not None and found.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            await db.insert_note(connection, found, why)
