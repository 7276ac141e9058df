"""The French texts of balances, for the operators: what does not add up, which day has none and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from tdt.domain.balance import FAULT_TEXTS, Side, subject_of
from tdt.domain.ids import AuthorityId, RouteId
from tdt.domain.notice_text import Text, long_date
from tdt.domain.routes import RouteKind
from tdt.domain.status import Day

ALERT = "balance"
SHOWN = 50
"""Flows named in one mail; the command that it tells names them all."""


@dataclass(frozen=True, slots=True)
class Imbalance:
    """A balance of a day that does not add up."""

    authority: AuthorityId
    name: str
    module: RouteKind
    route: RouteId
    route_name: str
    day: date
    side: Side
    differences: tuple[str, ...] = ()
    """The figures that a full recount finds otherwise than in the balance that is kept."""
    full: bool = False
    """Only a full recount sees it."""


def write_imbalances(found: Sequence[Imbalance], platform: str) -> Text:
    """The mail to the operators; all of one collectivité and one day."""
    first = found[0]
    lines = [f"Le solde du {long_date(first.day)} de la collectivité {first.name} ne tombe pas juste.", ""]
    for one in found:
        lines.append(f"{one.module}, route {one.route_name} :")
        for words, left, right in one.side.equations:
            lines.append(f"  {words} : {left} {'=' if left == right else '≠'} {right}")
        lines += [f"  {difference}" for difference in one.differences]
        for fault in one.side.faults[:SHOWN]:
            lines.append(f"  {subject_of(one.module)}:{fault.flow} : {FAULT_TEXTS[fault.code]}.")
        if len(one.side.faults) > SHOWN:
            lines.append(f"  et {len(one.side.faults) - SHOWN} autres.")
        lines.append("")
    recount = " --full" if any(one.full for one in found) else ""
    command = f"tdt reconcile{recount} --authority {first.authority} --day {first.day.isoformat()}"
    lines += [f"Détail : {command}", "Vie d'un flux : tdt flow NUMÉRO", *([platform] if platform else [])]
    return Text(f"Solde du {first.day:%d/%m/%Y} en déséquilibre : {first.name}", "\n".join(lines) + "\n")


NOTHING_YET = "Rien n'a encore été déposé : il n'y a pas de solde à faire."
NONE_KEPT = (
    "Aucun solde n'est gardé de ce jour : rien n'y a bougé et rien n'y était ouvert, ou les soldes n'ont commencé "
    "qu'après."
)


def write_not_due(day: date, today: date, from_hour: int, last: date) -> str:
    """Why a day has no balance yet, and when it will; `last`: the last one whose balances are to be made."""
    if day > today:
        why = f"Le {long_date(day)} n'est pas encore venu."
    elif day == today:
        why = f"La journée du {long_date(day)} n'est pas finie."
    else:
        why = f"Les soldes du {long_date(day)} ne sont pas encore à faire."
    when = (
        f"Le solde d'un jour se fait le lendemain : celui-ci le {day + timedelta(days=1):%d/%m/%Y} à partir de "
        f"{from_hour} h, heure de Paris ([balances] from_hour)."
    )
    return f"{why} {when} Sans --day, « tdt reconcile » montre le dernier jour à faire, le {last:%d/%m/%Y}."


def write_so_far(days: Sequence[Day], authority: AuthorityId | None) -> str:
    """What moved since midnight: counted, compared with nothing."""
    whose = "toutes les collectivités" if authority is None else f"la collectivité {authority}"
    moves = [f"  {day.module.upper()} : {write_moves(day)}" for day in days]
    return "\n".join([f"Depuis minuit, pour {whose} (ce qui a bougé, rien n'en est encore comparé) :", *moves])


def write_moves(day: Day) -> str:
    """What became of the deposits of a module since midnight."""
    return (
        f"{day.deposited} déposé(s), {day.sent} transmis, {day.acknowledged} acquitté(s), {day.refused} refusé(s), "
        f"{day.awaited} réponse(s) attendue(s)"
    )


def write_too_early(day: date, first: date) -> str:
    """Why a day before the first one on which something happened has no balance."""
    return (
        f"Aucun solde pour le {long_date(day)} : rien n'a été déposé ni reçu avant le {first:%d/%m/%Y}, et les soldes "
        "commencent ce jour-là au plus tôt."
    )
