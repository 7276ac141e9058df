"""Understand a stored file of the DGFiP: by its root element, then to whom it goes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import structlog

from tdt.crash import Step, reach
from tdt.db import routes as routes_db
from tdt.db.content import move_to_authority
from tdt.db.helios_receptions import move_said
from tdt.db.pool import Connection
from tdt.db.routes import Handling, Received
from tdt.deps import Deps
from tdt.domain.helios import box
from tdt.domain.helios.model import DgfipReturn, ReturnKind
from tdt.domain.helios.reading_words import say_unreadable
from tdt.domain.helios.returns import ReturnReader, read_name
from tdt.domain.ids import ReceivedId
from tdt.flows.helios_receive.acquits import Acquit, acknowledge
from tdt.flows.helios_receive.proposals import propose
from tdt.flows.helios_receive.retours import give

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reading:
    """A file as it was read: what it is, what it says, and why it cannot be read."""

    answer: DgfipReturn
    said: Mapping[str, object] = field(default_factory=dict)
    fault: str = ""
    empty: bool = False


async def ingest(deps: Deps, received_id: ReceivedId) -> None:
    """Read a stored file by its root element and apply it; what is for nobody goes to the operator."""
    async with deps.transaction("system") as connection:
        received = await routes_db.get_received(connection, received_id)
    if received is None or received.state != "new":
        return
    reading = await _read(deps, received)
    async with deps.transaction(received.scope) as connection:
        # taken for dead, we may come after another worker, and after what an operator decided of what it made
        if await routes_db.lock_received(connection, received_id) != received:
            return
        handling = _keep_owner(received, await _apply(connection, received, reading))
        await routes_db.move_received(connection, received_id, handling)
        if handling.authority_id is not None:
            await move_to_authority(connection, received.content_id, handling.authority_id)
        await move_said(connection, received_id, reading.said)
        await propose(connection, received, handling, reading.said)
        reach(Step.INGEST_FILE)
    reach(Step.INGEST_FILE_COMMITTED)
    if handling.state == "set_aside":
        log.warning("received.set_aside", received=received.id, kind=handling.kind, code=handling.code)


async def _read(deps: Deps, received: Received) -> Reading:
    by_name = read_name(received.name)
    if by_name is not None:
        return Reading(DgfipReturn(by_name))  # set aside untouched
    reader, size = ReturnReader(), 0
    async for chunk in deps.stream("system", received.content_id):
        size += len(chunk)
        await asyncio.to_thread(reader.feed, chunk)
    answer = await asyncio.to_thread(reader.close)
    return Reading(answer, reader.said, reader.fault, size == 0)


async def _apply(connection: Connection, received: Received, reading: Reading) -> Handling:
    answer = reading.answer
    if answer.kind in (ReturnKind.ACQUIT, ReturnKind.NON_ACQUIT):
        return await acknowledge(connection, Acquit(received, answer))
    if answer.kind is ReturnKind.RETOUR:
        return await give(connection, received, answer)
    reason = _not_routed(reading)
    return Handling("set_aside", answer.kind, reason.detail, code=reason.code)


def _not_routed(reading: Reading) -> box.Reason:
    if reading.answer.kind is ReturnKind.OCRE:
        return box.Reason(box.BoxCode.OCRE, "Fichier OCRE, conservé tel quel.")
    if reading.empty:
        return box.Reason(box.BoxCode.EMPTY, "Fichier de 0 octet.")
    if reading.fault:
        return box.Reason(box.BoxCode.UNREADABLE, f"Fichier illisible : {say_unreadable(reading.fault)}."[:500])
    return box.Reason(box.BoxCode.UNKNOWN_ROOT, f"Type PES retour inconnu : {reading.said.get('root')}")


def _keep_owner(received: Received, handling: Handling) -> Handling:
    """What an operator gave to somebody, or a first reading attributed, does not become nobody's by another reading."""
    if received.assigned or handling.authority_id is None:
        return replace(handling, authority_id=received.authority_id)
    return handling
