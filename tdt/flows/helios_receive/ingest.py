"""Understand a stored file of the DGFiP: by its root element, then to whom it goes."""

import asyncio
from dataclasses import replace

import structlog

from tdt.db import helios as db
from tdt.db import helios_retours as retours_db
from tdt.db import routes as routes_db
from tdt.db.content import move_to_authority
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps
from tdt.domain.helios.model import DgfipReturn, ReturnKind
from tdt.domain.helios.returns import ReturnReader, read_name
from tdt.domain.ids import ReceivedId
from tdt.flows.helios_receive.acquits import acknowledge

log = structlog.get_logger()


async def ingest(deps: Deps, received_id: ReceivedId) -> None:
    """Read a stored file by its root element and apply it; what is for nobody goes to the operator."""
    async with deps.transaction("system") as connection:
        received = await routes_db.get_received(connection, received_id)
    if received is None or received.state != "new":
        return
    answer = await _read(deps, received)
    async with deps.transaction(received.scope) as connection:
        handling = await _apply(connection, received, answer)
        if received.assigned or handling.authority_id is None:
            # what an operator gave to somebody stays theirs
            handling = replace(handling, authority_id=received.authority_id)
        if await routes_db.move_received(connection, received_id, handling) and handling.authority_id is not None:
            await move_to_authority(connection, received.content_id, handling.authority_id)
    if handling.state == "set_aside":
        log.warning("received.set_aside", received=received.id, kind=handling.kind, authority=handling.authority_id)


async def _read(deps: Deps, received: routes_db.Received) -> DgfipReturn:
    by_name = read_name(received.name)
    if by_name is not None:
        return DgfipReturn(by_name)
    reader = ReturnReader()
    async for chunk in deps.stream("system", received.content_id):
        await asyncio.to_thread(reader.feed, chunk)
    return await asyncio.to_thread(reader.close)


async def _apply(connection: Connection, received: routes_db.Received, answer: DgfipReturn) -> Handling:
    if answer.kind in (ReturnKind.ACQUIT, ReturnKind.NON_ACQUIT):
        return await acknowledge(connection, received, answer)
    if answer.kind is ReturnKind.RETOUR:
        owner = await db.find_siret_holder(connection, answer.id_coll) if answer.id_coll else None
        if received.assigned:
            owner = received.authority_id
        if owner is None:
            return Handling("set_aside", answer.kind, f"SIRET {answer.id_coll} inconnu, partagé ou bloqué.")
        new = retours_db.NewRetour(
            owner, received.id, received.content_id, received.name, answer.id_coll or "", answer.typ_fic or ""
        )
        await retours_db.insert_retour(connection, new)
        return Handling("handled", answer.kind, answer.id_coll or "", owner)
    return Handling("set_aside", answer.kind, "Fichier sans suite automatique.")
