"""Read a flow tag by tag: the path, the place in the words of accountants, and the values that controls look at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tdt.domain.helios.findings import Where
from tdt.domain.xml import XmlError, feed_names, name_parser

BLOCKS = {
    "PES_DepenseAller": "dépense",
    "PES_RecetteAller": "recette",
    "PES_Facture": "facture",
    "PES_Marche": "marché",
    "PES_PJ": "",
}
EXPENSE, REVENUE = "dépense", "recette"
DEEPEST = 100
"""The official schemas nest some twenty levels."""

GROUPS = frozenset({
    "EnTeteDepense", "EnTeteRecette", "EnTeteMarche", "EnTetePES_PJ", "PES_DepenseAller", "PES_RecetteAller",
    "Bordereau", "BlocBordereau", "BlocPiece", "InfoPce", "LigneDePiece", "InfoLignePce", "InfoLignePiece",
    "InfoPrelevementSEPA", "RattachPiece", "InfoTiers", "Adresse", "CpteBancaire", "CptBancaire", "PJRef",
    "PJ", "RefCompta", "Emetteur", "FactureIndiv", "RefTitre",
})  # fmt: skip
"""Elements whose values are judged together, when they end."""


@dataclass(slots=True)
class Group:
    """An element and the values of its children: `V`, or nothing for one that has none."""

    name: str
    path: str
    depth: int
    line: int
    where: Where
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A value; empty when it is absent."""
        return self.values.get(name, "")

    def line_of(self, name: str) -> int:
        """Of a child, or of the group when it is absent."""
        return self.lines.get(name, self.line)


class Observer(Protocol):
    """Who follows the reading."""

    def begin(self, group: Group, scan: "Scan") -> None:
        """A group begins: nothing is known of it yet."""

    def end(self, group: Group, scan: "Scan") -> None:
        """A group is complete."""

    def mark(self, name: str, value: str, scan: "Scan") -> None:
        """A signature, an identifier, a file."""


class Scan:
    """Fed with a flow in order, in pieces cut anywhere. Raises XmlError when it is not well-formed, or has a DTD."""

    def __init__(
        self, observer: Observer, line_of: Callable[[int], int] = lambda line: line, prompt: bool = False
    ) -> None:
        """`prompt`: each tag is read as soon as it is complete, which costs more on tags without end."""
        self.path: list[str] = []
        self.where = Where()
        self.block = ""
        self.tag_where = self.where
        """Where the last tag stands, opening or closing."""
        self.root = ""
        """Name of the root with its namespace: `{…}PES_Aller`."""
        self._observer = observer
        self._line_of = line_of
        self._line = 1
        self._closed = ""
        self._places: list[Where] = []
        self._groups: list[Group] = []
        self._bordereaux = self._attachments = 0
        self._in_file = False
        self._parser = name_parser()
        if prompt and hasattr(self._parser, "SetReparseDeferralEnabled"):
            self._parser.SetReparseDeferralEnabled(False)
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        feed_names(self._parser, data)

    def close(self) -> None:
        """The end."""
        feed_names(self._parser, b"", final=True)

    @property
    def line(self) -> int:
        """Of the last tag, in the file."""
        return self._line_of(self._line)

    @property
    def failure_line(self) -> int:
        """Where the reading stopped."""
        return self._line_of(self._parser.ErrorLineNumber)

    def last(self) -> str:
        """Path of the last tag."""
        return "/".join([*self.path, self._closed] if self._closed else self.path)

    def _start(self, name: str, attributes: Sequence[str]) -> None:
        local = name.rpartition(":")[2]
        path = self.path
        path.append(local)
        self._closed = ""
        self._line = self._parser.CurrentLineNumber
        depth = len(path)
        if depth > DEEPEST:
            raise XmlError("too many nested elements")
        value = _value(attributes, "V")
        if depth == 1:
            self.root = _qualified(name, attributes)
        elif depth == 2:
            self.block = BLOCKS.get(local, "")
            self.where = Where(block=self.block)
        self._place(local, depth, value)
        self.tag_where = self.where
        groups = self._groups
        if groups and groups[-1].depth == depth - 1:
            groups[-1].values[local] = value
            groups[-1].lines[local] = self.line
        if local in GROUPS and depth > 1 and path[1] in BLOCKS:
            group = Group(local, "/".join(path), depth, self.line, self.where)
            groups.append(group)
            self._observer.begin(group, self)
        self._mark(local, depth, value, attributes)

    def _mark(self, local: str, depth: int, value: str, attributes: Sequence[str]) -> None:
        if local == "Fichier" and depth == 5 and self.path[1] == "PES_PJ":
            self._in_file = True
        elif local == "Signature" and depth in (2, 4):
            self._observer.mark("Signature", value, self)
        elif local in ("BIC", "IBAN", "CodCol", "IdVer", "TypeFact"):
            self._observer.mark(local, value, self)
        if attributes and (identifier := _value(attributes, "Id")):
            self._observer.mark("Id", identifier, self)

    def _end(self, _name: str) -> None:
        local = self.path[-1]
        self._line = self._parser.CurrentLineNumber
        groups = self._groups
        if groups and groups[-1].depth == len(self.path):
            self._observer.end(groups.pop(), self)
        self.path.pop()
        self._closed = local
        self._in_file = False
        self.tag_where = self.where
        if local in ("Piece", "LigneDePiece") and self._places:
            self.where = self._places.pop()
        elif local in ("Bordereau", "PJ"):
            self.where = Where(block=self.block)

    def _text(self, data: str) -> None:
        if self._in_file and not data.isspace():
            self._in_file = False
            self._observer.mark("Fichier", "", self)

    def _place(self, local: str, depth: int, value: str) -> None:
        """Keep `where` true: a new place for each bordereau, pièce, ligne and PJ, completed as their numbers come."""
        if local == "Bordereau" and depth == 3:
            self._bordereaux += 1
            self._places.clear()
            self.where = Where(block=self.block, rank=self._bordereaux)
        elif local in ("Piece", "LigneDePiece"):
            self._places.append(self.where)
            self.where = self.where.copy()
        elif local == "PJ" and depth == 3:
            self._attachments += 1
            self.where = Where(pj_rank=self._attachments)
        elif local in NUMBERS and depth > 1 and self.path[-2] in NUMBERS[local][1]:
            setattr(self.where, NUMBERS[local][0], value)


NUMBERS = {
    "IdBord": ("bordereau", ("BlocBordereau",)),
    "Exer": ("exercice", ("BlocBordereau",)),
    "IdPce": ("piece", ("BlocPiece", "InfoPce")),
    "IdLigne": ("ligne", ("InfoLignePce", "InfoLignePiece")),
    "IdUnique": ("pj", ("PJ",)),
}
"""What names a place: the field of Where, and the elements in which it does."""


def _value(attributes: Sequence[str], name: str) -> str:
    for number in range(0, len(attributes), 2):
        if attributes[number] == name:
            return attributes[number + 1]
    return ""


def _qualified(name: str, attributes: Sequence[str]) -> str:
    prefix, _, local = name.rpartition(":")
    namespace = _value(attributes, f"xmlns:{prefix}" if prefix else "xmlns")
    return f"{{{namespace}}}{local}"
