"""Electronic signatures of documents: what was seen of one, and what makes it one that cannot be sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tdt.domain.actes.status import INVALID_ENVELOPE

SIGNATURE_FILE = "99_SE"
"""The typologie of a file that is a signature."""
MARKETS = (4, (1, 1))
"""Nature and matière of marchés publics: bidders of any country sign, with certificates of any authority."""
BROKEN_DIGESTS = frozenset({"md2", "md4", "md5"})

Coverage = Literal["file", "revision", "part"]
Changes = Literal["none", "allowed", "suspicious"]
Kind = Literal["signature", "timestamp"]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature, its arithmetic done: whose certificate, over what, and whether both still agree.

    `fault`: it could not be read, and the words of the library. `covers`: the whole file, a whole former state of it
    (then `changes` says what came after), or a part. `stamped_at`: proven by a time stamp over the signature itself.
    """

    name: str
    kind: Kind = "signature"
    certificate: bytes = b""
    others: tuple[bytes, ...] = ()
    digest: str = ""
    signed_at: datetime | None = None
    stamped_at: datetime | None = None
    intact: bool = False
    valid: bool = False
    covers: Coverage = "part"
    changes: Changes = "none"
    fault: str = ""
    unverified: str = ""
    """What a file of signature says of itself that cannot be verified here: told, and no refusal."""


@dataclass(frozen=True, slots=True)
class XmlSignaturesOrder:
    """The digests (hexadecimal) of the documents that the signatures of the file may be about."""

    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Those that were found. `fault`: they could not even be looked for."""

    found: tuple[Signature, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose certificate it is, and why it does not lead to the authorities accepted (empty when it does)."""

    subject: str = ""
    issuer: str = ""
    serial: str = ""
    chain: tuple[str, ...] = ()
    revocation: Mapping[str, object] | None = None
    refusal: str = ""


def must_be_known(nature: int | None, classif: tuple[int, ...], verified: bool) -> bool:
    """Must the certificates of signers lead to the authorities accepted? `verified`: the setting of the platform."""
    return verified and not (nature == MARKETS[0] and classif[:2] == MARKETS[1])


def find_fault(signature: Signature, signer: Signer, known: bool) -> str:
    """What is wrong with it, in French; empty when nothing is. A time stamp is not asked whose it is."""
    if signature.unverified:
        return ""
    if signature.fault:
        return f"elle ne peut pas être lue ({signature.fault})"
    if signature.digest in BROKEN_DIGESTS:
        return f"son empreinte ({signature.digest}) ne protège plus rien"
    if not signature.intact:
        return "le document n'est pas celui qui a été signé"
    if not signature.valid:
        return "elle n'a pas été faite avec la clé de son certificat"
    if signature.covers == "part":
        return "elle ne porte pas sur tout le document"
    if signature.changes == "suspicious":
        return "le document a été modifié après elle"
    if known and signature.kind == "signature" and signer.refusal:
        return f"le certificat du signataire n'est pas accepté : {signer.refusal}"
    return ""


def invalid_signature(file: str, name: str, fault: str) -> str:
    """The refusal of a file for one of its signatures."""
    which = f"La signature « {name} »" if name else "La signature"
    return (
        f"{INVALID_ENVELOPE}{which} du fichier {file} n'est pas valide : {fault}. Faites signer à nouveau le document."
    )


def recorded(signature: Signature, signer: Signer, fault: str) -> dict[str, object]:
    """As a report keeps it."""
    return {
        "name": signature.name,
        "kind": signature.kind,
        "subject": signer.subject,
        "issuer": signer.issuer,
        "serial": signer.serial,
        "signed_at": signature.signed_at.isoformat() if signature.signed_at else None,
        "stamped_at": signature.stamped_at.isoformat() if signature.stamped_at else None,
        "digest": signature.digest,
        "intact": signature.intact,
        "valid": signature.valid,
        "covers": signature.covers,
        "changes": signature.changes,
        "chain": list(signer.chain),
        "chain_fault": signer.refusal,
        "revocation": signer.revocation,
        "fault": fault,
        "unverified": signature.unverified,
    }
