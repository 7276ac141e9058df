"""What a PES_Retour says of the mandats and titres that were sent: rejected, waiting, taken, paid, cancelled.

The reader is fed by the streaming pass (`stream.Observer`), for files of any size: so many pièces are kept, those with
a problem apart, and all are counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tdt.domain.helios.asap import REJECTIONS, SENT
from tdt.domain.helios.numbers import number_of

MAX_PROBLEMS = 10_000
"""Pièces with a problem that are kept of one PES_Retour."""
MAX_OTHERS = 20_000
"""Other pièces that are kept."""
MAX_LIGNES = 50
"""Lignes with a problem that are kept of one pièce."""
MAX_TEXT = 1_000
MAX_CODE = 20


class Side(StrEnum):
    """Mandats or titres."""

    DEPENSE = "depense"
    RECETTE = "recette"


class Became(StrEnum):
    """What became of a pièce."""

    REJECTED = "rejected"
    PENDING = "pending"
    TAKEN = "taken"
    PAID = "paid"
    CANCELLED = "cancelled"
    ASAP_REJECTED = "asap_rejected"
    UNKNOWN = "unknown"


PIECES: Mapping[tuple[Side, str], tuple[Became, str]] = {
    (Side.DEPENSE, "01"): (Became.PENDING, "En instance"),
    (Side.DEPENSE, "02"): (Became.TAKEN, "Prise en charge"),
    (Side.DEPENSE, "04"): (Became.REJECTED, "Rejeté"),
    (Side.DEPENSE, "05"): (Became.PAID, "Soldé"),
    (Side.RECETTE, "01"): (Became.PENDING, "En instance"),
    (Side.RECETTE, "02"): (Became.TAKEN, "Prise en charge"),
    (Side.RECETTE, "03"): (Became.TAKEN, "Prise en charge partielle"),
    (Side.RECETTE, "04"): (Became.REJECTED, "Rejeté"),
    # 05 is not "Soldé" on this side
    (Side.RECETTE, "05"): (Became.CANCELLED, "Annulé"),
}
"""EtatPce: the same code does not mean the same on both sides."""

LIGNES: Mapping[tuple[Side, str], str] = {
    (Side.DEPENSE, "02"): "Rejeté",
    (Side.DEPENSE, "05"): "Pré visé rejet forçable",
    (Side.DEPENSE, "06"): "Pré visé rejet non forçable",
    (Side.DEPENSE, "09"): "Rejet",
    (Side.DEPENSE, "10"): "Rejet non forçable",
    (Side.DEPENSE, "16"): "Mis en instance",
    (Side.RECETTE, "01"): "Rejeté",
    (Side.RECETTE, "02"): "Annulé",
    (Side.RECETTE, "03"): "Mis en instance",
}
"""EtatLigPce of a problem; lignes in another state are not kept."""

PROBLEMS = frozenset({Became.REJECTED, Became.PENDING, Became.CANCELLED, Became.ASAP_REJECTED})


@dataclass(slots=True)
class NewsLigne:
    """A ligne with a problem."""

    number: str = ""
    state: str = ""
    observation: str = ""
    comment: str = ""


@dataclass(slots=True)
class NewsPiece:
    """A mandat or a titre; without `piece`, a whole bordereau (ORMC). Texts as received, empty when absent."""

    side: Side
    exercice: int | None = None
    bordereau: int | None = None
    type: str = ""
    piece: int | None = None
    number: str = ""
    """As received."""
    state: str = ""
    kind: Became = Became.UNKNOWN
    observation: str = ""
    comment: str = ""
    date: str = ""
    """Of the rejection, of the waiting or of the taking in charge, by its state."""
    payments: int = 0
    paid: Decimal = Decimal(0)
    lignes: list[NewsLigne] = field(default_factory=list)
    lignes_omitted: int = 0


@dataclass(frozen=True, slots=True)
class News:
    """What a PES_Retour says. `counts`: depense, recette, ormc, asap, clients, each by what became of it."""

    pieces: tuple[NewsPiece, ...]
    counts: Mapping[str, Mapping[str, int]]
    restitutions: tuple[str, ...]
    """TypRestit of its blocks: 01 rejets, 02 périodique, 03 stock."""
    omitted: int
    """Pièces that are counted, but not kept."""


_DOMAINS = frozenset({"PES_DepenseRetour", "PES_RecetteRetour", "PES_ClientRetour", "PES_AsapRetour"})
_DATES = {
    "DtePceRej": Became.REJECTED,
    "DateRejet": Became.ASAP_REJECTED,
    "DteRej": Became.REJECTED,
    "DtePceInst": Became.PENDING,
    "DteInst": Became.PENDING,
    "DtePcePec": Became.TAKEN,
    "DtePec": Became.TAKEN,
    "DtePay": Became.PAID,
}
_VALUES = frozenset(
    {"Exer", "IdBord", "TypBord", "IdPce", "EtatPce", "ObsEtat", "Commentaire", "IdLigne", "EtatLigPce", "MtPayTot"}
    | {"MtRecoTot", "TypRestit", *REJECTIONS, *_DATES}
)
_PARTS = frozenset({"Bordereau", "BordereauORMCGlobal", "Piece", "LigneDePiece", "Client", "Asap"})
_AMOUNT = re.compile(r"-?[0-9]{1,14}(?:\.[0-9]{1,2})?", re.ASCII)


class NewsReader:
    """Told where elements begin; what it keeps is bounded, whatever the file."""

    names = _DOMAINS | _VALUES | _PARTS | frozenset(SENT)

    def __init__(self) -> None:
        self._domain = ""
        self._side = Side.DEPENSE
        self._bordereau = NewsPiece(Side.DEPENSE)
        self._piece: NewsPiece | None = None
        self._ligne: NewsLigne | None = None
        self._dates: dict[Became, str] = {}
        self._ormc = False
        self._pieces: list[NewsPiece] = []
        self._kept = {True: 0, False: 0}
        self._counts: dict[str, dict[str, int]] = {}
        self._restitutions: dict[str, None] = {}
        self._omitted = 0

    def start(self, depth: int, name: str, value: str) -> None:
        """One element of the file begins."""
        if name in _VALUES:
            if self._domain != "PES_ClientRetour":
                self._set_value(name, value)
        elif depth == 2:
            self._end_piece()
            self._domain = name if name in _DOMAINS else ""
            self._side = Side.DEPENSE if name == "PES_DepenseRetour" else Side.RECETTE
        elif self._domain == "PES_ClientRetour":
            if name == "Client":
                self._add("clients", "told")
        elif self._domain:
            self._start_part(name)

    def close(self) -> News:
        """All that was told."""
        self._end_piece()
        return News(tuple(self._pieces), self._counts, tuple(self._restitutions), self._omitted)

    def _start_part(self, name: str) -> None:
        if name == "LigneDePiece":
            self._end_ligne()
            self._ligne = NewsLigne()
            return
        if name in SENT:
            self._add("asap", SENT[name])
            if self._piece is not None and name == "Rejet":
                self._piece.kind = Became.ASAP_REJECTED
            return
        self._end_piece()
        if name == "Bordereau":
            self._bordereau = NewsPiece(self._side)
            return
        known = self._bordereau
        self._ormc = name == "BordereauORMCGlobal"
        self._piece = NewsPiece(self._side)
        if name == "Piece":
            self._piece.exercice, self._piece.bordereau, self._piece.type = (
                known.exercice,
                known.bordereau,
                known.type,
            )

    def _set_value(self, name: str, value: str) -> None:
        piece = self._piece or self._bordereau
        owner = self._ligne or piece
        match name:
            case "Exer":
                piece.exercice = number_of(value)
            case "IdBord":
                piece.bordereau = number_of(value)
            case "TypBord":
                piece.type = value[:MAX_CODE]
            case "IdPce":
                piece.piece, piece.number = number_of(value), value[:MAX_CODE]
            case "EtatPce" | "EtatLigPce":
                owner.state = value.strip()[:MAX_CODE]
            case "ObsEtat":
                owner.observation = value[:MAX_TEXT]
            case _ if name in REJECTIONS:
                owner.observation = REJECTIONS[name].get(value, value[:MAX_TEXT])
            case "Commentaire":
                owner.comment = value[:MAX_TEXT]
            case "IdLigne" if self._ligne is not None:
                self._ligne.number = value[:MAX_CODE]
            case "MtPayTot" | "MtRecoTot" if _AMOUNT.fullmatch(value):
                piece.payments += 1
                piece.paid += Decimal(value)
            case "TypRestit" if len(self._restitutions) < len(_DOMAINS):
                self._restitutions[value[:MAX_CODE]] = None
            case _ if name in _DATES:
                self._dates[_DATES[name]] = value[:MAX_CODE]

    def _end_ligne(self) -> None:
        ligne, self._ligne = self._ligne, None
        if ligne is None or self._piece is None or (self._side, ligne.state) not in LIGNES:
            return
        if len(self._piece.lignes) < MAX_LIGNES:
            self._piece.lignes.append(ligne)
        else:
            self._piece.lignes_omitted += 1

    def _end_piece(self) -> None:
        self._end_ligne()
        piece, dates, ormc = self._piece, self._dates, self._ormc
        self._piece, self._dates, self._ormc = None, {}, False
        if piece is None:
            return
        asap = self._domain == "PES_AsapRetour"
        if ormc:
            # it has no state of its own: the date that stands says it
            piece.kind = next((kind for kind in _ORMC_ORDER if kind in dates), Became.UNKNOWN)
        elif not asap:
            piece.kind = PIECES.get((self._side, piece.state), (Became.UNKNOWN, ""))[0]
        piece.date = dates.get(piece.kind, "") or dates.get(Became.TAKEN, "")
        if not asap:
            self._add("ormc" if ormc else str(self._side), str(piece.kind))
        if not asap or piece.kind is Became.ASAP_REJECTED:
            self._keep(piece)

    def _keep(self, piece: NewsPiece) -> None:
        problem = piece.kind in PROBLEMS or bool(piece.lignes)
        if self._kept[problem] >= (MAX_PROBLEMS if problem else MAX_OTHERS):
            self._omitted += 1
            return
        self._kept[problem] += 1
        self._pieces.append(piece)

    def _add(self, what: str, state: str) -> None:
        counts = self._counts.setdefault(what, {})
        counts[state] = counts.get(state, 0) + 1


_ORMC_ORDER = (Became.REJECTED, Became.PENDING, Became.TAKEN)
