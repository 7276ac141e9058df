"""The data of ACTES: what a collectivité submits, what is sent, what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum


class ActeStatus(IntEnum):
    """S2LOW's numbers, on which every client depends (table actes_status)."""

    ERREUR = -1
    ANNULE = 0
    POSTE = 1
    EN_ATTENTE_DE_TRANSMISSION = 2
    TRANSMIS = 3
    ACQUITTEMENT_RECU = 4
    VALIDE = 5
    REFUSE = 6
    DOCUMENT_RECU = 7
    ACQUITTEMENT_ENVOYE = 8
    DOCUMENT_ENVOYE = 9
    REFUS_D_ENVOI = 10
    ACQUITTEMENT_DE_DOCUMENT_RECU = 11
    ENVOYE_AU_SAE = 12
    ARCHIVE_PAR_LE_SAE = 13
    ERREUR_ARCHIVAGE = 14
    RECU_PAR_LE_SAE = 15
    DETRUITE = 16
    EN_ATTENTE_D_ETRE_POSTEE = 17
    EN_ATTENTE_D_ETRE_SIGNEE = 18
    EN_ATTENTE_SAE = 19
    ERREUR_ENVOI_SAE = 20
    DOCUMENT_RECU_SANS_AR = 21
    SAE_IMPOSSIBLE = 22


class MessageCode(IntEnum):
    """Transaction types: the T of a message code T-M."""

    ACTE = 1
    COURRIER_SIMPLE = 2
    PIECES_COMPLEMENTAIRES = 3
    LETTRE_OBSERVATIONS = 4
    DEFERE_TA = 5
    ANNULATION = 6
    CLASSIFICATION = 7


@dataclass(frozen=True, slots=True)
class Emitter:
    """The collectivité as the préfecture knows it, with the referent and the return addresses of an envelope."""

    siren: str
    department: str
    district: str
    nature: int
    referent_name: str = ""
    referent_telephone: str = ""
    referent_email: str = ""
    return_addresses: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """One document of a message: its name in the archive and the detached signature written beside it, if any."""

    name: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ActeData:
    """What the message 1-1 says. `classif` holds two to five levels; `annexes` are in the order sent."""

    number: str
    decision_date: date
    nature_code: int
    classif: tuple[int, ...]
    classification_date: date
    subject: str
    document: Piece
    annexes: tuple[Piece, ...] = ()
    document_papier: bool = False


@dataclass(frozen=True, slots=True)
class PostedFile:
    """A file as the client posted it, without its bytes. `head` is its first kilobytes, for the content type."""

    posted_filename: str
    size: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """The form of `actes_transac_create.php`, decoded but not yet judged: every value as text, empty when absent."""

    nature_code: str
    number: str
    decision_date: str
    subject: str
    classif: tuple[str, ...]
    type_acte: str
    acte: PostedFile | None
    attachments: tuple[PostedFile, ...] = ()
    type_pj: tuple[str, ...] = ()
    acte_signature: str = ""
    attachment_signatures: tuple[str, ...] = ()
    document_papier: bool = False
    en_attente: bool = False
    must_signed: bool = False
    broadcast_emails: tuple[str, ...] = ()
    send_sources: bool = False
    batchfile: str = ""
    """Number of a file of a lot, prepared in the browser pages of S2LOW."""


@dataclass(frozen=True, slots=True)
class TypePiece:
    """One entry of the typologie of a nature: `99_DE`, `Délibération`."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class Nature:
    """One nature of acts in a classification: code 1, `DE`, `Délibérations`, and its types of pieces."""

    code: int
    short: str
    label: str
    pieces: tuple[TypePiece, ...] = ()


@dataclass(frozen=True, slots=True)
class Matiere:
    """One node of the tree of matières: its code at its level, its label, its children."""

    code: int
    label: str
    children: tuple["Matiere", ...] = ()


@dataclass(frozen=True, slots=True)
class Classification:
    """A RetourClassification, read."""

    date: date
    natures: tuple[Nature, ...] = field(default=())
    matieres: tuple[Matiere, ...] = field(default=())

    def nature(self, code: int) -> Nature | None:
        """The nature of this code, or None."""
        return next((nature for nature in self.natures if nature.code == code), None)
