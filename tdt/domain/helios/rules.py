"""What a PES flow must satisfy at upload, before the queue and before it leaves: S2LOW's order and words."""

import re
from dataclasses import dataclass

from tdt.domain.errors import Refused
from tdt.domain.helios.encoding import find_contradiction, is_announced
from tdt.domain.helios.model import PesHeader
from tdt.domain.helios.stream import PesUnreadable
from tdt.domain.ids import AuthorityId, HeliosId

MEBIBYTE = 1 << 20

MAX_NOMFIC = 255
MAX_COD_COL = 3
MAX_COD_BUD = 2
MAX_ID_POST = 7
MAX_ID_COLL = 14

ALTERED = "PES_ALTERE"
"""Code of what was refused because its stored bytes changed."""

# What goes into P_MSG becomes an FTP command or a remote name: nothing in it may end or split one.
_LABEL = re.compile(r"[0-9A-Za-z._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class AnalysisFacts:
    """What the analysis knows of a flow besides its header."""

    transaction_id: HeliosId
    head: bytes
    """The first bytes of the flow, fifty at least unless it is shorter."""
    sha1_unchanged: bool
    """The stored bytes still have the SHA-1 of the upload."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the first copy of something unique on the platform: for the operator, never for the client."""

    transaction_id: HeliosId
    authority_id: AuthorityId

    def told(self) -> dict[str, object]:
        """As the details of a refusal keep it."""
        return {"holder": self.transaction_id, "holder_authority": self.authority_id}


def check_upload(size: int, limit_bytes: int, first: Holder | None) -> None:
    """The checks that the upload's answer waits for; `first`: who posted these bytes before. Raises Refused."""
    if size > limit_bytes:
        raise too_large(limit_bytes)
    if size == 0:
        raise Refused("Le fichier présenté est vide (0 octet)", code="PES_VIDE")
    if first is not None:
        raise already_posted(first)


def too_large(limit_bytes: int) -> Refused:
    """Also for who counts while the bytes come in, and stops before the end."""
    limit = f"{limit_bytes / MEBIBYTE:g}"
    return Refused(f"Taille de fichier supérieure à la limite autorisée ({limit} Mo maximum).", code="PES_TAILLE")


def already_posted(first: Holder | None) -> Refused:
    """Also for who loses the race of two equal uploads at the unique index."""
    text = "doublon détecté. Ce fichier a déjà été posté."
    return Refused(text, code="PES_DOUBLON", details=first.told() if first is not None else None)


def already_named(transaction_id: HeliosId, holder: Holder | None = None) -> Refused:
    """The couple (NomFic, CodCol) is another's."""
    text = f"Transaction {transaction_id} : ce fichier existe déjà sur la plateforme"
    return Refused(text, code="PES_NOMFIC_CONNU", details=holder.told() if holder is not None else None)


def infected(transaction_id: HeliosId) -> Refused:
    """What was found is in the report, not in S2LOW's words."""
    return _refused(transaction_id, "un virus a été detecté dans le fichier PES", "PES_VIRUS")


def check_reading(header: PesHeader | PesUnreadable, facts: AnalysisFacts) -> PesHeader:
    """What the bytes of a flow must satisfy, before its signatures are looked at. Gives the header; raises Refused."""
    number = facts.transaction_id
    contradiction = find_contradiction(facts.head)
    if contradiction or not is_announced(facts.head):
        raise _refused(number, "ce fichier n'est pas encodé en ISO-8859-1", "PES_ENCODAGE", reason=contradiction)
    if isinstance(header, PesUnreadable):
        raise _refused(number, "ce fichier n'est pas en XML", "PES_ILLISIBLE", reason=header.reason)
    _check_content(header, number)
    if not facts.sha1_unchanged:
        # The only texts without the number, here and for signatures, as in S2LOW ("modifé" included).
        raise Refused("Le fichier a été modifé depuis son postage sur la plateforme", code=ALTERED)
    return header


def check_naming(header: PesHeader, holder: Holder | None, transaction_id: HeliosId) -> None:
    """What comes after the signatures: its couple, then what must be stored of it. Raises Refused.

    `holder`: who has this (NomFic, CodCol); nobody when it is this flow, or when the rule is waived.
    """
    if holder is not None:
        raise already_named(transaction_id, holder)
    _check_storable(header, transaction_id)
    if len(header.id_coll or "") > MAX_ID_COLL:
        raise _refused(transaction_id, "La balise IdCol est trop longue", "PES_IDCOLL")


def check_sendable(header: PesHeader, p_dest: str, transaction_id: HeliosId) -> None:
    """The checks before a file leaves: the analysis does not ask for what its label needs. Raises Refused."""
    if not header.has_header:
        raise _missing(transaction_id, "EnTetePES")
    labels = {
        "EnTetePES/CodCol ou EnTetePES/CodColl": header.cod_col,
        "EnTetePES/IdPost": header.id_post,
        "EnTetePES/CodBud": header.cod_bud,
    }
    for path, value in labels.items():
        if not value:
            raise _missing(transaction_id, path)
        if not _LABEL.fullmatch(value):
            raise _refused(transaction_id, f"La balise {path} contient un caractère interdit", "PES_ENTETE")
    if not p_dest:
        text = "les propriétés Helios FTP ne sont pas configurées correctement"
        raise _refused(transaction_id, text, "HELIOS_P_DEST")


def check_unaltered(sha1_unchanged: bool, transaction_id: HeliosId) -> None:
    """The digest once more, just before the file leaves. Raises Refused."""
    if not sha1_unchanged:
        text = "le fichier a été altéré depuis son postage ou sa signature sur la plateforme"
        raise _refused(transaction_id, text, ALTERED)


def _check_content(header: PesHeader, number: HeliosId) -> None:
    if not header.domains:
        # The DGFiP never answers to an empty flow.
        raise _refused(number, "ce fichier ne contient ni bordereau, ni PJ, ni marché", "PES_SANS_DOMAINE")
    if not header.nomfic:
        text = "La balise Enveloppe/Parametre/NomFic n'est pas présente ou est vide"
        raise _refused(number, text, "PES_SANS_NOMFIC")
    if len(header.cod_col or "") > MAX_COD_COL:
        raise _refused(number, "Le CodCol est trop long", "PES_CODCOL")


def _check_storable(header: PesHeader, number: HeliosId) -> None:
    too_long = (
        len(header.nomfic or "") > MAX_NOMFIC
        or len(header.cod_bud or "") > MAX_COD_BUD
        or len(header.id_post or "") > MAX_ID_POST
    )
    if too_long:
        text = "problème d'enregistrement du PES Aller en base de données."
        raise _refused(number, text, "PES_METADONNEES")


def _missing(number: HeliosId, path: str) -> Refused:
    return _refused(number, f"La balise {path} n'est pas présente ou est vide", "PES_ENTETE")


def _refused(number: HeliosId, text: str, code: str, reason: str = "") -> Refused:
    return Refused(f"Transaction {number} : {text}", code=code, details={"reason": reason} if reason else None)
