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


RANKS = {Level.NONE: 0, Level.ONE: 1, Level.TWO: 2}


def judge(issuers: Sequence[Issuer], issuer_subject: str, issuer_sha256: str, policy_oids: Sequence[str]) -> Verdict:
    """The level that these policies have when this very authority issues them; the highest when several count.

    The authority is the one whose key signed: its name (RFC 4514) and the SHA-256 of its certificate.
    """
    issuer = find_issuer(issuers, issuer_subject, issuer_sha256)
    if issuer is None:
        namesake = any(known.subject == issuer_subject for known in issuers)
        return Verdict(Level.NONE, reason=_unlisted(issuer_subject, policy_oids, namesake))
    counting = [policy for policy in issuer.policies if policy.oid in policy_oids]
    if not counting:
        return Verdict(Level.NONE, reason=_without_policy(issuer_subject, policy_oids))
    best = max(counting, key=lambda policy: RANKS[policy.level])
    return Verdict(best.level, best.holder)


def strays(issuer_subject: str, policy_oids: Sequence[str], detail: str) -> str:
    """Why a certificate that leads to no authority accepted for télétransmission may not télétransmettre."""
    return (
        f"votre certificat, délivré par « {issuer_subject} », ne mène à aucune des autorités acceptées pour la "
        f"télétransmission ({detail}). {_policies(policy_oids)} {_REMEDY}, ou demandez à l'exploitant de la plateforme "
        "d'accepter cette autorité."
    )


def _unlisted(issuer_subject: str, policy_oids: Sequence[str], namesake: bool) -> str:
    known = (
        "porte le nom d'une autorité RGS déclarée sur cette plateforme, mais n'en a pas le certificat"
        if namesake
        else "n'est pas une autorité RGS déclarée sur cette plateforme"
    )
    return (
        f"votre certificat n'a aucun niveau RGS : « {issuer_subject} », qui l'a délivré, {known}. "
        f"{_policies(policy_oids)} {_REMEDY}, ou demandez à l'exploitant de la plateforme de déclarer cette autorité."
    )


def _without_policy(issuer_subject: str, policy_oids: Sequence[str]) -> str:
    return (
        f"votre certificat n'a aucun niveau RGS : « {issuer_subject} », qui l'a délivré, est déclarée sur cette "
        f"plateforme, mais pas pour cette sorte de certificats. {_policies(policy_oids)} {_REMEDY}, ou demandez à "
        "l'exploitant de la plateforme de déclarer cette politique."
    )


_REMEDY = "Utilisez un certificat RGS* (logiciel) ou RGS** (personne)"


def _policies(policy_oids: Sequence[str]) -> str:
    if not policy_oids:
        return "Il ne porte aucune politique de certification."
    return f"Ses politiques de certification : {', '.join(policy_oids)}."
