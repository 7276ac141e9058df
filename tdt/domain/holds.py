"""What an operator holds and releases: one flow, a collectivité, a module of all of them. Designation, rules, words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tdt.domain.actes.model import ActeStatus as A
from tdt.domain.authorities import Module
from tdt.domain.errors import Refused
from tdt.domain.helios.model import HeliosStatus as H
from tdt.domain.ids import AuthorityId
from tdt.domain.routes import Attempt
from tdt.domain.text import WORKFLOW_MESSAGE_LENGTH

UNREADABLE = "« {} » ne désigne rien : actes:12, helios:3, authority:5 (une collectivité), actes ou helios (toutes)."
LEFT = "Impossible de retenir {} : il est déjà parti, ou fini (état {}, « {} »)."
LEAVING = "Impossible de retenir {} : un envoi est en cours. Attendez sa fin : s'il échoue, il se retient."
ALREADY = "{} est déjà retenu : {}"
NOT_HELD = "{} n'est pas retenu."
NO_REASON = "La raison est obligatoire : elle est montrée à la collectivité et reste dans la trace."
UNKNOWN = "{} n'existe pas."

MAY_BE_HELD_ACTES = frozenset(
    {A.EN_ATTENTE_D_ETRE_POSTEE, A.EN_ATTENTE_D_ETRE_SIGNEE, A.POSTE, A.EN_ATTENTE_DE_TRANSMISSION, A.DOCUMENT_RECU}
)
MAY_BE_HELD_HELIOS = frozenset(
    {H.EN_ATTENTE_D_ETRE_SIGNE, H.EN_ATTENTE_D_ETRE_TELETRANSMIS, H.POSTE, H.EN_ATTENTE_DE_TRANSMISSION}
)

_TARGET = re.compile(r"(?:(?P<module>actes|helios)(?::(?P<flow>[0-9]{1,18}))?|authority:(?P<authority>[0-9]{1,18}))")


@dataclass(frozen=True, slots=True)
class Target:
    """What is held: a flow of a module, a collectivité, or a module of all collectivités."""

    module: Module | None
    flow: int | None = None
    authority: AuthorityId | None = None

    def __str__(self) -> str:
        if self.authority is not None:
            return f"authority:{self.authority}"
        return f"{self.module}:{self.flow}" if self.flow is not None else str(self.module)


def read_target(text: str) -> Target:
    """What the operator designates. Raises Refused."""
    match = _TARGET.fullmatch(text.strip())
    if match is None:
        raise Refused(UNREADABLE.format(text))
    if match["authority"]:
        return Target(None, authority=AuthorityId(int(match["authority"])))
    return Target(Module(match["module"]), int(match["flow"]) if match["flow"] else None)


def is_sending(attempts: Sequence[Attempt], now: datetime, window: timedelta) -> bool:
    """Whether bytes may be on their way at this very moment."""
    return any(one.outcome is None and now < one.started_at + window for one in attempts)


def released(reason: str) -> str:
    """A note in the workflow: what was held is not any more."""
    return f"L'envoi n'est plus retenu par l'exploitant : {reason}"[:WORKFLOW_MESSAGE_LENGTH]
