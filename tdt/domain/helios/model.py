"""The data of HELIOS: what is read in a PES flow and in what the DGFiP answers."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from tdt.domain.errors import Permanent
from tdt.domain.helios.news import News
from tdt.domain.helios.verdict import Verdict


class HeliosStatus(IntEnum):
    """S2LOW's numbers, on which every client depends (table helios_status)."""

    ERREUR = -1
    ANNULE = 0
    POSTE = 1
    EN_ATTENTE_DE_TRANSMISSION = 2
    TRANSMIS = 3
    ACQUITTEMENT_RECU = 4
    VALIDE = 5
    REFUSE = 6
    EN_TRAITEMENT = 7
    INFORMATION_DISPONIBLE = 8
    ENVOYE_AU_SAE = 9
    ACCEPTE_PAR_LE_SAE = 10
    REFUSE_PAR_LE_SAE = 11
    EN_ATTENTE_D_ETRE_SIGNE = 13
    EN_ATTENTE_D_ETRE_TELETRANSMIS = 14
    EN_ATTENTE_SAE = 19
    ERREUR_ENVOI_SAE = 20
    A_DETRUIRE = 21
    DETRUITE = 22
    DOCUMENTS_INDISPONIBLES = 23
    TRANSMIS_SANS_ACQUITTEMENT = 24


@dataclass(frozen=True, slots=True)
class PesHeader:
    """What is read of a PES flow by one streaming pass: None where the element or its value is absent."""

    root: str
    namespace: str
    typ_fic: str | None
    nomfic: str | None
    cod_col: str | None
    cod_bud: str | None
    id_post: str | None
    id_coll: str | None
    domains: tuple[str, ...]
    """Local names of the children of the root besides Enveloppe, EnTetePES and Signature."""
    signed: bool
    """A ds:Signature stands somewhere in the document."""
    has_header: bool = True
    """EnTetePES stands and is not empty."""
    dematerialised: tuple[str, ...] = ()
    """The blocks of dépense and recette that say InfoDematerialisee = 1: the DGFiP wants them signed."""


class ReturnKind(StrEnum):
    """What a file of the DGFiP is, by its root element or, for OCRE, its name."""

    ACQUIT = "PES_ACQUIT"
    NON_ACQUIT = "PES_NonAcquit"
    RETOUR = "PES_Retour"
    OCRE = "OCRE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class DgfipReturn:
    """A file of the DGFiP, read as far as routing needs. `has_acquit`: it has an ACQUIT block (status 8, else 4)."""

    kind: ReturnKind
    nomfic: str | None = None
    cod_col: str | None = None
    cod_bud: str | None = None
    id_post: str | None = None
    id_coll: str | None = None
    has_acquit: bool = False
    typ_fic: str | None = None
    content: Verdict | News | None = field(default=None, compare=False)
    """What it says of the flow that it answers, or of what was sent before."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The three values that route a file inside the DGFiP; opaque here, but printable ASCII."""

    p_dest: str
    p_appli: str
    p_msg: str

    def __post_init__(self) -> None:
        for value in (self.p_dest, self.p_appli, self.p_msg):
            if not value or not value.isascii() or not value.isprintable():
                raise Permanent("Métadonnée d'envoi à la DGFiP vide ou illisible", details={"value": value})
