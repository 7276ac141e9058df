"""Hand a checked flow to the DGFiP: number it once, apply the crash rule, record what happened."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from tdt.crash import Step, reach
from tdt.db import attempts as attempts_db
from tdt.db import breakers
from tdt.db import helios as db
from tdt.db import routes as routes_db
from tdt.db.breakers import Place
from tdt.db.content import unaltered
from tdt.db.conventions import get_dossier
from tdt.db.helios_moves import find_release
from tdt.db.helios_sending import get_attempted, get_size_to_send, wake_next
from tdt.db.pool import Connection
from tdt.db.windows import Leaving as ToLeave
from tdt.db.windows import find_postponement
from tdt.deps import Deps
from tdt.domain import retry
from tdt.domain.authorities import Module
from tdt.domain.breaker import Remote, Sign, Wait, read_sign, wait_for_probe
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Verdict, find_stop, hold, judge
from tdt.domain.errors import OTHER_SIZE, Permanent, Refused, TdtError, Temporary, Uncertain
from tdt.domain.helios import rules
from tdt.domain.helios import status as texts
from tdt.domain.helios.model import HeliosStatus
from tdt.domain.ids import AttemptId, HeliosId
from tdt.domain.routes import NOT_OURS, Outcome, Route, RouteKind
from tdt.flows.helios_send.analyse import refuse_altered
from tdt.flows.helios_send.leaving import Leaving, ToZip, choose_route, make_zip, prepare
from tdt.flows.helios_send.reading import read_sha1
from tdt.flows.helios_send.sendable import is_sendable, is_unaltered
from tdt.flows.helios_send.waiting import Waits, find_crowd, hold_back

CHANGED = "Le fichier gardé par la plateforme a changé pendant son envoi, qui a été interrompu."
SEEN_THERE = "déjà présent chez le destinataire, même nom et même taille"


async def transmit(deps: Deps, transaction_id: HeliosId) -> None:
    """Hand the flow to the DGFiP: name and intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    if not await is_sendable(deps, transaction_id):
        return
    started = await _start(deps, transaction_id, checked=False)
    if isinstance(started, _ToCheck):
        if not await is_unaltered(deps, started.transaction):
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
    raise await hold_back(deps, transaction_id, started)


async def _send_and_record(deps: Deps, started: "_Started") -> None:
    reach(Step.SEND_PES_RECORDED)
    try:
        detail = await _send(deps, started)
    except (Temporary, Permanent) as error:
        await _end(deps, started, Outcome.FAILED, error)
        raise
    except Refused as error:
        await _end(deps, started, Outcome.FAILED, error)
        if started.gone:
            # the DGFiP has it, or may: what is wrong is here, and for an operator
            raise Permanent(error.message, code=error.code) from error
        async with deps.transaction("system") as connection:
            await refuse_altered(deps, connection, started.transaction, error.message)
        return
    except Uncertain as error:
        await _end(deps, started, Outcome.UNCERTAIN, error)
        if error.code == OTHER_SIZE and started.resend:
            # sent twice, and twice it holds something else: a third time would say the same
            raise Permanent(error.message, code=OTHER_SIZE, details=error.details) from error
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.helios.uncertain_seconds)
        raise
    reach(Step.SEND_PES_ANSWERED)
    await _record_sent(deps, started, detail)
    reach(Step.SEND_PES_OUTCOME)


@dataclass(frozen=True, slots=True)
class _Started:
    attempt: AttemptId
    transaction: db.HeliosTransaction
    leaving: Leaving
    resend: bool
    """A try before this one is uncertain."""
    probe: bool
    """It leaves alone, to see whether the DGFiP is back."""
    gone: bool
    """It left once, or may have."""

    @property
    def place(self) -> Place:
        """The breaker of its way."""
        return Place(Remote.HELIOS, self.leaving.route.id)


@dataclass(frozen=True, slots=True)
class _ToCheck:
    """Nothing keeps it waiting, and it has no name yet: its bytes are looked at now.

    Not sooner: what waits for its turn is looked at again and again, and may weigh 500 MB.
    """

    transaction: db.HeliosTransaction


async def _start(deps: Deps, transaction_id: HeliosId, *, checked: bool) -> _Started | _ToCheck | ToZip | Waits | None:
    """Transaction 1: apply the crash rule, the convention, the windows, fix the name, say that we are about to send.

    None when there is nothing to send, or what it waits for.
    """
    async with deps.transaction("system") as connection:
        # a worker that was taken for dead may wake up at this very point: one of the two decides, the other sees it
        found = await db.lock_transaction(connection, transaction_id)
        if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
            return None
        attempts = await attempts_db.list_attempts(connection, db.OBJECT, transaction_id)
        window = timedelta(seconds=deps.config.helios.uncertain_seconds)
        released = await find_release(connection, transaction_id)
        on_uncertain = retry.on_uncertain(deps.config.helios.on_uncertain, attempts, released)
        retry.check_may_send(attempts, deps.now(), window, on_uncertain)
        dossier = await get_dossier(connection, found.authority_id, Module.HELIOS)
        today, policy = paris_date(deps.now()), deps.config.conventions.policy
        verdict = judge(dossier, set(found.domains), today, policy, {found.id})
        if verdict.held:
            return verdict
        route = await choose_route(deps, connection, found, attempts)
        size = await get_size_to_send(connection, found.id)
        waits: Waits | None = await find_postponement(
            connection, route.id, ToLeave(RouteKind.HELIOS, found.id), size, deps.now()
        ) or await find_crowd(connection, route, found)
        way, rules = Place(Remote.HELIOS, route.id), deps.config.breaker.rules
        waits = waits or await breakers.find_wait(connection, way, deps.now(), rules)
        if waits is not None:
            return waits
        if not checked and found.transmitted_name is None:
            return _ToCheck(found)
        leaving = await prepare(deps, connection, found, route, attempts)
        if isinstance(leaving, ToZip):
            return leaving
        answer = await breakers.ask(connection, way, deps.now(), rules)
        if isinstance(answer, Wait):
            return answer
        about = attempts_db.Sending(
            found.authority_id,
            route.id,
            db.OBJECT,
            found.id,
            leaving.visible,
            leaving.sha256,
            leaving.size,
            verdict.clause,
        )
        attempt = await attempts_db.insert_attempt(connection, about)
        gone = any(one.outcome is not Outcome.FAILED for one in attempts)
        return _Started(attempt, found, leaving, any(one.is_uncertain for one in attempts), answer.probe, gone)


