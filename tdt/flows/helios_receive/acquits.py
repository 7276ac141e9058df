"""An acquittement: find the one flow that it answers, and move it on."""

from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.content import get_content
from tdt.db.pool import Connection
from tdt.db.routes import Handling
from tdt.domain.errors import Permanent
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import DgfipReturn, HeliosStatus
from tdt.domain.helios.returns import Candidate, acquit_matches
from tdt.domain.ids import HeliosId

TRANSMITTED = (HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, HeliosStatus.TRANSMIS)
BY_HAND = (HeliosStatus.ERREUR, HeliosStatus.POSTE)
"""Where an operator may have put a flow that had left: given up, or posted again by force."""


async def acknowledge(connection: Connection, received: routes_db.Received, answer: DgfipReturn) -> Handling:
    """Apply an acquittement; what cannot be given to one flow of one collectivité goes to the operator."""
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
    if flow.status not in (*TRANSMITTED, *BY_HAND):
        detail = f"Autre acquittement pour la transaction {flow.id}, qui est à l'état {int(flow.status)}."
        return Handling("set_aside", answer.kind, detail, flow.authority_id)
    await routes_db.move_attempts_to_settled(connection, db.OBJECT, flow.id, "Acquittement reçu")
    source = await _as_transmitted(connection, flow)
    target = texts.after_acquit(answer)
    await db.move_acquit(connection, flow.id, received.content_id, received.name)
    move = db.Move(source, target, texts.answered_text(flow.id, target))
    await db.move_status(connection, flow, move)
    return Handling("handled", answer.kind, answer.nomfic or "", flow.authority_id)


async def _as_transmitted(connection: Connection, flow: db.HeliosTransaction) -> HeliosStatus:
    """The acquit outran the record of the sending, proves an uncertain one, or one made before a move by hand: the life
    goes by "transmis". Gives the status that the acquit then moves."""
    route = await routes_db.get_route(connection, flow.route_id)
    passtrans = route is not None and route.transport.is_passtrans
    status = flow.status
    if status is HeliosStatus.POSTE:
        target = HeliosStatus.EN_ATTENTE_DE_TRANSMISSION
        await db.move_status(connection, flow, db.Move(status, target, texts.queued_text(flow.id, passtrans)))
        status = target
    if status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        text = texts.transmitted_text(flow.id, passtrans)
        await db.move_status(connection, flow, db.Move(status, HeliosStatus.TRANSMIS, text))
        status = HeliosStatus.TRANSMIS
    return status


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
