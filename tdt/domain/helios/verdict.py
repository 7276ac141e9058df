"""What an acquittement says, read in full: bordereau → pièce → ligne, pièces jointes, marchés, and the whole flow.

The reader is fed by the streaming pass (`stream.Observer`), for acquits of any size: the first thousands of elements
and anomalies are kept, the rest is counted. Version 1 is flat, version 2 has DetailPiece and DetailLigne: both give one
tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MAX_ROWS = 5_000
"""Anomalies, pièces, lignes and refused elements that are kept."""
MAX_ACCEPTED = 2_000
"""Accepted elements that are kept."""
MAX_KEYS = 50_000
"""Elements whose repetition is known; beyond, one that comes twice counts twice."""
MAX_LABEL = 1_000
MAX_NUMBER = 60

TECHNICAL = frozenset({"0", "1", "2", "99"})
"""DomaineAck that judge the whole flow: technique, signature technique, signature globale, paramétrage."""

DOMAINS: Mapping[str, str] = {
    "0": "Technique",
    "1": "Signature technique",
    "2": "Signature globale",
    "3": "Signature Bordereau",
    "4": "PJ",
    "5": "Dépense",
    "6": "Recette",
    "7": "Rôle",
    "8": "Budget",
    "9": "Etat Actif",
    "10": "Etat Passif",
    "11": "Marché",
    "12": "Facture",
    "99": "Paramétrage",
}


class State(StrEnum):
    """What is said of one element. UNSTATED: its EtatAck is absent or is no boolean."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSTATED = "unstated"