async def _is_proved(deps: Deps, transaction_id: HeliosId) -> bool:
    """Evidence comes before the convention: did what it would hold arrive already, by an uncertain sending?"""
    async with deps.transaction("system") as connection:
        attempts = await attempts_db.list_attempts(connection, db.OBJECT, transaction_id)
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
        await attempts_db.move_attempts_to_settled(connection, db.OBJECT, transaction_id, SEEN_THERE)
        await _move_to_transmitted(connection, transaction_id, route)
    return True


async def _send(deps: Deps, started: _Started) -> str:
    leaving = started.leaving
    async with deps.remotes.open_dgfip(leaving.route) as client:
        # evidence first: an uncertain sending whose file stands there whole is not sent again
        if started.resend and await client.find_sent(leaving.visible) == leaving.size:
            return SEEN_THERE
        await _check_ours(deps, started)
        await _check_bytes(deps, started)
        reach(Step.SEND_PES_CONNECTED)
        return await client.send(leaving.name, leaving.metadata, leaving.sha1, leaving.size, _chunks(deps, started))


async def _chunks(deps: Deps, started: _Started) -> AsyncIterator[bytes]:
    """The bytes of a flow; those that changed since they were looked at never leave whole."""
    leaving = started.leaving
    stored = deps.stream(started.transaction.authority_id, leaving.content)
    async for chunk in unaltered(stored, leaving.size, leaving.sha256, Uncertain(CHANGED)):
        yield chunk
    reach(Step.SEND_PES_BYTES_OUT)


async def _check_ours(deps: Deps, started: _Started) -> None:
    """Nothing has happened since we began: connecting may have been long, and we taken for dead. Raises Temporary."""
    async with deps.transaction("system") as connection:
        found = await db.lock_transaction(connection, started.transaction.id)
        attempts = await attempts_db.list_attempts(connection, db.OBJECT, started.transaction.id)
        dossier = await get_dossier(connection, started.transaction.authority_id, Module.HELIOS)
    stop = find_stop(dossier, set(started.transaction.domains), paris_date(deps.now()), {started.transaction.id})
    if stop is not None:
        raise hold(stop, deps.now())
    waiting = found is not None and found.status is HeliosStatus.EN_ATTENTE_DE_TRANSMISSION
    if not waiting or any(one.id > started.attempt for one in attempts):
        raise Temporary(NOT_OURS)


async def _check_bytes(deps: Deps, started: _Started) -> None:
    """What got its name in this try was looked at just before; what is tried again may have changed since.

    Not before the other end answers: an outage would have it read again and again. Raises Refused.
    """
    if started.transaction.transmitted_name is None:
        return
    sha1 = await read_sha1(deps, started.transaction.authority_id, started.leaving.content)
    rules.check_unaltered(sha1.hex() == started.leaving.sha1, started.transaction.id)


async def _end(deps: Deps, started: _Started, outcome: Outcome, error: TdtError) -> None:
    end = breakers.End(read_sign(error), started.probe, error.message)
    async with deps.transaction("system") as connection:
        await attempts_db.move_attempt(connection, started.attempt, outcome, _said(error))
        # the breaker before the jobs, as in _record_sent: two ends never wait for each other
        breaker = await breakers.note(connection, started.place, end, deps.now(), deps.config.breaker.rules)
        await _call_next(connection, started.leaving.route)
    wait_for_probe(breaker, error)


def _said(error: TdtError) -> str:
    """What the attempt keeps: with the words of the other end, which alone tell why it refused."""
    reply = error.details.get("reply")
    return f"{error.message} ({str(reply)[:200]})" if reply else error.message


async def _call_next(connection: Connection, route: Route) -> None:
    if route.settings.get("senders"):
        await wake_next(connection, route.id)


async def _record_sent(deps: Deps, started: _Started, detail: str) -> None:
    """Transaction 2. The acquit may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        await attempts_db.move_attempt(connection, started.attempt, Outcome.ACCEPTED, detail)
        await _move_to_transmitted(connection, started.transaction.id, started.leaving.route)
        end = breakers.End(Sign.ANSWERED, started.probe)
        await breakers.note(connection, started.place, end, deps.now(), deps.config.breaker.rules)
        await _call_next(connection, started.leaving.route)


async def _move_to_transmitted(connection: Connection, transaction_id: HeliosId, route: Route) -> None:
    found = await db.get_transaction(connection, transaction_id)
    if found is None or found.status is not HeliosStatus.EN_ATTENTE_DE_TRANSMISSION:
        return
    text = texts.transmitted_text(found.id, route.transport.is_passtrans)
    move = db.Move(HeliosStatus.EN_ATTENTE_DE_TRANSMISSION, texts.after_transmission(found.root), text)
    await db.move_status(connection, found, move)
