"""A database that was restored: noticed, told, its numbers moved on; it sends again once the operator has confirmed."""

import structlog

from tdt.db import lineage as db
from tdt.db.alerts import Alert, insert_alerts, move_to_ended
from tdt.db.audit import insert_audit, insert_change
from tdt.db.pool import Connection, Record
from tdt.deps import Deps
from tdt.domain.audit import Actor
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.notice_text import Text
from tdt.domain.plain import instant
from tdt.tasks import every

log = structlog.get_logger()

WATCH_SECONDS = 5.0
"""While a process lives on through a restoration, numbers may be given out that were given before."""
ALERT = "restore"
SKIPPED_NUMBERS = 10_000
"""More than a day gives out to one platform's flows; numbers are 64 bits."""
SKIPPED_NAMES = 1000
LISTED = 1000

TITLE = "Base restaurée : transmissions retenues"
TEXT = """La base de données a été restaurée, ou copiée sur un autre serveur
(système {system}, ligne de temps {timeline}).
Dernière trace qu'elle porte : {trace}.

Ce qui a été envoyé à l'État après cet instant n'y figure plus et partirait une seconde fois : les transmissions
sont retenues, les dépôts et les réceptions continuent.

À faire par l'exploitant :
  tdt verify
  tdt admin restore show       ce qui n'est pas parti selon cette base
  tdt admin restore confirm    une fois comparé avec ce que l'État a reçu depuis
"""


async def look(deps: Deps) -> db.Lineage | None:
    """Notice that this database is not the one that it was; gives its row when it was just found."""
    async with deps.transaction("system") as connection:
        if await db.find_new(connection) is None:
            return None
        await db.lock_lineage(connection)
        found = await db.find_new(connection)
        if found is None:
            return None  # another process was quicker
        new = await db.insert_lineage(connection, found)
        await db.skip_numbers(connection, SKIPPED_NUMBERS)
        await db.skip_names(connection, paris_date(deps.now()), SKIPPED_NAMES)
        about = {"system": new.system_identifier, "timeline": new.timeline, "last_trace_at": _when(new)}
        await insert_audit(connection, (None, None), "system:restore:found", new.id, about)
        alert = Alert(None, ALERT, f"lineage:{new.id}", new.found_at, {"code": db.CODE, "message": db.MESSAGE, **about})
        await insert_alerts(connection, [alert])
        await _mail(deps, connection, new)
        return new


async def notice(deps: Deps) -> None:
    """Look, and say in the log what was found; awaited before a process begins to give out numbers."""
    found = await look(deps)
    if found is not None:
        log.error("restore.found", timeline=found.timeline, last_trace_at=found.last_trace_at)


async def watch(deps: Deps) -> None:
    """Every few seconds, after the look that was awaited before the process began."""
    await every(WATCH_SECONDS, "restore.look_failed", lambda: notice(deps), wait_first=True)


async def _mail(deps: Deps, connection: Connection, new: db.Lineage) -> None:
    body = TEXT.format(system=new.system_identifier, timeline=new.timeline, trace=_when(new) or "aucune")
    # the instant too: the number may be that of an earlier restoration, which this database forgot
    subject = f"lineage:{new.id}:{instant(new.found_at)}"
    await deps.tell_operators(connection, ("restore.found", subject), Text(TITLE, body))


def _when(new: db.Lineage) -> str | None:
    return instant(new.last_trace_at) if new.last_trace_at is not None else None


async def show(deps: Deps) -> tuple[list[db.Lineage], list[Record]]:
    """The databases that this one was, the newest first; when it is held, what it has not sent."""
    await look(deps)
    async with deps.transaction("system") as connection:
        lineages = await db.list_lineages(connection)
        held = bool(lineages) and lineages[0].confirmed_at is None
        return lineages, await db.list_unsent(connection, LISTED) if held else []


async def confirm(deps: Deps, by: Actor, reason: str) -> tuple[db.Lineage, int]:
    """Let this database send; gives how much waited for it. Raises Refused when nothing is held."""
    await look(deps)
    async with deps.transaction("system") as connection:
        await db.lock_lineage(connection)
        last = await db.get_last(connection)
        done = await db.move_to_confirmed(connection, last.id, deps.now(), by.name, reason) if last else None
        if done is None:
            raise Refused("Aucune restauration n'attend d'être confirmée.")
        after = {"confirmed_at": instant(deps.now()), "timeline": done.timeline, "reason": reason}
        await insert_change(connection, by, ("restore:confirm", done.id, None), {"confirmed_at": None}, after)
        await move_to_ended(connection, ALERT, [])
        return done, await db.wake_held(connection)
