"""Electronic signatures of the documents of an act: what makes one that cannot be sent."""

from dataclasses import dataclass

from tdt.domain.actes.status import INVALID_ENVELOPE
from tdt.domain.signatures import Signature, Signer

SIGNATURE_FILE = "99_SE"
"""The typologie of a file that is a signature."""
MARKETS = (4, (1, 1))
"""Nature and matière of marchés publics: bidders of any country sign, with certificates of any authority."""
BROKEN_DIGESTS = frozenset({"md2", "md4", "md5"})


@dataclass(frozen=True, slots=True)
class XmlSignaturesOrder:
    """The digests (hexadecimal) of the documents that the signatures of the file may be about."""

    digests: tuple[str, ...]


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
