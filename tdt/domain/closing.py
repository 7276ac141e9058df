"""The end of a collectivité: its stop date, what is still allowed after it, when its data may be purged."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.authorities import Principal, is_group_admin_or_super
from tdt.domain.calendar import paris_date
from tdt.domain.errors import Refused
from tdt.domain.ids import AuthorityId

CLOSED_CODE = "COLLECTIVITE_FERMEE"
CLOSED = (
    "La collectivité est fermée sur cette plate-forme : rien ne peut plus y être déposé, télétransmis ni modifié ; "
    "ce qui a été déposé reste consultable."
)
IN_THE_PAST = "Une collectivité ne ferme pas dans le passé : la date doit être aujourd'hui ou plus tard."
CLOSED_ALREADY = "La collectivité est fermée depuis le {:%d/%m/%Y} : rouvrez-la d'abord pour changer cette date."
NOT_CLOSING = "La collectivité n'a pas de date de fermeture."
PURGE_TOO_EARLY = "La purge doit venir après le jour de la fermeture, et pas avant aujourd'hui."
PURGE_STARTED = "La purge de la collectivité a commencé : ce qu'elle a détruit ne revient pas."
NOT_EXPORTED = "Aucun export n'a été fait depuis la fermeture."
OUTRUN = "Quelque chose est arrivé ou a changé depuis l'export : il faut le refaire."
UNFINISHED = "Des transmissions ou des traitements sont en cours ({})."
UNANSWERED = "L'État n'a pas répondu à tout, ou un traitement attend l'exploitant ({}) : « --unanswered » passe outre."
GONE_CODE = "COLLECTIVITE_PURGEE"
GONE = "La collectivité a été purgée, ou est en train de l'être : rien ne peut plus lui être attribué."
PURGED = "La collectivité a été purgée : elle ne peut plus être ni rouverte, ni exportée. Une nouvelle peut être créée."


@dataclass(frozen=True, slots=True)
class Closing:
    """How far the end of a collectivité has come. Dates are civil days in Paris.

    From `closes_on` on it is read-only; from `purges_on` on what `exported_at` covers may be destroyed.
    `purges_unanswered`: what the State never answered does not hold the purge up.
    """

    id: AuthorityId
    name: str
    siren: str
    closes_on: date | None
    exported_at: datetime | None
    export_sha256: bytes | None
    export_counts: dict[str, int] | None
    purges_on: date | None
    purges_unanswered: bool
    purge_started_at: datetime | None
    purged_at: datetime | None

    def is_closed(self, today: date) -> bool:
        """Has the stop date come?"""
        return self.closes_on is not None and self.closes_on <= today

    def audited(self) -> dict[str, object]:
        """What the audit keeps of a change."""
        return {
            "closes_on": str(self.closes_on) if self.closes_on is not None else None,
            "purges_on": str(self.purges_on) if self.purges_on is not None else None,
            "purges_unanswered": self.purges_unanswered,
        }


def check_open(closed: bool) -> None:
    """Refuse whatever a closed collectivité may not do any more."""
    if closed:
        raise Refused(CLOSED, code=CLOSED_CODE)


def check_not_closed(who: Principal, administering: bool) -> None:
    """Refuse a change by an account of a closed collectivité.

    Those above the collectivités go on administering, whatever became of their own.
    """
    if administering and is_group_admin_or_super(who.user):
        return
    check_open(who.authority is not None and who.authority.closed)


def check_close(current: Closing, on: date, purges_on: date | None, today: date) -> None:
    """May this collectivité close on this day, and be purged on that one? Raises Refused."""
    _check_not_purged(current)
    if current.is_closed(today) and current.closes_on is not None:
        raise Refused(CLOSED_ALREADY.format(current.closes_on))
    if on < today:
        raise Refused(IN_THE_PAST)
    if purges_on is not None and purges_on <= on:
        raise Refused(PURGE_TOO_EARLY)


def check_reopen(current: Closing) -> None:
    """May this closing be undone? Raises Refused."""
    _check_not_purged(current)
    if current.closes_on is None:
        raise Refused(NOT_CLOSING)


def check_purge_date(current: Closing, purges_on: date | None, today: date) -> None:
    """May the purge be planned for this day, or given up (None)? Raises Refused."""
    _check_not_purged(current)
    if current.closes_on is None:
        raise Refused(NOT_CLOSING)
    if purges_on is not None and (purges_on <= current.closes_on or purges_on < today):
        raise Refused(PURGE_TOO_EARLY)


def check_exportable(current: Closing) -> None:
    """Is everything still there? Raises Refused."""
    _check_not_purged(current)


def check_receiving(current: Closing) -> None:
    """May what the State sent still be given to it? Raises Refused."""
    if current.purge_started_at is not None or current.purged_at is not None:
        raise Refused(GONE, code=GONE_CODE)


def _check_not_purged(current: Closing) -> None:
    if current.purged_at is not None:
        raise Refused(PURGED)
    if current.purge_started_at is not None:
        raise Refused(PURGE_STARTED)


def never_confirmed(closes_on: date) -> str:
    """Words of a deposit that waited for somebody and that the closing overtook."""
    return f"Refusé : la collectivité a fermé le {closes_on:%d/%m/%Y}, avant que ce dépôt soit confirmé."


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not at its end: transmissions and steps that go on; what the State, or an operator, owes an answer."""

    unfinished: int
    unanswered: int


def purge_obstacle(current: Closing, counts: Mapping[str, int], waiting: Waiting) -> str:
    """Why a collectivité whose purge date has come is not purged yet; empty when it may be.

    `counts`: the rows it has now, to be those that were exported.
    """
    if not is_export_valid(current):
        return NOT_EXPORTED
    if waiting.unfinished:
        return UNFINISHED.format(waiting.unfinished)
    if waiting.unanswered and not current.purges_unanswered:
        return UNANSWERED.format(waiting.unanswered)
    if dict(counts) != current.export_counts:
        return OUTRUN
    return ""


def is_export_valid(current: Closing) -> bool:
    """Was the last export made once the collectivité was closed?"""
    if current.exported_at is None or current.closes_on is None:
        return False
    return paris_date(current.exported_at) >= current.closes_on
