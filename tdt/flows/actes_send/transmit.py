"""Hand an archive to the ministry: intention recorded, bytes sent, result recorded (the crash rule)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

from tdt.crash import Step, reach
from tdt.db import actes as db
from tdt.db import attempts as attempts_db
from tdt.db import breakers
from tdt.db import routes as routes_db
from tdt.db.acte_releases import find_release
from tdt.db.breakers import Place
from tdt.db.content import get_content, unaltered
from tdt.db.conventions import get_dossier
from tdt.db.pool import Connection
from tdt.db.windows import Leaving, find_postponement
from tdt.deps import Deps
from tdt.domain import retry
from tdt.domain.actes.documents import altered_archive
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import ACQUITTEMENT_ENVOYE, transmitted
from tdt.domain.authorities import Module
from tdt.domain.breaker import WAITS, Breaker, Remote, Sign, Wait, read_sign, spread, wait_for_probe
from tdt.domain.breaker import hold as wait_for
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Verdict, find_stop, hold, judge
from tdt.domain.errors import Permanent, Refused, TdtError, Temporary, Uncertain
from tdt.domain.ids import AttemptId, ContentId, EnvelopeId
from tdt.domain.routes import NOT_OURS, Outcome, Route, RouteKind
from tdt.domain.transmission import Forecast, postpone
from tdt.flows.actes_send.envelopes import refuse, tell_altered


async def transmit(deps: Deps, envelope_id: EnvelopeId) -> None:
    """Hand the archive to the ministry: intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    started = await _start(deps, envelope_id)
    if started is None:
        return
    if isinstance(started, Verdict):
        raise hold(started, deps.now())
    if isinstance(started, Wait):
        raise wait_for(Remote.ACTES, spread(started, envelope_id))
    if isinstance(started, Forecast):
        raise postpone(started, deps.now())
    sending, route, sent = started
    reach(Step.SEND_ACTE_RECORDED)
    try:
        await sending.check_bytes()
        archive = (sent.archive_name, sending.about.size, sending.chunks)
        detail = await deps.remotes.send_archive(route, archive, sending.go_to_rescue)
    except (Temporary, Permanent) as error:
        await sending.end(Outcome.FAILED, error)
        raise
    except Refused as error:
        await sending.end(Outcome.FAILED, error)
        await sending.give_up(error)
        return
    except Uncertain as error:
        await sending.end(Outcome.UNCERTAIN, error)
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.actes.uncertain_seconds)
        raise
    reach(Step.SEND_ACTE_ANSWERED)
    await _record_sent(deps, sent, sending, detail)
    reach(Step.SEND_ACTE_OUTCOME)


