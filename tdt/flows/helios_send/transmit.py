"""Hand a checked flow to the DGFiP: number it once, apply the crash rule, record what happened."""

from dataclasses import dataclass
from datetime import timedelta

from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.authorities import get_authority
from tdt.db.conventions import get_dossier
from tdt.db.helios_moves import find_release
from tdt.db.helios_sending import count_being_sent, get_attempted, get_size_to_send, wake_next
from tdt.db.pool import Connection
from tdt.db.windows import Leaving as ToLeave
from tdt.db.windows import find_postponement, lock_sending
from tdt.deps import Deps
from tdt.domain import retry
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Verdict, hold, judge
from tdt.domain.errors import OTHER_SIZE, Held, Permanent, Refused, Temporary, Uncertain
from tdt.domain.helios import moves, rules
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import HeliosStatus, PesHeader
from tdt.domain.ids import AttemptId, HeliosId
from tdt.domain.routes import NOT_OURS, Outcome, Route, RouteKind
from tdt.domain.transmission import CROWD, CROWDED, Forecast, postpone
from tdt.flows.helios_send.analyse import refuse
from tdt.flows.helios_send.leaving import Leaving, ToZip, choose_route, make_zip, prepare
from tdt.flows.helios_send.reading import read_sha1

SEEN_THERE = "déjà présent chez le destinataire, même nom et même taille"


async def transmit(deps: Deps, transaction_id: HeliosId) -> None:
    """Hand the flow to the DGFiP: name and intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    if not await _is_sendable(deps, transaction_id):
        return
    started = await _start(deps, transaction_id, checked=False)
    if isinstance(started, _ToCheck):
        if not await _is_unaltered(deps, started.transaction):
            return
        started = await _start(deps, transaction_id, checked=True)
    while isinstance(started, ToZip):
        await make_zip(deps, started)
        started = await _start(deps, transaction_id, checked=True)
    if started is None or isinstance(started, _ToCheck):
        return
    if isinstance(started, _Started):
        await _send_and_record(deps, started)
        return
    if isinstance(started, Verdict) and await _is_proved(deps, transaction_id):
        return
    raise await _hold(deps, transaction_id, started)


async def _send_and_record(deps: Deps, started: "_Started") -> None:
    try:
        detail = await _send(deps, started)
    except (Temporary, Permanent) as error:
        await _end(deps, started, Outcome.FAILED, error.message)
        raise
    except Uncertain as error:
        await _end(deps, started, Outcome.UNCERTAIN, error.message)
        if error.code == OTHER_SIZE and started.resend:
            # sent twice, and twice it holds something else: a third time would say the same
            raise Permanent(error.message, code=OTHER_SIZE, details=error.details) from error
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.helios.uncertain_seconds)
        raise
    await _record_sent(deps, started, detail)


@dataclass(frozen=True, slots=True)
class _Started:
    attempt: AttemptId
    transaction: db.HeliosTransaction
    leaving: Leaving
    resend: bool


@dataclass(frozen=True, slots=True)
class _ToCheck:
    """Nothing keeps it waiting, and it has no name yet: its bytes are looked at now.

    Not sooner: what waits for its turn is looked at again and again, and may weigh 500 MB.
    """

    transaction: db.HeliosTransaction


@dataclass(frozen=True, slots=True)
class _Crowd:
    """As many sendings as the route takes are being made."""

    most: int
    waits: timedelta


async def _is_sendable(deps: Deps, transaction_id: HeliosId) -> bool:
    """The labels of what was never sent are looked at first. A fault turns the flow to -1."""
    async with deps.transaction("system") as connection:
        found = await db.get_transaction(connection, transaction_id)
        if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return False
        authority = await get_authority(connection, found.authority_id)
        attempts = await routes_db.list_attempts(connection, db.OBJECT, transaction_id)
    if any(one.is_uncertain for one in attempts):
        return True  # it may have arrived: it is settled or sent again as it was, never refused
    try:
        rules.check_sendable(_header(found), authority.p_dest if authority is not None else "", found.id)
    except Refused as refusal:
        async with deps.transaction("system") as connection:
            await refuse(connection, found, refusal.message)
        return False
    return True


async def _is_unaltered(deps: Deps, found: db.HeliosTransaction) -> bool:
    """Are its bytes those that were deposited, or signed? If not, the flow turns to -1."""
    try:
        rules.check_unaltered(await read_sha1(deps, found) == found.sha1, found.id)
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


_Waits = Verdict | Forecast | _Crowd


async def _start(deps: Deps, transaction_id: HeliosId, *, checked: bool) -> _Started | _ToCheck | ToZip | _Waits | None:
    """Transaction 1: apply the crash rule, the convention, the windows, fix the name, say that we are about to send.

    None when there is nothing to send, or what it waits for.
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
        dossier = await get_dossier(connection, found.authority_id, Module.HELIOS)
        verdict = judge(dossier, set(found.domains), paris_date(deps.now()), deps.config.conventions.policy)
        if verdict.held:
            return verdict
        route = await choose_route(deps, connection, found, attempts)
        size = await get_size_to_send(connection, found.id)
        waits = await find_postponement(
            connection, route.id, ToLeave(RouteKind.HELIOS, found.id), size, deps.now()
        ) or await _find_crowd(connection, route, found)
        if waits is not None:
            return waits
        if not checked and found.transmitted_name is None:
            return _ToCheck(found)
        leaving = await prepare(deps, connection, found, route, attempts)
        if isinstance(leaving, ToZip):
            return leaving
        about = routes_db.Sending(
            found.authority_id,
            route.id,
            db.OBJECT,
            found.id,
            leaving.visible,
            leaving.sha256,
            leaving.size,
            verdict.clause,
        )
        attempt = await routes_db.insert_attempt(connection, about)
        return _Started(attempt, found, leaving, any(one.is_uncertain for one in attempts))


