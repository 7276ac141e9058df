"""What an operator may do to a flow by hand: send it again, post it again, give it up, let it go. Rules and words.

Nothing of this ever happens by itself: what the DGFiP has twice comes back as duplicates, bordereau by bordereau.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.domain.helios.model import HeliosStatus as S
from tdt.domain.helios.status import STATUS_LABELS, may_move
from tdt.domain.ids import HeliosId
from tdt.domain.routes import Attempt, Outcome
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

DUPLICATES = (
    "Si la DGFiP a déjà ce flux, elle le rejettera en doublon, bordereau par bordereau, et l'acquit sera KO pour ce "
    "qui est déjà pris en charge. Demandez d'abord à la trésorerie, ou regardez la passerelle."
)
"""What whoever sends again must know."""

SENT = frozenset({S.TRANSMIS, S.TRANSMIS_SANS_ACQUITTEMENT})
WAITING = frozenset({S.POSTE, S.EN_ATTENTE_DE_TRANSMISSION})

_RUNNING = "un envoi est en cours ou planifié : attendez sa fin"
_ANSWERED = "la DGFiP y a déjà répondu : son acquit est là"


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a flow when somebody wants to move it: its state, its tries, its acquit, the work under way.

    `window`: how long a try without outcome may still be running. `at_work`: a worker has its job in hand. `confirmed`:
    whoever may télétransmettre let it go once (it has been at 1).
    """

    status: S
    attempts: Sequence[Attempt]
    acquitted: bool
    at_work: bool
    set_aside: bool
    confirmed: bool
    now: datetime
    window: timedelta

    @property
    def is_sending(self) -> bool:
        """Bytes may be on their way at this very moment."""
        begun = [one for one in self.attempts if one.outcome is None]
        return self.at_work or any(self.now < one.started_at + self.window for one in begun)

    @property
    def may_be_there(self) -> bool:
        """The DGFiP may have it: a try that did not surely fail, or an acquit."""
        return self.acquitted or any(one.outcome is not Outcome.FAILED for one in self.attempts)


def resend_obstacle(past: Past) -> str:
    """Why a flow may not be sent again; empty when it may."""
    if past.acquitted:
        return _ANSWERED
    if past.status not in SENT:
        return f"elle n'est pas transmise ({_state(past.status)})"
    return _RUNNING if past.is_sending else ""


def error_obstacle(past: Past) -> str:
    """Why a flow may not be given up; empty when it may. What the State has answered stays."""
    if not may_move(past.status, S.ERREUR):
        return f"elle est à l'état {_state(past.status)}"
    if past.status is not S.POSTE and past.is_sending:
        return _RUNNING
    return ""


def repost_obstacle(past: Past, force: bool) -> str:
    """Why a flow in error may not be posted again; empty when it may. `force`: the operator knows better."""
    if past.status is not S.ERREUR:
        return f"elle n'est pas en erreur ({_state(past.status)})"
    if past.is_sending:
        return _RUNNING
    if not past.confirmed and not force:
        return "la collectivité ne l'a jamais signée ni confirmée : elle partirait sans qu'un agent l'ait voulu"
    if past.may_be_there and not force:
        return f"elle est peut-être arrivée à la DGFiP, la poster de nouveau l'y enverrait deux fois. {DUPLICATES[:-1]}"
    return ""


def release_obstacle(past: Past) -> str:
    """Why a flow may not be let go; empty when it may: it waits, and its work was set aside or lost."""
    if past.status not in WAITING:
        return f"elle n'attend rien ({_state(past.status)})"
    if past.is_sending:
        return _RUNNING
    return "" if past.set_aside else "son traitement n'est pas mis de côté : il se poursuit de lui-même"


def received_obstacle(past: Past) -> str:
    """Why a flow may not be declared received by the DGFiP; empty when it may: a try of it is in doubt."""
    if past.status is not S.EN_ATTENTE_DE_TRANSMISSION:
        return f"elle n'attend pas d'être transmise ({_state(past.status)})"
    if past.is_sending:
        return _RUNNING
    if not any(one.is_uncertain for one in past.attempts):
        return "aucun de ses envois n'est incertain"
    return ""


def _state(status: S) -> str:
    return f"{int(status)}, « {STATUS_LABELS[status]} »"


# ---------------------------------------------------------------------------------------------- words


def _cut(text: str) -> str:
    return text[:WORKFLOW_MESSAGE_LENGTH]


def manual_error(text: str) -> str:
    """Status -1, S2LOW's words."""
    return _cut(f"Transaction passée manuellement en erreur - {text}".rstrip(" -"))


def posted_again(number: HeliosId) -> str:
    """Status 1, S2LOW's words."""
    return f"La transaction {number} est de nouveau à l'état posté."


def sent_again(number: HeliosId, reason: str) -> str:
    """Status 2: S2LOW, where a super-administrator moves the state alone, has no words for it."""
    return _cut(f"Transaction {number} remise dans la file d'attente, à l'identique : {reason}")


def declared_received(number: HeliosId, reason: str) -> str:
    """Status 3: an operator knows that an uncertain sending arrived."""
    return _cut(f"Transaction {number} transmise au serveur. (constaté par l'exploitant : {reason})")


def released(number: HeliosId, reason: str) -> str:
    """A note, the status being the same."""
    return _cut(f"Transaction {number} : traitement repris par l'exploitant : {reason}")
