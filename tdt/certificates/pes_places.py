"""Where the signatures of a PES stand: the first reading of the flow, in flat memory whatever its size."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tdt.certificates.xmldsig import DS, SignatureError
from tdt.domain.canonical import escape_value
from tdt.domain.canonical_parts import find_around
from tdt.domain.helios.signatures import DOMAINS, SignedDomain
from tdt.domain.xml import XmlError, feed_names, name_parser

CHUNK = 1 << 18
MOST_SIGNATURES = 2_000
MOST_TOGETHER = 16
"""Signatures that cover one element: each is one more computation over all of it."""
LARGEST = 1 << 20
"""Bytes of one signature."""
IDS = frozenset({"Id", "ID", "id", "xml:id"})
_WATCHED = frozenset({"Bordereau", "IdBord", "Exer", "InfoDematerialisee"})
_SLIP_DEPTH = 2
"""Elements open around a Bordereau: the root and its domain."""


@dataclass(slots=True)
class Slip:
    """A bordereau, as it numbers itself."""

    domain: str
    number: str = ""
    exercice: str = ""
    signed: bool = False


@dataclass(slots=True)
class Place:
    """A ds:Signature: its order among the elements, its first and last byte, what it stands in.

    `path`: the names of what is around it, the root first; `holder_id`: the Id of its parent.
    """

    element: int
    start: int
    path: tuple[str, ...]
    around: tuple[str, ...]
    holder: int
    holder_id: str
    slip: Slip | None
    end: int = 0
    nested: bool = False
    empty: bool = True


@dataclass(frozen=True, slots=True)
class Places:
    """What the first reading found."""

    signatures: list[Place]
    ids: Counter[str]
    encoding: str
    domains: tuple[SignedDomain, ...]


def find_places(file: int) -> Places:
    """Read the flow once. Raises XmlError, also when there are too many."""
    finder = _Finder(file)
    parser = finder.parser
    for chunk in chunks_of(file):
        feed_names(parser, chunk)
    feed_names(parser, b"", final=True)
    return Places(finder.found, finder.ids, finder.encoding, finder.domains())


def chunks_of(file: int) -> Iterator[bytes]:
    """The bytes of an open file, from its beginning."""
    offset = 0
    while chunk := os.pread(file, CHUNK, offset):
        yield chunk
        offset += len(chunk)


class _Finder:
    """What the parser calls."""

    def __init__(self, file: int):
        self.found: list[Place] = []
        self.ids: Counter[str] = Counter()
        self.encoding = "utf-8"
        self.parser = name_parser()
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.XmlDeclHandler = self._declaration
        self._file = file
        self._count = 0
        self._names: list[str] = []
        self._opened: list[Sequence[str]] = []
        self._orders: list[int] = []
        self._held: Counter[int] = Counter()
        self._inside: Place | None = None
        self._slip: Slip | None = None
        self._slips: list[Slip] = []
        self._dematerialised: dict[str, bool] = {}

    def domains(self) -> tuple[SignedDomain, ...]:
        """Those of dépense and recette that the flow has."""
        return tuple(
            SignedDomain(
                name,
                told,
                sum(one.domain == name for one in self._slips),
                sum(one.domain == name and one.signed for one in self._slips),
            )
            for name, told in self._dematerialised.items()
        )

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self.encoding = encoding or self.encoding

    def _start(self, name: str, attributes: Sequence[str]) -> None:
        if attributes and (len(attributes) > 2 or attributes[0] != "V"):
            for key, value in zip(attributes[::2], attributes[1::2], strict=True):
                if key in IDS:
                    self.ids[value] += 1
        if name in _WATCHED or len(self._names) == 1:
            self._note(name, attributes)
        if self._inside is not None:
            self._inside.empty = False
        if name.rpartition(":")[2] == "Signature" and self._is_signature(name, attributes):
            self._begin()
        self._names.append(name)
        self._opened.append(attributes)
        self._orders.append(self._count)
        self._count += 1

    def _end(self, name: str) -> None:
        self._names.pop()
        self._opened.pop()
        order = self._orders.pop()
        if self._inside is not None and self._inside.element == order:
            self._inside.end = self._end_of_tag(name)
            self._inside = None
        if self._slip is not None and len(self._names) == _SLIP_DEPTH:
            self._slip = None

    def _note(self, name: str, attributes: Sequence[str]) -> None:
        depth = len(self._names)
        value = next((text for key, text in zip(attributes[::2], attributes[1::2], strict=True) if key == "V"), "")
        if depth == 1 and name in DOMAINS:
            self._dematerialised.setdefault(name, False)
        elif name == "InfoDematerialisee" and depth == 3 and self._names[1] in DOMAINS:
            self._dematerialised[self._names[1]] = value.strip() == "1"
        elif name == "Bordereau" and depth == _SLIP_DEPTH and self._names[1] in DOMAINS:
            self._slip = Slip(self._names[1])
            self._slips.append(self._slip)
        elif self._slip is not None and depth == 4 and self._names[3] == "BlocBordereau":
            if name == "IdBord":
                self._slip.number = value[:20]
            elif name == "Exer":
                self._slip.exercice = value[:20]

    def _is_signature(self, name: str, attributes: Sequence[str]) -> bool:
        prefix = name.rpartition(":")[0]
        return "{" + find_around([*self._opened, attributes]).scope.get(prefix, "") + "}" == DS

    def _begin(self) -> None:
        if self._inside is not None:
            self._inside.nested = True
            return
        if len(self.found) == MOST_SIGNATURES:
            raise XmlError(f"plus de {MOST_SIGNATURES} signatures")
        holder = self._orders[-1] if self._orders else -1
        self._held[holder] += 1
        if self._held[holder] > MOST_TOGETHER:
            raise XmlError(f"plus de {MOST_TOGETHER} signatures portent sur le même contenu")
        attributes = self._opened[-1] if self._opened else ()
        held = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self._inside = Place(
            element=self._count,
            start=self.parser.CurrentByteIndex,
            path=tuple(self._names),
            around=tuple(_open_tag(*one) for one in zip(self._names, self._opened, strict=True)),
            holder=holder,
            holder_id=held.get("Id", ""),
            slip=self._slip,
        )
        self.found.append(self._inside)
        if self._slip is not None and len(self._names) == _SLIP_DEPTH + 1:
            self._slip.signed = True

    def _end_of_tag(self, name: str) -> int:
        """The byte after the end tag that the parser has just met."""
        index: int = self.parser.CurrentByteIndex
        tag = os.pread(self._file, len(name) * 4 + 256, index)
        if not tag.startswith(b"</"):
            return index
        close = tag.find(b">")
        if close < 0:
            raise XmlError("the end tag of a signature is too long")
        return index + close + 1


def _open_tag(name: str, attributes: Sequence[str]) -> str:
    """What a signature inherits of an element around it: namespaces and the attributes of xml."""
    kept = [
        f' {key}="{escape_value(value)}"'
        for key, value in zip(attributes[::2], attributes[1::2], strict=True)
        if key == "xmlns" or key.startswith(("xmlns:", "xml:"))
    ]
    return f"<{name}{''.join(kept)}>"


def read_alone(file: int, places: Places, place: Place) -> bytes:
    """A signature as a document of its own, inside the bare tags of what is around it: its namespaces are the same."""
    size = place.end - place.start
    if size > LARGEST:
        raise SignatureError("elle est démesurée")
    opening = "".join(place.around)
    closing = "".join(f"</{name}>" for name in reversed(place.path))
    try:
        before = f'<?xml version="1.0" encoding="{places.encoding}"?>{opening}'.encode(
            places.encoding, "xmlcharrefreplace"
        )
        return before + os.pread(file, size, place.start) + closing.encode(places.encoding)
    except (LookupError, UnicodeError) as error:
        raise XmlError(str(error)) from error
