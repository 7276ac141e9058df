"""Take in what the DGFiP deposits: store each file first, understand it after."""

import asyncio
from dataclasses import replace

import structlog

from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.content import get_content, move_to_authority
from tdt.db.jobs import insert_job
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.deps import Deps, DgfipClient
from tdt.documents.inbox import Fetched, Inbox
from tdt.documents.spool import read_file
from tdt.domain.errors import Permanent
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import DgfipReturn, HeliosStatus, ReturnKind
from tdt.domain.helios.naming import is_own_file
from tdt.domain.helios.returns import Candidate, ReturnReader, acquit_matches, read_name
from tdt.domain.ids import HeliosId, ReceivedId
from tdt.domain.jobs import JobKind
from tdt.domain.routes import Route

log = structlog.get_logger()

TRANSMITTED = (HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, HeliosStatus.TRANSMIS)


async def collect(deps: Deps, route: Route, late: set[str]) -> int:
    """One look at the reception directory of a route: every file that is stable is stored, then removed there.

    A file that cannot be fetched joins `late` and ends this look; those in `late` are tried after all the others, so
    that one bad file never keeps the others waiting. Gives how many were stored.
    """
    inbox = Inbox(deps.spool.directory / "receiving" / str(route.id))
    async with deps.remotes.open_dgfip(route) as client:
        seen = await _list(client)
        await _resume(deps, route, inbox, seen)
        if not seen:
            return 0
        await asyncio.sleep(deps.config.helios.stable_seconds)
        again = await _list(client)
        stored = 0
        for name in sorted(again, key=lambda name: name in late):
            if seen.get(name) != again[name]:
                continue  # new or still growing: the next look takes it
            late.add(name)
            fetched = await inbox.fetch(name, again[name], client.fetch(name))
            stored += await _store(deps, route, fetched)
            await client.remove(name)
            late.discard(name)
        return stored


async def _list(client: DgfipClient) -> dict[str, int]:
    return {file.name: file.size for file in await client.list_received() if not is_own_file(file.name)}


async def _resume(deps: Deps, route: Route, inbox: Inbox, remote: dict[str, int]) -> None:
    """What a killed run was fetching: stored when whole, fetched again when partial, kept if it is gone there."""
    for left in inbox.list_left():
        if left.is_whole or left.name not in remote:
            await _store(deps, route, left)
        else:
            left.path.unlink()


async def _store(deps: Deps, route: Route, fetched: Fetched) -> int:
    writer = deps.spool.writer()
    with writer.discarded_on_failure():
        async for chunk in read_file(fetched.path):
            await asyncio.to_thread(writer.write, chunk)
        body = await writer.finish()
        key = f"{fetched.name}/{body.sha256.hex()}"
        async with deps.transaction("system") as connection:
            known = await routes_db.find_received(connection, route.id, key) is not None
            if not known:
                content = (await deps.keep(connection, None, [body]))[0]
                received = await routes_db.insert_received(connection, route.id, key, fetched.name, content)
                await insert_job(connection, JobKind.HELIOS_INGEST, None, received)
    if known:
        writer.discard()  # the same name and bytes again: it is already stored
    fetched.path.unlink()
    return 0 if known else 1


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
        return await _acknowledge(connection, received, answer)
    if answer.kind is ReturnKind.RETOUR:
        owner = await db.find_siret_holder(connection, answer.id_coll) if answer.id_coll else None
        if received.assigned:
            owner = received.authority_id
        if owner is None:
            return Handling("set_aside", answer.kind, f"SIRET {answer.id_coll} inconnu, partagé ou bloqué.")
        return Handling("handled", answer.kind, answer.id_coll or "", owner)
    return Handling("set_aside", answer.kind, "Fichier sans suite automatique.")


async def _acknowledge(connection: Connection, received: routes_db.Received, answer: DgfipReturn) -> Handling:
    couple = f"Le couple NomFic {answer.nomfic} et CodCol {answer.cod_col}"
    flows = await db.list_by_nomfic(connection, answer.nomfic or "", answer.cod_col)
    sent = [flow for flow in flows if flow.transmitted_name is not None]
    if (twin := await _twin(connection, received, sent)) is not None:
        return Handling("ignored", answer.kind, "Acquittement déjà reçu.", twin.authority_id)
    match = acquit_matches(answer, [_candidate(flow) for flow in sent])
    if match is None:
        detail = "n'est associé à aucune transaction" if not sent else "ne désigne pas une seule collectivité"
        return Handling("set_aside", answer.kind, f"{couple} {detail}.")
    flow = next(flow for flow in sent if flow.id == match.id)
    if flow.status not in TRANSMITTED:
        detail = f"Autre acquittement pour la transaction {flow.id}, qui est à l'état {int(flow.status)}."
        return Handling("set_aside", answer.kind, detail, flow.authority_id)
    await routes_db.move_attempts_to_settled(connection, db.OBJECT, flow.id, "Acquittement reçu")
    if flow.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        # the acquit outran the record of the sending, or proves an uncertain one
        route = await routes_db.get_route(connection, flow.route_id)
        text = texts.transmitted_text(flow.id, route is not None and route.transport.is_passtrans)
        await db.move_status(connection, flow, db.Move(flow.status, HeliosStatus.TRANSMIS, text))
    target = texts.after_acquit(answer)
    await db.move_acquit(connection, flow.id, received.content_id, received.name)
    move = db.Move(HeliosStatus.TRANSMIS, target, texts.answered_text(flow.id, target))
    await db.move_status(connection, flow, move)
    return Handling("handled", answer.kind, answer.nomfic or "", flow.authority_id)


async def _twin(
    connection: Connection, received: routes_db.Received, flows: list[db.HeliosTransaction]
) -> db.HeliosTransaction | None:
    """The flow that these very bytes have answered already.

    Looked for first: an acquit without CodCol that comes twice must not go to another flow of the same NomFic.
    """
    second = await get_content(connection, received.content_id)
    if second is None:
        raise Permanent("Le fichier reçu a disparu.", details={"received_id": received.id})
    for flow in flows:
        first = await get_content(connection, flow.acquit_content_id) if flow.acquit_content_id is not None else None
        if first is not None and first.sha256 == second.sha256:
            return flow
    return None


def _candidate(flow: db.HeliosTransaction) -> Candidate:
    return Candidate(
        id=HeliosId(flow.id),
        authority_id=flow.authority_id,
        nomfic=flow.xml_nomfic or "",
        cod_col=flow.xml_cod_col,
        cod_bud=flow.xml_cod_bud,
        id_post=flow.xml_id_post,
        id_coll=flow.xml_id_coll,
        status=flow.status,
        submitted_at=flow.submitted_at,
    )
