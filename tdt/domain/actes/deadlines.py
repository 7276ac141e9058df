"""The delays of the law: until when the préfet may attack an act, until when a letter wants its answer.

Sources: CGCT L.2131-6 (déféré within two months of the reception), L.1612-2 and following (budgets: one month), Code de
justice administrative R.421-1 (a délai franc: neither its first nor its last day count; one that ends on a day off goes
on to the next working day). A demande de pièces sent within the two months restarts them from the reception of what it
asks for, or of the refusal; silence for two months is a refusal. A lettre d'observations is a recours gracieux: the two
months start again at its rejection, explicit or by two months of silence.

What is computed here informs; the judge alone counts.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from tdt.domain.calendar import is_working_day

CONTROL_MONTHS = 2
BUDGET_MONTHS = 1
ANSWER_MONTHS = 2
BUDGET_NATURE = 5


class DeadlineKind(StrEnum):
    """What ends."""

    DEFERE = "defere"
    CONTROLE_BUDGETAIRE = "controle_budgetaire"
    REPONSE = "reponse"
    FERMETURE = "fermeture"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A letter of the préfecture (type 3 or 4) about an act, and what became of it.

    `received_on`: the day on which we had it. `answered_on`: the reception by the préfecture, from its AR (3-5, 4-5),
    of the answer or of the refusal; None while there is none.
    """

    letter: int
    type: int
    received_on: date
    answered_on: date | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """`on` is the last day; `since` the event that it is counted from; `letter` the transaction of the letter."""

    kind: DeadlineKind
    on: date
    since: date
    reason: str
    letter: int | None = None


def list_deadlines(received_on: date, nature_code: int | None, exchanges: Sequence[Exchange]) -> list[Deadline]:
    """The delays of an act whose AR bears this date of reception, as they stand; letters still to answer come last."""
    since, reason = _control_since(received_on, exchanges)
    found = [Deadline(DeadlineKind.DEFERE, end_of(since, CONTROL_MONTHS), since, reason)]
    if nature_code == BUDGET_NATURE:
        end = end_of(received_on, BUDGET_MONTHS)
        found.append(Deadline(DeadlineKind.CONTROLE_BUDGETAIRE, end, received_on, "réception du budget"))
    return found + list_answers_due(exchanges)


def list_answers_due(exchanges: Sequence[Exchange]) -> list[Deadline]:
    """Until when each letter that has no answer yet wants it."""
    found = []
    for one in exchanges:
        if one.answered_on is None:
            on = add_months(one.received_on, ANSWER_MONTHS)
            reason = "refus implicite au-delà" if one.type == 3 else "rejet implicite au-delà"
            found.append(Deadline(DeadlineKind.REPONSE, on, one.received_on, reason, one.letter))
    return found


def _control_since(received_on: date, exchanges: Sequence[Exchange]) -> tuple[date, str]:
    """From which event the two months of the préfet are counted: each letter sent in time starts them again."""
    since, reason = received_on, "réception de l'acte"
    for one in sorted(exchanges, key=lambda one: one.received_on):
        if one.received_on > end_of(since, CONTROL_MONTHS):
            continue  # too late to restart anything
        restart = one.answered_on or add_months(one.received_on, ANSWER_MONTHS)
        if restart > since:
            since, reason = restart, _restart_reason(one)
    return since, reason


def _restart_reason(one: Exchange) -> str:
    what = "demande de pièces complémentaires" if one.type == 3 else "lettre d'observations"
    if one.answered_on is None:
        return f"silence de deux mois après la {what}, si rien n'y répond avant"
    return f"réception de la réponse à la {what}"


def end_of(since: date, months: int) -> date:
    """The last day of a délai franc of so many months; on a day off, the next working day."""
    day = add_months(since, months) + timedelta(days=1)
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of a shorter month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
