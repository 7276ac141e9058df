"""The French texts of the alerts: what waits, since when, what it means, what to do; and the list of the day."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.calendar import PARIS
from tdt.domain.helios.alerts import AlertLimits, Kind
from tdt.domain.ids import HeliosId
from tdt.domain.notice_text import TITLE_LENGTH, WIDTH, Text, long_date, one_line

SHOWN = 100
"""Flows named in one mail; `tdt admin helios list` names them all."""


@dataclass(frozen=True, slots=True)
class LateFlow:
    """A flow that waits, as an operator reads of it; `reason` is that of its work, if it failed or was put off."""

    id: HeliosId
    authority: str
    nomfic: str | None
    cod_col: str | None
    since: datetime
    route: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class LateRoute:
    """A route by which nothing comes; `last` is the last reception, `waiting` how many flows wait for an acquit."""

    name: str
    last: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A flow of another day without acquit, in the columns of S2LOW's daily mail."""

    id: HeliosId
    authority: str
    since: datetime
    nomfic: str
    cod_col: str
    id_post: str
    cod_bud: str
    p_dest: str
    sha1: str
    mode: str


_TITLES: Mapping[Kind, tuple[str, str]] = {
    Kind.POSTED: ("Flux Helios en attente de contrôle", "flux Helios en attente de contrôle"),
    Kind.WAITING: ("Transaction Helios bloquée", "transactions Helios bloquées"),
    Kind.ACQUIT: ("Flux Helios sans acquit", "flux Helios sans acquit"),
}
"""Of one, and of several; the second is S2LOW's."""

_WHAT: Mapping[Kind, str] = {
    Kind.POSTED: (
        "Les contrôles ne se terminent pas : antivirus arrêté, processus de travail arrêtés, traitement mis de côté. "
        "Que faire : regarder la raison ci-dessus, « tdt flow helios:NUMÉRO », l'état de clamd et des processus ; "
        "« tdt admin helios release » reprend un traitement mis de côté."
    ),
    Kind.WAITING: (
        "Le flux ne part pas : convention, fenêtre d'envoi, passerelle injoignable, ou envoi incertain qui attend une "
        "décision. Que faire : lire la raison ci-dessus et « tdt flow helios:NUMÉRO » ; « tdt admin helios release » "
        "reprend un traitement mis de côté."
    ),
    Kind.ACQUIT: (
        "La DGFiP rend en général l'acquit en quelques heures. Que faire : vérifier que la route reçoit, demander à "
        "la trésorerie si elle a le flux. Rien n'est renvoyé tout seul : un flux que la DGFiP a déjà reviendrait en "
        "doublon. Si elle ne l'a pas : « tdt admin helios resend », à l'identique."
    ),
}
_SILENCE = (
    "Que faire : vérifier la passerelle, le dossier de réception et les identifiants de la route (journal : "
    "route.listen_failed), puis demander à la DGFiP. Rien n'est renvoyé tout seul."
)


def write_flows(kind: Kind, flows: Sequence[LateFlow], limits: AlertLimits, platform: str) -> Text:
    """The mail about flows that are late for the same reason."""
    title = _TITLES[kind][0] if len(flows) == 1 else f"{len(flows)} {_TITLES[kind][1]}"
    lines = ["Bonjour,", "", *_said(kind, flows, limits), ""]
    lines += [f"    - {_flow(one)}" for one in flows[:SHOWN]]
    return _mail(title, [*lines, *_more(len(flows))], _WHAT[kind], platform)


def _said(kind: Kind, flows: Sequence[LateFlow], limits: AlertLimits) -> Sequence[str]:
    hours = {Kind.WAITING: limits.waiting_hours, Kind.ACQUIT: limits.acquit_hours}
    if kind is Kind.WAITING and len(flows) == 1:
        return (f"La transaction Helios {flows[0].id} est en attente depuis plus de {hours[kind]:g}H !",)
    said = {
        Kind.POSTED: f"À l'état « Posté » depuis plus de {limits.posted_minutes:g} minutes :",
        Kind.WAITING: f"En attente de transmission depuis plus de {limits.waiting_hours:g}H :",
        Kind.ACQUIT: f"Transmis, et sans acquit après {limits.acquit_hours:g} heures de jours ouvrés :",
    }
    return (said[kind],)


def _flow(one: LateFlow) -> str:
    couple = f"NomFic {one.nomfic}, CodCol {one.cod_col or '-'}" if one.nomfic else "pas encore lu"
    reason = f", {one.reason}" if one.reason else ""
    return one_line(f"{one.id} : {one.authority}, {couple}, depuis le {_at(one.since)}, route {one.route}{reason}")


def write_route(route: LateRoute, limits: AlertLimits, platform: str) -> Text:
    """The mail about a route by which nothing comes."""
    last = f"depuis le {_at(route.last)}" if route.last is not None else "depuis sa création"
    said = (
        f"Rien n'a été reçu par la route « {route.name} » {last}, alors que {route.waiting} flux transmis attendent "
        f"leur acquit depuis plus de {limits.silence_hours:g} heures de jours ouvrés."
    )
    title = f"Rien n'est plus reçu de la DGFiP : route {route.name}"
    return _mail(title, ["Bonjour,", "", *textwrap.wrap(one_line(said), WIDTH)], _SILENCE, platform)


def write_day(day: date, flows: Sequence[Unacknowledged], platform: str) -> Text:
    """The mail of the day: what was transmitted before it, and is not acknowledged."""
    title = f"{len(flows)} flux Helios transmis et non acquittés au {long_date(day)}"
    lines = ["Bonjour,", "", "Flux transmis avant ce jour et dont l'acquit n'est pas revenu :", ""]
    lines.append("id;collectivité;transmis le;NomFic;CodCol;IdPost;CodBud;P_DEST;sha1;mode")
    for one in flows[:SHOWN]:
        values = (one.id, one.authority, _at(one.since), one.nomfic, one.cod_col, one.id_post, one.cod_bud)
        lines.append(one_line(";".join(map(str, (*values, one.p_dest, one.sha1, one.mode)))))
    return _mail(title, [*lines, *_more(len(flows))], _WHAT[Kind.ACQUIT], platform)


def _more(count: int) -> Sequence[str]:
    return (f"    - et {count - SHOWN} autres : « tdt admin helios list »",) if count > SHOWN else ()


def _mail(title: str, lines: Sequence[str], what: str, platform: str) -> Text:
    end = ["", *textwrap.wrap(what, WIDTH), "", "-- "]
    end.append(f"Message automatique de la plateforme de télétransmission {platform}")
    return Text(one_line(title)[:TITLE_LENGTH], "\n".join([*lines, *end, ""]))


def _at(at: datetime) -> str:
    return f"{at.astimezone(PARIS):%d/%m/%Y %H:%M}"
