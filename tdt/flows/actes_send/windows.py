"""Before an archive leaves: does its hour take it? What has to wait waits for its turn."""

from tdt.db import actes as db
from tdt.db.pool import Connection
from tdt.db.windows import get_limits, get_load, lock_sending
from tdt.deps import Deps
from tdt.domain.transmission import Forecast, forecast, hour_of


async def postpone(deps: Deps, connection: Connection, sent: db.Envelope, size: int) -> Forecast | None:
    """When it will leave, if that is not now. Several workers cannot go over the limit together: see lock_sending."""
    now = deps.now()
    limits = await get_limits(connection, sent.route_id, now)
    if limits.active and not limits.windows:
        return None
    await lock_sending(connection, sent.route_id)
    # again: they may have changed while we waited
    limits = await get_limits(connection, sent.route_id, now)
    load = await get_load(connection, limits, (sent.route_id, sent.id), hour_of(now))
    found = forecast(load, size, now)
    return found if found.at != now else None
