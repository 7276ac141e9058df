"""Routes: the ways to the State, and the tries made on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tdt.domain.ids import AttemptId, AuthorityId, RouteId

NOT_OURS = "Rien n'est parti : l'envoi a été repris, abandonné, ou a eu sa réponse entre-temps."
"""Why a sender that was taken for dead, once it is connected, sends nothing."""


class RouteKind(StrEnum):
    """What a route carries."""

    ACTES = "actes"
    HELIOS = "helios"


class Transport(StrEnum):
    """How a route carries it."""

    HTTPS = "https"
    FTP_GATEWAY = "ftp_gateway"
    FTP_SIMULATOR = "ftp_simulator"
    PASSTRANS_FTPS = "passtrans_ftps"
    PASSTRANS_SFTP = "passtrans_sftp"

    @property
    def is_passtrans(self) -> bool:
        """S2LOW adds ` [Passtrans]` to the workflow texts of such flows."""
        return self in (Transport.PASSTRANS_FTPS, Transport.PASSTRANS_SFTP)


@dataclass(frozen=True, slots=True)
class Route:
    """A way to the State. `settings` is its address; `credentials` names a section of the configuration."""

    id: RouteId
    kind: RouteKind
    transport: Transport
    name: str
    settings: Mapping[str, object]
    credentials: str
    test: bool = False


class Outcome(StrEnum):
    """What became of an attempt. None in the row: never completed, so uncertain."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    SETTLED = "settled"
    """Uncertain once, proved since: an answer of the State came for it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to hand bytes to the State, as recorded."""

    id: AttemptId
    authority_id: AuthorityId
    started_at: datetime
    outcome: Outcome | None
    reached: bool = True
    """Whether a byte of it may have left."""

    @property
    def is_uncertain(self) -> bool:
        """The State may or may not have received the bytes."""
        return self.outcome in (None, Outcome.UNCERTAIN)

    @property
    def was_uncertain(self) -> bool:
        """It is, or was until an answer of the State settled it."""
        return self.is_uncertain or self.outcome is Outcome.SETTLED
