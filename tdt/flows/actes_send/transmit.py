"""Hand an archive to the ministry: intention recorded, bytes sent, result recorded (the crash rule)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

from tdt.db import actes as db
from tdt.db import routes as routes_db
from tdt.db.content import get_content
from tdt.db.conventions import get_dossier
from tdt.db.pool import Connection
from tdt.db.windows import Leaving, find_postponement
from tdt.deps import Deps
from tdt.domain import retry
from tdt.domain.actes.model import ActeStatus
from tdt.domain.actes.status import ACQUITTEMENT_ENVOYE, transmitted
from tdt.domain.authorities import Module
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import Verdict, hold, judge
from tdt.domain.errors import Permanent, TdtError, Temporary, Uncertain
from tdt.domain.ids import AttemptId, ContentId, EnvelopeId
from tdt.domain.routes import NOT_OURS, Outcome, Route, RouteKind
from tdt.domain.transmission import Forecast, postpone


async def transmit(deps: Deps, envelope_id: EnvelopeId) -> None:
    """Hand the archive to the ministry: intention recorded, bytes sent, result recorded.

    Raises Temporary (try later) or Uncertain (wait for the window, then the identical bytes under the same name).
    """
    started = await _start(deps, envelope_id)
    if started is None:
        return
    if isinstance(started, Verdict):
        raise hold(started, deps.now())
    if isinstance(started, Forecast):
        raise postpone(started, deps.now())
    sending, route, sent, content = started
    try:
        async with deps.transaction("system") as connection:
            stored = await get_content(connection, content)
        if stored is None:
            raise Permanent("L'archive a disparu.", details={"envelope_id": envelope_id})
        archive = (sent.archive_name, stored.size, lambda: sending.chunks(content))
        detail = await deps.remotes.send_archive(route, archive, sending.go_to_rescue)
    except (Temporary, Permanent) as error:
        await sending.end(Outcome.FAILED, error)
        raise
    except Uncertain as error:
        await sending.end(Outcome.UNCERTAIN, error)
        error.details["retry_at"] = deps.now() + timedelta(seconds=deps.config.actes.uncertain_seconds)
        raise
    await _record_sent(deps, sent, sending.attempt, detail)


@dataclass(slots=True)
class _Sending:
    """The attempt that is being made: each address of the route is one of its own."""

    deps: Deps
    about: routes_db.Sending
    attempt: AttemptId

    async def end(self, outcome: Outcome, error: TdtError) -> None:
        """Say what became of it; an error tells whether a byte may have left."""
        async with self.deps.transaction("system") as connection:
            await self._end(connection, outcome, error)

    async def go_to_rescue(self, error: Temporary) -> None:
        """The main address surely got nothing: that is on record before the rescue one is tried.

        Raises the error when the sending is not ours any more: given up, answered, or begun anew by another worker.
        """
        async with self.deps.transaction("system") as connection:
            ours = await self._is_ours(connection)
            ended = await self._end(connection, Outcome.FAILED, error)
            if ours and ended:
                self.about = replace(self.about, address="rescue")
                self.attempt = await routes_db.insert_attempt(connection, self.about)
        if not (ours and ended):
            raise error

    async def chunks(self, content: ContentId) -> AsyncIterator[bytes]:
        """The archive, unless the sending is not ours any more once the ministry is ready to take it."""
        async with self.deps.transaction("system") as connection:
            ours = await self._is_ours(connection)
            if not ours:
                await self._end(connection, Outcome.FAILED, Temporary(NOT_OURS, details={"unreached": True}))
        if not ours:
            raise Temporary(NOT_OURS)
        async for chunk in self.deps.stream(self.about.authority_id, content):
            yield chunk

    async def _is_ours(self, connection: Connection) -> bool:
        """Whether nothing has happened since we began: the wait for the main address may have been long."""
        sent = await db.lock_envelope(connection, EnvelopeId(self.about.object_id))
        attempts = await routes_db.list_attempts(connection, db.ENVELOPE, self.about.object_id)
        if sent is None or any(one.id > self.attempt for one in attempts):
            return False
        actes, unsent, _ = await _carried(connection, sent)
        return all(one.status is unsent for one in actes)

    async def _end(self, connection: Connection, outcome: Outcome, error: TdtError) -> bool:
        reached = not error.details.get("unreached", False)
        return await routes_db.move_attempt(connection, self.attempt, outcome, error.message, reached)


Started = tuple[_Sending, Route, db.Envelope, ContentId]


async def _start(deps: Deps, envelope_id: EnvelopeId) -> Started | Verdict | Forecast | None:
    """Transaction 1: apply the crash rule, the convention and the windows, then say that we are about to send.

    None when there is nothing to send, a verdict when the convention holds it, a forecast when its hour has not come.
    """
    async with deps.transaction("system") as connection:
        # a worker that was taken for dead may wake up at this very point: one of the two decides, the other sees it
        sent = await db.lock_envelope(connection, envelope_id)
        if sent is None or sent.content_id is None:
            return None
        # the attempts before the statuses: a sending that ends meanwhile is seen in one or in the other
        attempts = await routes_db.list_attempts(connection, db.ENVELOPE, envelope_id)
        actes, unsent, _ = await _carried(connection, sent)
        if any(one.status is not unsent for one in actes):
            return None  # an answer already came, or it was refused: the evidence settles it
        window = timedelta(seconds=deps.config.actes.uncertain_seconds)
        retry.check_may_send(attempts, deps.now(), window, deps.config.actes.on_uncertain)
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
        about = routes_db.Sending(
            sent.authority_id,
            route.id,
            db.ENVELOPE,
            envelope_id,
            sent.archive_name,
            stored.sha256,
            stored.size,
            verdict.clause,
        )
        attempt = await routes_db.insert_attempt(connection, about)
        return _Sending(deps, about, attempt), route, sent, sent.content_id


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
    return judge(dossier, natures, paris_date(deps.now()), deps.config.conventions.policy)


async def _record_sent(deps: Deps, sent: db.Envelope, attempt: AttemptId, detail: str) -> None:
    """Transaction 2. The answer may have come before us: then the status has already moved on."""
    async with deps.transaction("system") as connection:
        # what is given up at this very instant is seen in its status: that the archive arrived stays on record
        await db.lock_envelope(connection, sent.id)
        await routes_db.move_attempt(connection, attempt, Outcome.ACCEPTED, detail)
        actes, unsent, left = await _carried(connection, sent)
        text = transmitted(deps.config.actes.ministry_acronym) if left is ActeStatus.TRANSMIS else ACQUITTEMENT_ENVOYE
        for acte in actes:
            if acte.status is unsent:
                await db.move_status(connection, acte, db.Move(unsent, left, text))
