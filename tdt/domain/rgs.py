"""RGS: the level of a client certificate, from its policies and from the authority that issued it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Levels of the référentiel général de sécurité that tdt tells apart."""

    NONE = ""
    ONE = "*"
    TWO = "**"


class Holder(StrEnum):
    """Who holds the key: a software (RGS server-client) or a person."""

    SERVER = "server"
    PERSON = "person"


class RevocationPolicy(StrEnum):
    """What becomes of a certificate whose revocation cannot be looked up today."""

    HARD = "hard"
    """It is refused."""
    SOFT = "soft"
    """It is served; the decision recorded says that nothing was known."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A certificate policy of an authority: its OID in dotted form, the level it stands for, who holds the key."""

    oid: str
    level: Level
    holder: Holder


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authority that issues RGS certificates.

    `subject` is its distinguished name (RFC 4514), `sha256` the digest of its certificate in lower-case hexadecimal:
    empty for any certificate of this name. `revocation` is None where the server's own setting decides.
    """

    subject: str
    sha256: str = ""
    policies: tuple[Policy, ...] = ()
    revocation: RevocationPolicy | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The level of a certificate; `reason` says in French why it has none."""

    level: Level
    holder: Holder | None = None
    reason: str = ""


def find_issuer(issuers: Sequence[Issuer], subject: str, sha256: str) -> Issuer | None:
    """The entry of this authority: the one of its very certificate, else the one of its name alone."""
    named = [issuer for issuer in issuers if issuer.subject == subject]
    exact = next((issuer for issuer in named if issuer.sha256 == sha256), None)
    return exact or next((issuer for issuer in named if not issuer.sha256), None)
