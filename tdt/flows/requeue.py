"""Work that was set aside, given back to the workers one by one, because an operator asked for it."""

from tdt.db import dead_jobs as db
from tdt.db.audit import insert_change
from tdt.db.dead_jobs import DeadJob, Wanted
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.errors import OTHER_SIZE, Refused
from tdt.domain.ids import JobId
from tdt.domain.retry import HELD_UNCERTAIN

NOT_DEAD = "Le travail {} n'est pas mis de côté : « tdt requeue » donne la liste de ceux qui le sont."
DECIDE = (
    "Le travail {} ne se relance pas : un envoi de {} est incertain, l'État l'a peut-être. Décidez avec "
    "« tdt release {} » (--resend : les mêmes octets repartent ; --settled : il est arrivé)."
)
NOT_REPLAYED = "RELANCE_REFUSEE"
"""Code of a refusal to replay."""


async def list_dead(deps: Deps, wanted: Wanted) -> list[DeadJob]:
    """What was set aside, the oldest first."""
    async with deps.transaction("system") as connection:
        return await db.list_dead(connection, wanted)


async def requeue(deps: Deps, by: Actor, job: JobId, reason: str = "") -> DeadJob:
    """Give one back; gives what it was. Raises Refused for one that is not set aside, or that wants a decision.

    A sending that is replayed goes by the crash rule like any other: nothing leaves twice for it.
    """
    async with deps.acting(by) as connection:
        found = await db.lock_dead(connection, job)
        if found is None:
            raise Refused(NOT_DEAD.format(job), code=NOT_REPLAYED)
        if found.uncertain and found.code in (HELD_UNCERTAIN, OTHER_SIZE, ""):
            raise Refused(DECIDE.format(job, found.flow, found.flow), code=NOT_REPLAYED)
        await db.move_to_ready(connection, job)
        before = {
            "state": "dead",
            "kind": found.kind,
            "object_id": found.object_id,
            "code": found.code,
            "error": found.reason,
            "since": found.since.isoformat(),
            "attempts": found.attempts,
        }
        after = {"state": "ready", "attempts": 0, "reason": reason.strip()}
        await insert_change(connection, by, ("job:requeue", job, found.authority_id), before, after)
    return found
