"""Hand a checked flow to the DGFiP: number it once, apply the crash rule, record what happened."""

from dataclasses import dataclass
from datetime import timedelta

from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.authorities import get_authority
from tdt.db.content import get_content
from tdt.db.conventions import get_dossier
from tdt.db.helios_moves import find_release
from tdt.db.pool import Connection
from tdt.deps import Deps
from tdt.domain import retry
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Verdict, hold, judge
from tdt.domain.errors import Permanent, Refused, Temporary, Uncertain
from tdt.domain.helios import moves, naming, rules
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import HeliosStatus, Metadata, PesHeader
from tdt.domain.ids import AttemptId, HeliosId
from tdt.domain.routes import Outcome, Route
from tdt.flows.helios_send.analyse import refuse
from tdt.flows.helios_send.reading import read_sha1

SEEN_THERE = "déjà présent chez le destinataire, même nom et même taille"


async def transmit(deps: Deps, transaction_id: HeliosId) -> None:
    """Hand the flow to the DGFiP: name and intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    if not await _is_sendable(deps, transaction_id):
        return
    started = await _start(deps, transaction_id)
    if started is None:
        return
    if isinstance(started, Verdict):
        if await _is_proved(deps, transaction_id):
            return
        await _tell_held(deps, transaction_id, started)
        raise hold(started, deps.now())
    try:
        detail = await _send(deps, started)
    except (Temporary, Permanent) as error:
        await _end(deps, started.attempt, Outcome.FAILED, error.message)
        raise
    except Uncertain as error:
        await _end(deps, started.attempt, Outcome.UNCERTAIN, error.message)
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.helios.uncertain_seconds)
        raise
    await _record_sent(deps, started, detail)


@dataclass(frozen=True, slots=True)
class _Started:
    attempt: AttemptId
    transaction: db.HeliosTransaction
    route: Route
    names: tuple[str, str]
    """Ours, and the one seen at the other end."""
    metadata: Metadata
    resend: bool


async def _is_sendable(deps: Deps, transaction_id: HeliosId) -> bool:
    """The last checks before a first sending: labels there, bytes unchanged. A fault turns the flow to -1."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, transaction_id)
        if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return False
        authority = await get_authority(connection, found.authority_id)
    unchanged = found.transmitted_name is not None or await read_sha1(deps, found) == found.sha1
    try:
        rules.check_unaltered(unchanged, found.id)
        rules.check_sendable(_header(found), authority.p_dest if authority is not None else "", found.id)
    except Refused as refusal:
        async with deps.transaction("system") as connection:
            await refuse(connection, found, refusal.message)
        return False
    return True


def _header(found: db.HeliosTransaction) -> PesHeader:
    """The header as the analysis stored it."""
    values = (found.xml_cod_col, found.xml_cod_bud, found.xml_id_post, found.xml_id_coll)
    return PesHeader(
        root=found.root or "",
        namespace="",
        typ_fic=None,
        nomfic=found.xml_nomfic,
        cod_col=found.xml_cod_col,
        cod_bud=found.xml_cod_bud,
        id_post=found.xml_id_post,
        id_coll=found.xml_id_coll,
        domains=(),
        signed=False,
        has_header=any(values),
    )


async def _start(deps: Deps, transaction_id: HeliosId) -> _Started | Verdict | None:
    """Transaction 1: apply the crash rule and the convention, fix the name, say that we are about to send.

    None when there is nothing to send, a verdict when the convention holds it.
    """
    async with deps.transaction("system") as connection:
        # a worker that was taken for dead may wake up at this very point: one of the two decides, the other sees it
        found = await db.lock_transaction(connection, transaction_id)
        if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return None
        attempts = await routes_db.list_attempts(connection, db.OBJECT, transaction_id)
        window = timedelta(seconds=deps.config.helios.uncertain_seconds)
        released = await find_release(connection, transaction_id)
        on_uncertain = moves.on_uncertain(deps.config.helios.on_uncertain, attempts, released)
        retry.check_may_send(attempts, deps.now(), window, on_uncertain)
        route = await routes_db.get_route(connection, found.route_id)
        authority = await get_authority(connection, found.authority_id)
        stored = await get_content(connection, found.content_id)
        if route is None or authority is None or stored is None:
            raise Permanent("La route, la collectivité ou le fichier a disparu.", details={"helios_id": found.id})
        dossier = await get_dossier(connection, found.authority_id, Module.HELIOS)
        verdict = judge(dossier, set(found.domains), paris_date(deps.now()), deps.config.conventions.policy)
        if verdict.held:
            return verdict
        name = await _name(deps, connection, found)
        metadata, visible = _outside(deps, found, route, authority.p_dest, name)
        attempt = await routes_db.insert_attempt(
            connection,
            routes_db.Sending(
                found.authority_id,
                route.id,
                db.OBJECT,
                found.id,
                visible,
                stored.sha256,
                stored.size,
                verdict.clause,
            ),
        )
        resend = any(one.is_uncertain for one in attempts)
        return _Started(attempt, found, route, (name, visible), metadata, resend)


