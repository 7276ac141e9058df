"""Gather what is known of a transaction, once the viewer's right is checked."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tdt.db import acte_views as db
from tdt.db.accounts import get_owner
from tdt.db.acte_reports import list_reports
from tdt.db.actes import ENVELOPE, Acte, get_transaction
from tdt.db.conventions import get_dossier
from tdt.db.pool import Connection
from tdt.db.shown_work import list_shown_attempts, list_shown_jobs
from tdt.db.windows import Leaving, forecast_departure
from tdt.deps import Deps
from tdt.domain.actes.deadlines import Deadline, DeadlineKind, Exchange, list_answers_due, list_deadlines
from tdt.domain.actes.model import ActeStatus, MessageCode
from tdt.domain.audit import Actor
from tdt.domain.authorities import Module, Right, may
from tdt.domain.calendar import paris_date
from tdt.domain.conventions import find_stop
from tdt.domain.errors import Forbidden, Refused
from tdt.domain.ids import ActeId
from tdt.domain.jobs import JobKind
from tdt.domain.limits import ACTES, Late, late_at
from tdt.domain.routes import RouteKind
from tdt.flows.actes_view.told import Life, entered, tell

UNKNOWN = "Numéro de transaction invalide."
MINE = (JobKind.ACTES_ANALYSE, JobKind.ACTES_ACKNOWLEDGE)
OF_THE_ENVELOPE = (JobKind.ACTES_PACKAGE, JobKind.ACTES_TRANSMIT)
ON_THE_WAY = (ActeStatus.POSTE, ActeStatus.EN_ATTENTE_DE_TRANSMISSION)
_SIREN = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])")


async def view(deps: Deps, by: Actor, acte_id: ActeId) -> dict[str, object]:
    """All that is known of a transaction, as plain data; the operator also reads why work was put off.

    Raises Refused when it does not exist or is another collectivité's: the same for both; Forbidden inside one's own.
    """
    async with deps.acting(by) as connection:
        acte = await get_transaction(connection, acte_id)
        if acte is None:
            raise Refused(UNKNOWN)
        await _check_view(connection, by, acte)
        life = await _gather(connection, acte, deps.config.actes.close_after_days)
    if acte.status in ON_THE_WAY:
        # what waits before it on the route is others', too: seen by the system, told as an instant
        leaving = Leaving(RouteKind.ACTES, acte.envelope_id)
        async with deps.transaction("system") as connection:
            life = replace(life, departure=await forecast_departure(connection, leaving, deps.now()))
            dossier = await get_dossier(connection, acte.authority_id, Module.ACTES)
        natures = {str(acte.nature_code)} if acte.nature_code is not None else set()
        stop = find_stop(dossier, natures, paris_date(deps.now()), {int(acte.id)})
        life = replace(life, held=stop.clause if stop is not None else "")
    kind = Late.ACTE_HELD if life.held and acte.status in ON_THE_WAY else ACTES.get(acte.status)
    life = replace(life, alert_at=late_at(kind, entered(life), deps.config.ages))
    return tell(life, operator=by.who is None)


async def list_named(deps: Deps, by: Actor, name: str) -> list[ActeId]:
    """The transactions that an IDActe, the name of an envelope or of an archive designates."""
    async with deps.acting(by) as connection:
        return await db.list_ids_named(connection, name, _SIREN.findall(name))


async def _check_view(connection: Connection, by: Actor, acte: Acte) -> None:
    if by.who is None:
        return
    owner = await get_owner(connection, by.who.user.id, acte.account_id, acte.authority_id)
    if not may(by.who, Right.VIEW, Module.ACTES, owner):
        raise Forbidden("Accès refusé")


async def _gather(connection: Connection, acte: Acte, close_after: int) -> Life:
    envelope = await db.find_shown_envelope(connection, acte.envelope_id)
    depositor = await db.find_depositor(connection, acte.id)
    if envelope is None or depositor is None:
        raise Refused(UNKNOWN)
    relatives = await db.list_relatives(connection, acte.id)
    steps = await db.list_steps(connection, acte.id)
    return Life(
        acte=acte,
        depositor=depositor,
        steps=steps,
        files=await db.list_shown_files(connection, acte.id),
        envelope=envelope,
        attempts=await list_shown_attempts(connection, ENVELOPE, acte.envelope_id),
        jobs=await list_shown_jobs(connection, (MINE, acte.id), (OF_THE_ENVELOPE, acte.envelope_id)),
        reports=await list_reports(connection, acte.id),
        relatives=relatives,
        deadlines=[*_deadlines(acte, depositor, relatives), *_closing(acte, steps, close_after)],
    )


def _deadlines(acte: Acte, depositor: db.Depositor, relatives: Sequence[db.Relative]) -> list[Deadline]:
    """The delays of the law: of an act that was received, of a letter about it; unless the act was cancelled."""
    received_on = depositor.received_on
    if _asks(acte):
        cancelled = any(one.id == acte.related_id and one.status is ActeStatus.ANNULE for one in relatives)
        return [] if cancelled else list_answers_due([_exchange(acte, relatives)])
    if acte.type != MessageCode.ACTE or received_on is None or acte.status is ActeStatus.ANNULE:
        return []
    return list_deadlines(received_on, acte.nature_code, _exchanges(acte, relatives))


def _exchanges(acte: Acte, relatives: Sequence[db.Relative]) -> list[Exchange]:
    """The letters that want an answer, each with the day on which the préfecture had it."""
    return [_exchange(one, relatives) for one in relatives if _asks(one) and one.related_id == acte.id]


def _asks(one: Acte | db.Relative) -> bool:
    """Whether it is a letter that wants an answer."""
    asking = (MessageCode.PIECES_COMPLEMENTAIRES, MessageCode.LETTRE_OBSERVATIONS)
    return one.type in asking and one.type_reponse is None


def _exchange(letter: Acte | db.Relative, relatives: Sequence[db.Relative]) -> Exchange:
    answers = [one.received_on for one in relatives if one.related_id == letter.id and one.received_on is not None]
    return Exchange(letter.id, letter.type, paris_date(letter.submitted_at), max(answers, default=None))


def _closing(acte: Acte, steps: Sequence[db.Step], days: int) -> list[Deadline]:
    """The day on which what the ministry does not answer is put in error (0 days: never)."""
    sent = [paris_date(step.at) for step in steps if step.status is ActeStatus.TRANSMIS]
    # a 2-2 (the only type 2 that leaves) gets no answer and is never closed
    answered = acte.type != MessageCode.COURRIER_SIMPLE
    if acte.status is not ActeStatus.TRANSMIS or not answered or not sent or not days:
        return []
    on = sent[-1] + timedelta(days=days)
    return [Deadline(DeadlineKind.FERMETURE, on, sent[-1], "sans réponse de la préfecture, mise en erreur")]
