"""What a PES_Aller carries: its bordereaux and the numbers of their pièces, so that what comes back finds its flow.

Read in the pass of the checks (`stream.Observer`); whatever the flow, what is kept is bounded.
"""

from dataclasses import dataclass, field

from tdt.domain.helios.news import Side
from tdt.domain.helios.numbers import number_of

MAX_BORDEREAUX = 5_000
MAX_PIECES = 200_000
MAX_TYPE = 2

_SIDES = {"PES_DepenseAller": Side.DEPENSE, "PES_RecetteAller": Side.RECETTE}
_BORDEREAU_DEPTH = 3
_FIELD_DEPTH = 5
"""Of Exer, IdBord and TypBord, in Bordereau/BlocBordereau."""
_PIECE_DEPTHS = {Side.DEPENSE: 7, Side.RECETTE: 6}
"""Of IdPce: the dépense has InfoPce around it."""


@dataclass(slots=True)
class CarriedBordereau:
    """A bordereau of mandats or of titres, and the numbers of its pièces."""

    side: Side
    exercice: int | None = None
    number: int | None = None
    type: str = ""
    pieces: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Carried:
    """`omitted`: bordereaux and pièces over the bounds, which what comes back will not find."""

    bordereaux: tuple[CarriedBordereau, ...] = ()
    omitted: int = 0


NOTHING = Carried()


class CarriedReader:
    """Told where elements begin. Costs nothing to a flow of pièces jointes, which has few elements."""

    names = frozenset({"PES_PJ", "PES_Facture", "PES_Marche", *_SIDES}) | {
        "Bordereau",
        "Exer",
        "IdBord",
        "TypBord",
        "IdPce",
    }

    def __init__(self) -> None:
        self._side: Side | None = None
        self._current: CarriedBordereau | None = None
        self._bordereaux: list[CarriedBordereau] = []
        self._pieces = self._omitted = 0

    def start(self, depth: int, name: str, value: str) -> None:
        """One element of the flow begins."""
        side = self._side
        if name == "IdPce":
            if side is not None and depth == _PIECE_DEPTHS[side]:
                self._add_piece(value)
        elif depth == 2:
            self._side, self._current = _SIDES.get(name), None
        elif side is None:
            return
        elif name == "Bordereau" and depth == _BORDEREAU_DEPTH:
            self._start_bordereau(side)
        elif depth == _FIELD_DEPTH and self._current is not None:
            self._set_value(self._current, name, value)

    def close(self) -> Carried:
        """Those that have what identifies them."""
        known = (one for one in self._bordereaux if one.exercice is not None and one.number is not None)
        return Carried(tuple(known), self._omitted)

    def _start_bordereau(self, side: Side) -> None:
        if len(self._bordereaux) >= MAX_BORDEREAUX:
            self._omitted += 1
            self._current = None
            return
        self._current = CarriedBordereau(side)
        self._bordereaux.append(self._current)

    def _add_piece(self, value: str) -> None:
        number = number_of(value)
        if self._current is None or self._pieces >= MAX_PIECES:
            self._omitted += 1
        elif number is not None:
            self._pieces += 1
            self._current.pieces.append(number)

    def _set_value(self, bordereau: CarriedBordereau, name: str, value: str) -> None:
        match name:
            case "Exer":
                bordereau.exercice = number_of(value)
            case "IdBord":
                bordereau.number = number_of(value)
            case "TypBord":
                bordereau.type = value[:MAX_TYPE]