async def _find_crowd(connection: Connection, route: Route, found: db.HeliosTransaction) -> _Crowd | None:
    """Whether the route carries as many sendings as it takes (its setting `senders`; as many as come without it)."""
    most = route.settings.get("senders")
    if not isinstance(most, int) or most < 1:
        return None
    await lock_sending(connection, route.id)
    being_sent, waiting = await count_being_sent(connection, route.id, found.id)
    # each sending that ends calls the next one; looking again is for the one that a killed worker did not call
    return _Crowd(most, max(timedelta(seconds=30), timedelta(seconds=waiting))) if being_sent >= most else None


async def _is_proved(deps: Deps, transaction_id: HeliosId) -> bool:
    """Evidence comes before the convention: did what it would hold arrive already, by an uncertain sending?"""
    async with deps.transaction("system") as connection:
        attempts = await routes_db.list_attempts(connection, db.OBJECT, transaction_id)
        found = await db.get_transaction(connection, transaction_id)
        uncertain = [one for one in attempts if one.is_uncertain]
        if found is None or not uncertain:
            return False
        route = await routes_db.get_route(connection, found.route_id)
        tried = await get_attempted(connection, uncertain[-1].id)
    if route is None or tried is None:
        return False
    async with deps.remotes.open_dgfip(route) as client:
        if await client.find_sent(tried.name) != tried.size:
            return False
    async with deps.transaction("system") as connection:
        await routes_db.move_attempts_to_settled(connection, db.OBJECT, transaction_id, SEEN_THERE)
        await _move_to_transmitted(connection, transaction_id, route)
    return True


async def _hold(deps: Deps, transaction_id: HeliosId, waits: _Waits) -> Held:
    """What the worker is told; the client reads why in the workflow."""
    match waits:
        case Verdict():
            await _tell_held(deps, transaction_id, waits.clause)
            return hold(waits, deps.now())
        case Forecast():
            await _tell_held(deps, transaction_id, waits.reason)
            return postpone(waits, deps.now())
        case _Crowd():
            return Held(CROWD.format(waits.most), code=CROWDED, details={"retry_at": deps.now() + waits.waits})


async def _tell_held(deps: Deps, transaction_id: HeliosId, why: str) -> None:
    """The reason, in the workflow of a flow that still waits."""
    async with deps.transaction("system") as connection:
        found = await db.lock_transaction(connection, transaction_id)
        if found is not None and found.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            await db.insert_note(connection, found, why)


async def _send(deps: Deps, started: _Started) -> str:
    found, leaving = started.transaction, started.leaving
    async with deps.remotes.open_dgfip(leaving.route) as client:
        # evidence first: an uncertain sending whose file stands there whole is not sent again
        if started.resend and await client.find_sent(leaving.visible) == leaving.size:
            return SEEN_THERE
        await _check_ours(deps, started)
        chunks = deps.stream(found.authority_id, leaving.content)
        return await client.send(leaving.name, leaving.metadata, leaving.sha1, leaving.size, chunks)


async def _check_ours(deps: Deps, started: _Started) -> None:
    """Nothing has happened since we began: connecting may have been long, and we taken for dead. Raises Temporary."""
    async with deps.transaction("system") as connection:
        found = await db.lock_transaction(connection, started.transaction.id)
        attempts = await routes_db.list_attempts(connection, db.OBJECT, started.transaction.id)
    waiting = found is not None and found.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION
    if not waiting or any(one.id > started.attempt for one in attempts):
        raise Temporary(NOT_OURS)


async def _end(deps: Deps, started: _Started, outcome: Outcome, detail: str) -> None:
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, started.attempt, outcome, detail)
        await _call_next(connection, started.leaving.route)


async def _call_next(connection: Connection, route: Route) -> None:
    if route.settings.get("senders"):
        await wake_next(connection, route.id)


async def _record_sent(deps: Deps, started: _Started, detail: str) -> None:
    """Transaction 2. The acquit may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        await routes_db.move_attempt(connection, started.attempt, Outcome.ACCEPTED, detail)
        await _move_to_transmitted(connection, started.transaction.id, started.leaving.route)
        await _call_next(connection, started.leaving.route)


async def _move_to_transmitted(connection: Connection, transaction_id: HeliosId, route: Route) -> None:
    found = await db.get_transaction(connection, transaction_id)
    if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        return
    text = texts.transmitted_text(found.id, route.transport.is_passtrans)
    move = db.Move(HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, texts.after_transmission(found.root), text)
    await db.move_status(connection, found, move)
