"""Tell when what waits will leave for the ministry, or what it waits for."""

from collections.abc import Mapping
from datetime import datetime

from tdt.db import windows as db
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain.ids import EnvelopeId
from tdt.domain.transmission import POSTPONED, Forecast, forecast, hour_of

SET_ASIDE = "L'envoi est mis de côté : l'exploitant doit intervenir."
"""Why is for the operator alone, who reads it beside the job: it may name machines."""
TRIED: Mapping[str, str] = {
    "INDISPONIBLE": "Le ministère est injoignable ou ne prend rien pour le moment : un nouvel essai est prévu.",
    "INCERTAIN": "On ne sait pas encore si le ministère a reçu l'envoi : sa réponse est attendue d'abord.",
}
TRIED_OTHERWISE = "Le dernier essai n'a pas abouti : un nouvel essai est prévu."


async def forecast_departure(deps: Deps, connection: Connection, envelope: EnvelopeId) -> Forecast | None:
    """When an envelope that has not left will leave, or why nothing tells; None when there is no such envelope.

    To be asked for a transaction at 1 or 2, in a scope that sees what waits on the whole route (`system`): another
    sees only its own archives before it.
    """
    step = await db.get_step(connection, envelope)
    if step is None:
        return None
    now = deps.now()
    if step.state == "dead":
        return Forecast(None, SET_ASIDE)
    code, _, why = step.why.partition(" : ")
    if code and code != POSTPONED:
        # a convention that holds it, an outage, a try in doubt: the next look is known, not the departure
        return Forecast(None, why) if why else Forecast(_later(step.run_at, now), TRIED.get(code, TRIED_OTHERWISE))
    limits = await db.get_limits(connection, step.route_id, now)
    load = await db.get_load(connection, limits, (step.route_id, envelope), hour_of(now))
    return forecast(load, step.size, now)


def _later(at: datetime | None, now: datetime) -> datetime:
    return max(at, now) if at is not None else now
