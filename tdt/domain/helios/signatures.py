"""The electronic signatures of a PES flow: what was seen of each, what makes one that must not leave, what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tdt.domain.signatures import Signer

REFUSAL = "La signature du fichier est invalide : "
"""S2LOW's, without the number of the transaction; the reason follows."""
NO_ID = "Impossible d'extraire l'attribut Id de l'entité \\<Signature\\>"
NOT_OF_THE_FILE = "Impossible d'affirmer que la signature correspond au fichier"
"""S2LOW's reasons, its backslashes included."""

DOMAINS = ("PES_DepenseAller", "PES_RecetteAller")
"""Those whose bordereaux are signed, and that say InfoDematerialisee."""
WEAK = ("sha1",)

Scope = Literal["bordereau", "global", "elsewhere"]


@dataclass(frozen=True, slots=True)
class PesSignaturesOrder:
    """The flow is the file; nothing more is asked."""


@dataclass(frozen=True, slots=True)
class PesSignature:
    """One ds:Signature, its arithmetic done.

    `intact`: what it covers is what was signed; `valid`: by the key of its certificate. `fault`: why it cannot even be
    verified, in French. `certificates`: places in that list of PesSignatures, the signer's first.
    """

    name: str
    scope: Scope
    target: str = ""
    domain: str = ""
    number: str = ""
    exercice: str = ""
    certificates: tuple[int, ...] = ()
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    fingerprint: str = ""
    method: str = ""
    digest: str = ""
    signing_time: datetime | None = None
    policy: str = ""
    roles: tuple[str, ...] = ()
    intact: bool = False
    valid: bool = False
    fault: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def weak(self) -> bool:
        """By an algorithm that no longer protects for long."""
        return self.digest in WEAK or self.method.removeprefix("rsa-") in WEAK

    @property
    def where(self) -> str:
        """In words: what it signs."""
        if self.scope == "global":
            return "signature globale"
        if self.scope == "bordereau":
            return f"bordereau {self.number or '?'} de {self.exercice or '?'}"
        return f"signature {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class SignedDomain:
    """A block of dépense or recette: what it says of itself, how many bordereaux it has and how many are signed."""

    name: str
    dematerialised: bool
    slips: int
    signed: int


@dataclass(frozen=True, slots=True)
class PesSignatures:
    """What one reading found. `fault`: the flow could not be read again, in French."""

    found: tuple[PesSignature, ...] = ()
    certificates: tuple[bytes, ...] = ()
    domains: tuple[SignedDomain, ...] = ()
    fault: str = ""


def find_reason(signature: PesSignature, signer: Signer) -> str:
    """Why the flow cannot leave with this signature; empty when it can."""
    if signature.fault == NO_ID:
        return NO_ID
    if signature.fault:
        return f"{signature.where}, {signature.fault}"
    if not signature.intact or not signature.valid:
        return NOT_OF_THE_FILE
    if signer.refusal:
        return f"{signature.where}, le certificat du signataire n'est pas accepté : {signer.refusal}"
    return ""


def find_code(signature: PesSignature, signer: Signer) -> str:
    """The code of docs/errors.md for that reason."""
    holds = signature.intact and signature.valid and not signature.fault
    return "PES_SIGNATAIRE" if holds and signer.refusal else "PES_SIGNATURE"


def judged_at(signature: PesSignature, now: datetime) -> datetime:
    """The instant at which its certificate must be good: the one that it tells, unless that has not come yet."""
    return now if signature.signing_time is None else min(signature.signing_time, now)


def unsigned_remarks(dematerialised: Sequence[str]) -> list[str]:
    """Of a flow without any signature: what the DGFiP would refuse, for these domains that say InfoDematerialisee 1."""
    return [
        f"{name} annonce InfoDematerialisee = 1 et rien n'y est signé : la DGFiP rejette un tel flux."
        for name in dematerialised
    ]


def remarks(signatures: PesSignatures) -> list[str]:
    """What the DGFiP would refuse; it is no refusal of ours, as with S2LOW."""
    whole = any(one.scope == "global" for one in signatures.found)
    told = []
    for domain in signatures.domains:
        if domain.dematerialised and not whole:
            if domain.signed == 0:
                told += unsigned_remarks([domain.name])
            elif domain.signed < domain.slips:
                missing = domain.slips - domain.signed
                told.append(
                    f"{domain.name} annonce InfoDematerialisee = 1 et {missing} de ses {domain.slips} bordereaux "
                    "ne sont pas signés : la DGFiP peut les rejeter."
                )
        if not domain.dematerialised and domain.signed:
            told.append(
                f"{domain.name} annonce InfoDematerialisee = 0 et contient des signatures : "
                "la DGFiP rejette un tel flux."
            )
        if not domain.dematerialised and whole and not domain.signed:
            told.append(
                f"{domain.name} annonce InfoDematerialisee = 0 dans un flux signé : la signature n'y vaut que comme "
                "signature technique, que la DGFiP peut refuser."
            )
    return told


def recorded(signature: PesSignature, signer: Signer, at: datetime) -> dict[str, object]:
    """As the report keeps it: enough to judge it again years later, with the bytes of the flow."""
    return {
        "name": signature.name,
        "scope": signature.scope,
        "target": signature.target,
        "domain": signature.domain,
        "number": signature.number,
        "exercice": signature.exercice,
        "subject": signature.subject,
        "issuer": signature.issuer,
        "serial": signature.serial,
        "fingerprint": signature.fingerprint,
        "signing_time": signature.signing_time.isoformat() if signature.signing_time else None,
        "judged_at": at.isoformat(),
        "method": signature.method,
        "digest": signature.digest,
        "weak": signature.weak,
        "policy": signature.policy,
        "roles": list(signature.roles),
        "intact": signature.intact,
        "valid": signature.valid,
        "chain": list(signer.chain),
        "chain_fault": signer.refusal,
        "revocation": signer.revocation,
        "revoked_at": signer.revoked_at.isoformat() if signer.revoked_at else None,
        "remarks": list(signature.remarks),
        "fault": find_reason(signature, signer),
    }


DECISIVE = ("intact", "valid", "chain_fault", "revoked_at", "fault")


def differences(before: Sequence[Mapping[str, object]], now: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """What a signature, judged again, no longer says as the report does; `decisive`: it changes what it is worth."""
    if len(before) != len(now):
        return [{"signature": "", "field": "count", "before": len(before), "now": len(now), "decisive": True}]
    return [
        {
            "signature": new.get("name"),
            "field": field,
            "before": old.get(field),
            "now": new.get(field),
            "decisive": field in DECISIVE,
        }
        for old, new in zip(before, now, strict=True)
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    ]
