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


def _named(names: str, *kinds: type) -> dict[str, tuple[type, ...]]:
    return dict.fromkeys(names.split(), kinds)


_DGFIP = {
    **_named("host send_directory receive_directory p_appli", str),
    **_named("port senders", int),
    **_named("rename check_size zip", bool),
}
_FTP = {**_DGFIP, **_named("use_pasv_address", bool)}
SETTINGS: Mapping[Transport, Mapping[str, tuple[type, ...]]] = {
    Transport.HTTPS: {
        **_named("url rescue_url server ciphers authentication imap_host imap_folder imap_done_folder", str),
        **_named("imap_port", int),
        **_named("connect_seconds answer_seconds", int, float),
        **_named("imap_tls", bool),
        **_named("accepted_status imap_folders", list),
        **_named("server_certificates", str, list),
    },
    Transport.FTP_GATEWAY: _FTP,
    Transport.FTP_SIMULATOR: _FTP,
    Transport.PASSTRANS_FTPS: _FTP,
    Transport.PASSTRANS_SFTP: _DGFIP,
}
"""What may be set on a route, by its transport, and of which types (docs/architecture.md, Routes to the State)."""

UNKNOWN_SETTING = "Une route {} n'a pas de réglage « {} » ; elle a : {}."
WRONG_SETTING = "Le réglage « {} » doit être {}."
_TYPES = {bool: "true ou false", int: "un nombre entier", float: "un nombre", str: "un texte", list: "une liste"}


def find_setting_fault(transport: Transport, settings: Mapping[str, object]) -> str:
    """What is wrong with the first setting that is: a name that nothing reads, another type; empty when all are right.

    None takes a setting away.
    """
    known = SETTINGS[transport]
    for name, value in settings.items():
        if name not in known:
            return UNKNOWN_SETTING.format(transport, name, ", ".join(sorted(known)))
        if value is not None and type(value) not in known[name]:
            return WRONG_SETTING.format(name, " ou ".join(_TYPES[one] for one in known[name]))
    return ""


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