@dataclass(slots=True)
class _Sending:
    """The attempt that is being made: each address of the route is one of its own."""

    deps: Deps
    about: attempts_db.Sending
    content: ContentId
    attempt: AttemptId
    probe: bool
    """It leaves alone, to see whether the ministry is back."""
    gone: bool
    """It left once, or may have."""
    other: bool
    """A try before this one was about other bytes."""

    async def end(self, outcome: Outcome, error: TdtError) -> None:
        """Say what became of it; an error tells whether a byte may have left."""
        async with self.deps.transaction("system") as connection:
            await self._end(connection, outcome, error)
            breaker = await self.note(connection, read_sign(error), error.message)
        wait_for_probe(breaker, error)

    async def note(self, connection: Connection, sign: Sign, error: str = "") -> Breaker:
        """Write in the breaker of its route what its end says of the ministry."""
        place, end = Place(Remote.ACTES, self.about.route_id), breakers.End(sign, self.probe, error)
        return await breakers.note(connection, place, end, self.deps.now(), self.deps.config.breaker.rules)

    async def go_to_rescue(self, error: Temporary) -> None:
        """The main address surely got nothing: that is on record before the rescue one is tried.

        Raises the error when the sending is not ours any more: given up, answered, or begun anew by another worker.
        """
        async with self.deps.transaction("system") as connection:
            ours = await self._is_ours(connection)
            ended = await self._end(connection, Outcome.FAILED, error)
            if ours and ended:
                self.about = replace(self.about, address="rescue")
                self.attempt = await attempts_db.insert_attempt(connection, self.about)
        if not (ours and ended):
            raise error
        await self.check_bytes()

    async def check_bytes(self) -> None:
        """Read the whole archive before anything of it leaves. Raises Refused when it is not as it was built."""
        if self.other:
            raise altered_archive()
        async for _ in self._unaltered():
            pass

    def _unaltered(self) -> AsyncIterator[bytes]:
        stored = self.deps.stream(self.about.authority_id, self.content)
        return unaltered(stored, self.about.size, self.about.sha256, altered_archive())

    async def give_up(self, altered: Refused) -> None:
        """Turn what surely did not leave to an error; what may have left, or answers a letter, is for an operator."""
        async with self.deps.transaction("system") as connection:
            ours = await self._is_ours(connection)
            sent = await db.get_envelope(connection, EnvelopeId(self.about.object_id))
            if not ours or sent is None:
                raise Temporary(NOT_OURS)
            if self.gone or sent.acknowledges_id is not None:
                raise Permanent(altered.message, code=altered.code)
            actes = await db.list_of_envelope(connection, sent.id)
            await refuse(connection, actes, altered.message)
            await tell_altered(self.deps, connection, actes, altered.message)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The archive, unless the sending is not ours any more once the ministry is ready to take it."""
        async with self.deps.transaction("system") as connection:
            ours = await self._is_ours(connection)
            if not ours:
                await self._end(connection, Outcome.FAILED, Temporary(NOT_OURS, details={"unreached": True}))
        if not ours:
            raise Temporary(NOT_OURS)
        reach(Step.SEND_ACTE_CONNECTED)
        async for chunk in self._unaltered():
            yield chunk
        reach(Step.SEND_ACTE_BYTES_OUT)

    async def _is_ours(self, connection: Connection) -> bool:
        """Whether nothing has happened since we began: the wait for the main address may have been long."""
        sent = await db.lock_envelope(connection, EnvelopeId(self.about.object_id))
        attempts = await attempts_db.list_attempts(connection, db.ENVELOPE, self.about.object_id)
        if sent is None or any(one.id > self.attempt for one in attempts):
            return False
        actes, unsent, _ = await _carried(connection, sent)
        if await _is_stopped(self.deps, connection, sent, actes):
            return False
        return all(one.status is unsent for one in actes)

    async def _end(self, connection: Connection, outcome: Outcome, error: TdtError) -> bool:
        reached = not error.details.get("unreached", False)
        return await attempts_db.move_attempt(connection, self.attempt, outcome, error.message, reached)


Started = tuple[_Sending, Route, db.Envelope]


async def _start(deps: Deps, envelope_id: EnvelopeId) -> Started | Verdict | Forecast | Wait | None:
    """Transaction 1: apply the crash rule, the convention and the windows, then say that we are about to send.

    None when there is nothing to send, a verdict when the convention holds it, a forecast when its hour has not come,
    or until when the ministry is left alone.
    """
    async with deps.transaction("system") as connection:
        # a worker that was taken for dead may wake up at this very point: one of the two decides, the other sees it
        sent = await db.lock_envelope(connection, envelope_id)
        if sent is None or sent.content_id is None:
            return None
        # the attempts before the statuses: a sending that ends meanwhile is seen in one or in the other
        attempts = await attempts_db.list_attempts(connection, db.ENVELOPE, envelope_id)
        actes, unsent, _ = await _carried(connection, sent)
        if any(one.status is not unsent for one in actes):
            return None  # an answer already came, or it was refused: the evidence settles it
        window = timedelta(seconds=deps.config.actes.uncertain_seconds)
        released = await find_release(connection, envelope_id)
        on_uncertain = retry.on_uncertain(deps.config.actes.on_uncertain, attempts, released)
        retry.check_may_send(attempts, deps.now(), window, on_uncertain)
        route = await routes_db.get_route(connection, sent.route_id)
        stored = await get_content(connection, sent.content_id)
        if route is None or stored is None:
            raise Permanent("La route ou l'archive a disparu.", details={"envelope_id": envelope_id})
        verdict = await _judge(deps, connection, sent, actes)
        if verdict.held:
            for acte in actes:
                await db.insert_note(connection, acte, verdict.clause)
            return verdict
        leaving = Leaving(RouteKind.ACTES, envelope_id)
        postponed = await find_postponement(connection, route.id, leaving, stored.size, deps.now())
        if postponed is not None:
            for acte in actes:
                await db.insert_note(connection, acte, postponed.reason)
            return postponed
        answer = await breakers.ask(connection, Place(Remote.ACTES, route.id), deps.now(), deps.config.breaker.rules)
        if isinstance(answer, Wait):
            for acte in actes:
                await db.insert_note(connection, acte, WAITS[Remote.ACTES])
            return answer
        about = attempts_db.Sending(
            sent.authority_id,
            route.id,
            db.ENVELOPE,
            envelope_id,
            sent.archive_name,
            stored.sha256,
            stored.size,
            verdict.clause,
        )
        other = await attempts_db.was_other(connection, about)
        attempt = await attempts_db.insert_attempt(connection, about)
        gone = any(one.outcome is not Outcome.FAILED for one in attempts)
        return _Sending(deps, about, sent.content_id, attempt, answer.probe, gone, other), route, sent


async def _carried(connection: Connection, sent: db.Envelope) -> tuple[list[db.Acte], ActeStatus, ActeStatus]:
    """What a sending is for, and its status before and after: its transactions, or the letter that it acknowledges."""
    if sent.acknowledges_id is None:
        carried = await db.list_of_envelope(connection, sent.id)
        return carried, ActeStatus.EN_ATTENTE_DE_TRANSMISSION, ActeStatus.TRANSMIS
    letter = await db.get_transaction(connection, sent.acknowledges_id)
    return [letter] if letter is not None else [], ActeStatus.DOCUMENT_RECU, ActeStatus.ACQUITTEMENT_ENVOYE


async def _judge(deps: Deps, connection: Connection, sent: db.Envelope, actes: list[db.Acte]) -> Verdict:
    """May what the envelope holds leave today?"""
    dossier = await get_dossier(connection, sent.authority_id, Module.ACTES)
    natures = {str(acte.nature_code) for acte in actes if acte.nature_code is not None}
    numbers = {int(acte.id) for acte in actes}
    return judge(dossier, natures, paris_date(deps.now()), deps.config.conventions.policy, numbers)


async def _is_stopped(deps: Deps, connection: Connection, sent: db.Envelope, actes: list[db.Acte]) -> bool:
    """Whether somebody has stopped it since we began."""
    dossier = await get_dossier(connection, sent.authority_id, Module.ACTES)
    natures = {str(acte.nature_code) for acte in actes if acte.nature_code is not None}
    return find_stop(dossier, natures, paris_date(deps.now()), {int(acte.id) for acte in actes}) is not None


async def _record_sent(deps: Deps, sent: db.Envelope, sending: _Sending, detail: str) -> None:
    """Transaction 2. The answer may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        # what is given up at this very instant is seen in its status: that the archive arrived stays on record
        await db.lock_envelope(connection, sent.id)
        await attempts_db.move_attempt(connection, sending.attempt, Outcome.ACCEPTED, detail)
        await sending.note(connection, Sign.ANSWERED)
        actes, unsent, left = await _carried(connection, sent)
        text = transmitted(deps.config.actes.ministry_acronym) if left is ActeStatus.TRANSMIS else ACQUITTEMENT_ENVOYE
        for acte in actes:
            if acte.status is unsent:
                await db.move_status(connection, acte, db.Move(unsent, left, text))