class Outcome(StrEnum):
    """What is said of the flow."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    PARTIAL = "partial"
    TECHNICAL = "technical"
    UNSTATED = "unstated"


OUTCOMES: Mapping[Outcome, str] = {
    Outcome.ACCEPTED: "Accepté",
    Outcome.REJECTED: "Rejeté",
    Outcome.PARTIAL: "Accepté en partie",
    Outcome.TECHNICAL: "Rejet technique de tout le flux",
    Outcome.UNSTATED: "Acquitté sans verdict",
}

_BOOLEANS = {"1": State.ACCEPTED, "true": State.ACCEPTED, "0": State.REJECTED, "false": State.REJECTED}


@dataclass(slots=True)
class Anomaly:
    """A NumAnoAck and its label, as received."""

    code: str = ""
    label: str = ""


@dataclass(slots=True)
class Ligne:
    number: str = ""
    anomalies: list[Anomaly] = field(default_factory=list)


@dataclass(slots=True)
class Piece:
    number: str = ""
    anomalies: list[Anomaly] = field(default_factory=list)
    lignes: list[Ligne] = field(default_factory=list)


@dataclass(slots=True)
class Element:
    """What is judged: a bordereau, a PJ, a marché, or the flow itself."""

    domain: str = ""
    state: State = State.UNSTATED
    kind: str = "flux"
    exercice: str = ""
    number: str = ""
    anomalies: list[Anomaly] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two ElementACQUIT of the same bordereau share."""
        return self.domain, self.kind, self.exercice, self.number


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an acquit says of a flow. `counts`: by kind of element, then by state."""

    outcome: Outcome
    elements: tuple[Element, ...]
    counts: Mapping[str, Mapping[str, int]]
    anomalies: int
    omitted: int
    """Elements, pièces, lignes and anomalies that are counted, but not kept."""


KINDS = {"NumBord": "bordereau", "IdUnique": "pj", "IdMarche": "marche"}
_VALUES = frozenset(
    {"DomaineAck", "EtatAck", "ExerciceBord", "NumPiece", "NumLigne", "NumAnoAck", "LibelleAnoAck", *KINDS}
)
_PARTS = frozenset({"DetailPiece", "DetailLigne", "Erreur"})


class VerdictReader:
    """Told where elements begin; what it keeps is bounded, whatever the acquit."""

    names = frozenset({"ElementACQUIT"}) | _VALUES | _PARTS

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, str, str], Element] = {}
        self._states: dict[tuple[str, str, str, str], State] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._rows = self._accepted = self._omitted = self._anomalies = 0
        self._content = dict.fromkeys(State, 0)
        self._technical = dict.fromkeys(State, 0)
        self._parts: dict[tuple[str, ...], Piece | Ligne] = {}
        self._open: _Open | None = None

    def start(self, depth: int, name: str, value: str) -> None:
        """One element of the acquit begins."""
        if name == "ElementACQUIT":
            self._end_element()
            self._open = _Open(depth, MAX_ROWS - self._rows)
        elif self._open is not None and depth > self._open.depth:
            level = depth - self._open.depth
            if name in _PARTS:
                self._open.start_part(name, level)
            else:
                self._open.set_value(name, level, value)

    def close(self, refused: bool = False) -> Verdict:
        """The verdict. `refused`: the root says so by itself (PES_NonAcquit)."""
        self._end_element()
        outcome = _decide(self._content, self._technical)
        if refused and outcome in (Outcome.UNSTATED, Outcome.ACCEPTED):
            outcome = Outcome.REJECTED
        return Verdict(outcome, tuple(self._kept.values()), self._counts, self._anomalies, self._omitted)

    def _end_element(self) -> None:
        done, self._open = self._open, None
        if done is None:
            return
        element = done.end()
        self._anomalies += done.anomalies
        self._omitted += done.omitted
        self._count(element)
        self._keep(element, done.rows)

    def _count(self, element: Element) -> None:
        """A bordereau named by several ElementACQUIT counts once, as rejected if one says so."""
        counts = self._counts.setdefault(element.kind, dict.fromkeys(State, 0))
        judged = self._technical if element.domain in TECHNICAL else self._content
        before = self._states.get(element.key)
        state = element.state if before is None else _worst(before, element.state)
        for one in (counts, judged):
            if before is not None:
                one[before] -= 1
            one[state] += 1
        if before is not None or len(self._states) < MAX_KEYS:
            self._states[element.key] = state

    def _keep(self, element: Element, rows: int) -> None:
        kept = self._kept.get(element.key)
        if kept is None:
            accepted = element.state is State.ACCEPTED and not rows
            if self._accepted >= MAX_ACCEPTED if accepted else self._rows >= MAX_ROWS:
                self._omitted += 1 + rows
                return
            self._accepted += accepted
            self._rows += not accepted
            kept = self._kept[element.key] = Element(
                element.domain, element.state, element.kind, element.exercice, element.number
            )
        self._rows += rows
        self._merge(kept, element)

    def _merge(self, kept: Element, more: Element) -> None:
        """The same bordereau may come several times: once for each faulty pièce, or each faulty ligne."""
        kept.state = _worst(kept.state, more.state)
        kept.anomalies += more.anomalies
        for piece in more.pieces:
            same = self._parts.setdefault((*kept.key, piece.number), piece)
            assert isinstance(same, Piece)
            if same is piece:
                kept.pieces.append(piece)
            else:
                same.anomalies += piece.anomalies
            self._merge_lignes(kept, same, piece)

    def _merge_lignes(self, kept: Element, same: Piece, piece: Piece) -> None:
        lignes, piece.lignes = piece.lignes, []
        for ligne in lignes:
            known = self._parts.setdefault((*kept.key, piece.number, ligne.number), ligne)
            if known is ligne:
                same.lignes.append(ligne)
            else:
                known.anomalies += ligne.anomalies


class _Open:
    """The ElementACQUIT being read."""

    def __init__(self, depth: int, budget: int) -> None:
        self.depth = depth
        self.rows = self.omitted = self.anomalies = 0
        self._budget = budget
        self._element = Element()
        self._flat_piece = self._flat_ligne = ""
        self._flat: Anomaly | None = None
        self._piece, self._ligne, self._anomaly = Piece(), Ligne(), Anomaly()

    def start_part(self, name: str, level: int) -> None:
        """A DetailPiece, a DetailLigne or an Erreur begins; what is over the budget goes into parts nobody keeps."""
        kept = self._take()
        if name == "DetailPiece":
            self._piece, self._ligne = Piece(), Ligne()
            if kept:
                self._element.pieces.append(self._piece)
        elif name == "DetailLigne":
            self._ligne = Ligne()
            if kept:
                self._piece.lignes.append(self._ligne)
        else:
            self._anomaly = Anomaly()
            self.anomalies += 1
            if kept:
                owner = self._element if level == 1 else self._piece if level == 2 else self._ligne
                owner.anomalies.append(self._anomaly)

    def set_value(self, name: str, level: int, value: str) -> None:
        """One value: of an Erreur, of a pièce, of a ligne, or of the element, where the labels of version 1 stand."""
        match name:
            case "NumAnoAck" | "LibelleAnoAck":
                self._set_anomaly(name, level, value)
            case "NumPiece" if level > 1:
                self._piece.number = value[:MAX_NUMBER]
            case "NumLigne" if level > 1:
                self._ligne.number = value[:MAX_NUMBER]
            case _ if level == 1:
                self._set_element(name, value.strip()[:MAX_NUMBER])

    def _set_anomaly(self, name: str, level: int, value: str) -> None:
        anomaly = self._anomaly
        if level == 1:
            anomaly = self._flat = self._flat or Anomaly()
        if name == "NumAnoAck":
            anomaly.code = value[:MAX_LABEL]
        else:
            anomaly.label = value[:MAX_LABEL]

    def _set_element(self, name: str, value: str) -> None:
        element = self._element
        match name:
            case "DomaineAck":
                element.domain = value
            case "EtatAck":
                element.state = _BOOLEANS.get(value.lower(), State.UNSTATED)
            case "ExerciceBord":
                element.exercice = value
            case "NumPiece":
                self._flat_piece = value
            case "NumLigne":
                self._flat_ligne = value
            case _ if value:
                element.kind, element.number = KINDS[name], value

    def end(self) -> Element:
        """The element as a tree; the values of version 1 go where version 2 would have put them."""
        flat, element = self._flat, self._element
        if flat is not None and (flat.code or flat.label):
            self.anomalies += 1
        else:
            flat = None
        owner: Element | Piece | Ligne = element
        if self._flat_piece and self._take():
            owner = piece = Piece(self._flat_piece)
            element.pieces.append(piece)
            if self._flat_ligne and self._take():
                owner = ligne = Ligne(self._flat_ligne)
                piece.lignes.append(ligne)
        if flat is not None and self._take():
            owner.anomalies.append(flat)
        if element.kind == "pj":
            # the schema of version 1 lets a PJ carry the numbers of a bordereau
            element.exercice = ""
        return element

    def _take(self) -> bool:
        """One more row, if the budget allows it."""
        if self.rows >= self._budget:
            self.omitted += 1
            return False
        self.rows += 1
        return True


def _decide(content: Mapping[State, int], technical: Mapping[State, int]) -> Outcome:
    """The verdict on the flow: what judges it whole counts before what judges its parts."""
    partly = content[State.ACCEPTED] > 0
    if technical[State.REJECTED]:
        return Outcome.PARTIAL if partly else Outcome.TECHNICAL
    if content[State.REJECTED]:
        return Outcome.PARTIAL if partly else Outcome.REJECTED
    told = content[State.ACCEPTED] + technical[State.ACCEPTED]
    return Outcome.ACCEPTED if told and not content[State.UNSTATED] + technical[State.UNSTATED] else Outcome.UNSTATED


def _worst(one: State, other: State) -> State:
    if State.REJECTED in (one, other):
        return State.REJECTED
    return State.ACCEPTED if State.ACCEPTED in (one, other) else State.UNSTATED