def _outside(deps: Deps, found: db.HeliosTransaction, route: Route, p_dest: str, name: str) -> tuple[Metadata, str]:
    """What the other end is told with the flow, and the name under which it shows there."""
    p_msg = naming.p_msg(found.xml_cod_col or "", found.xml_id_post or "", found.xml_cod_bud or "")
    metadata = Metadata(p_dest, deps.config.helios.p_appli, p_msg)
    return metadata, naming.remote_name(route.transport, name, metadata, found.sha1.hex())


async def _is_proved(deps: Deps, transaction_id: HeliosId) -> bool:
    """Evidence comes before the convention: did what it would hold arrive already, by an uncertain sending?"""
    async with deps.transaction("system") as connection:
        attempts = await routes_db.list_attempts(connection, db.OBJECT, transaction_id)
        found = await db.get_transaction(connection, transaction_id)
        if found is None or found.transmitted_name is None or not any(one.is_uncertain for one in attempts):
            return False
        route = await routes_db.get_route(connection, found.route_id)
        authority = await get_authority(connection, found.authority_id)
    if route is None or authority is None:
        return False
    _, visible = _outside(deps, found, route, authority.p_dest, found.transmitted_name)
    async with deps.remotes.open_dgfip(route) as client:
        if await client.find_sent(visible) != found.size:
            return False
    async with deps.transaction("system") as connection:
        await routes_db.move_attempts_to_settled(connection, db.OBJECT, transaction_id, SEEN_THERE)
        await _move_to_transmitted(connection, transaction_id, route)
    return True


async def _tell_held(deps: Deps, transaction_id: HeliosId, verdict: Verdict) -> None:
    """The clause, in the workflow of a flow that still waits."""
    async with deps.transaction("system") as connection:
        found = await db.lock_transaction(connection, transaction_id)
        if found is not None and found.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            await db.insert_note(connection, found, verdict.clause)


async def _name(deps: Deps, connection: Connection, found: db.HeliosTransaction) -> str:
    if found.transmitted_name is not None:
        return found.transmitted_name
    day = paris_date(deps.now())
    name = naming.transmitted_name(found.siren, day, await db.next_daily_number(connection, day))
    await db.move_transmitted_name(connection, found.id, name)
    return name


async def _send(deps: Deps, started: _Started) -> str:
    found = started.transaction
    async with deps.remotes.open_dgfip(started.route) as client:
        # evidence first: an uncertain sending whose file stands there whole is not sent again
        if started.resend and await client.find_sent(started.names[1]) == found.size:
            return SEEN_THERE
        chunks = deps.stream(found.authority_id, found.content_id)
        return await client.send(started.names[0], started.metadata, found.sha1.hex(), found.size, chunks)


async def _end(deps: Deps, attempt: AttemptId, outcome: Outcome, detail: str) -> None:
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, attempt, outcome, detail)


async def _record_sent(deps: Deps, started: _Started, detail: str) -> None:
    """Transaction 2. The acquit may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, started.attempt, Outcome.ACCEPTED, detail)
        await _move_to_transmitted(connection, started.transaction.id, started.route)


async def _move_to_transmitted(connection: Connection, transaction_id: HeliosId, route: Route) -> None:
    found = await db.get_transaction(connection, transaction_id)
    if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        return
    text = texts.transmitted_text(found.id, route.transport.is_passtrans)
    move = db.Move(HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, texts.after_transmission(found.root), text)
    await db.move_status(connection, found, move)
