"""Read a PES flow in chunks: header, bordereaux and PJ; memory does not depend on the size of its texts."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from lxml import etree

from tdt.domain.xml import feed_parser, local_name

CHUNK = 1 << 18
DEEPEST = 100  # the official schemas nest some twenty levels
LONGEST_VALUE = 2000  # no field of the PES is that long; a longer value is not kept whole

BORDEREAU_BLOCKS = {"PES_DepenseAller": "depense", "PES_RecetteAller": "recette"}
PIECE_PATHS = {("BlocPiece", "InfoPce", "IdPce"), ("BlocPiece", "IdPce")}
LINE_PATHS = {("BlocLignePiece", "InfoLignePce", "IdLigne"), ("BlocLignePiece", "InfoLignePiece", "IdLigne")}


class FlowUnreadable(Exception):
    """The flow cannot be read to its end; `flow` holds what was read before."""

    def __init__(self, reason: str, line: int, flow: "Flow"):
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.flow = flow


@dataclass(slots=True)
class Bordereau:
    """`piece` and `line` are those of its first line, to which a forced error is attached."""

    domain: str
    exercise: str = ""
    number: str = ""
    kind: str = ""
    piece: str = ""
    line: str = ""


@dataclass(slots=True)
class Flow:
    root: str = ""
    version: str = ""
    file_type: str = ""
    file_name: str = ""
    sender: dict[str, str] = field(default_factory=dict)
    header: dict[str, str] = field(default_factory=dict)
    header_complete: bool = False
    blocks: list[str] = field(default_factory=list)
    bordereaux: list[Bordereau] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    markets: list[str] = field(default_factory=list)


class Observer(Protocol):
    """What follows the reading element by element; `path` starts at the root and must not be kept."""

    def start(self, path: list[str], value: str) -> None: ...
    def end(self, path: list[str]) -> None: ...
    def text(self, path: list[str], data: str) -> None: ...


class _Doctype(Exception):
    pass


class _TooDeep(Exception):
    pass


class _Target:
    """Receives the events of the parser; keeps the path and the few values that matter."""

    def __init__(self, flow: Flow, observer: Observer | None):
        self.flow = flow
        self.path: list[str] = []
        self._observer = observer

    def start(self, tag: str, attributes: Any) -> None:
        self.path.append(local_name(tag))
        if len(self.path) > DEEPEST:
            raise _TooDeep
        value = str(attributes.get("V", ""))[:LONGEST_VALUE]
        self._note(value)
        if self._observer:
            self._observer.start(self.path, value)

    def end(self, _tag: str) -> None:
        if self._observer:
            self._observer.end(self.path)
        if len(self.path) == 2 and self.path[1] == "EnTetePES":
            self.flow.header_complete = True
        self.path.pop()

    def data(self, data: str) -> None:
        if self._observer:
            self._observer.text(self.path, data)

    def doctype(self, *_: Any) -> None:
        raise _Doctype

    def close(self) -> None:
        pass

    def _note(self, value: str) -> None:
        path, flow = self.path, self.flow
        if len(path) == 1:
            flow.root = path[0]
        elif len(path) == 2:
            if path[1] not in ("Enveloppe", "EnTetePES", "Signature"):
                flow.blocks.append(path[1])
        elif path[1] in ("Enveloppe", "EnTetePES"):
            self._note_header(value)
        elif path[1] in BORDEREAU_BLOCKS:
            self._note_bordereau(value)
        elif path[1] == "PES_PJ":
            if path[2:] == ["PJ"]:
                flow.attachments.append("")
            elif path[2:] == ["PJ", "IdUnique"]:
                flow.attachments[-1] = value
        elif path[1] == "PES_Marche" and path[-1] == "IdMarche" and value and value not in flow.markets:
            flow.markets.append(value)

    def _note_header(self, value: str) -> None:
        flow = self.flow
        match self.path[1:]:
            case ["EnTetePES", name]:
                flow.header[name] = value
            case ["Enveloppe", "Parametres", "Version"]:
                flow.version = value
            case ["Enveloppe", "Parametres", "TypFic"]:
                flow.file_type = value
            case ["Enveloppe", "Parametres", "NomFic"]:
                flow.file_name = value
            case ["Enveloppe", "Emetteur", name]:
                flow.sender[name] = value

    def _note_bordereau(self, value: str) -> None:
        below = self.path[3:]
        if self.path[2] != "Bordereau":
            return
        if not below:
            self.flow.bordereaux.append(Bordereau(BORDEREAU_BLOCKS[self.path[1]]))
            return
        bordereau = self.flow.bordereaux[-1]
        if below[0] == "BlocBordereau":
            self._note_bordereau_block(bordereau, below[-1], value)
        elif below[0] == "Piece" and not bordereau.line:
            if tuple(below[1:]) in PIECE_PATHS and not bordereau.piece:
                bordereau.piece = value
            elif tuple(below[2:]) in LINE_PATHS:
                bordereau.line = value

    def _note_bordereau_block(self, bordereau: Bordereau, name: str, value: str) -> None:
        match name:
            case "Exer":
                bordereau.exercise = value
            case "IdBord":
                bordereau.number = value
            case "TypBord":
                bordereau.kind = value


class FlowReader:
    """Fed with the chunks of a flow in order; `flow` fills as they come."""

    def __init__(self, observer: Observer | None = None):
        self.flow = Flow()
        self._target = _Target(self.flow, observer)
        self._parser = feed_parser(self._target)

    def feed(self, chunk: bytes) -> None:
        """Raises FlowUnreadable."""
        try:
            self._parser.feed(chunk)
        except (etree.XMLSyntaxError, _Doctype, _TooDeep) as error:
            self._fail(error)

    def close(self) -> Flow:
        """The whole flow. Raises FlowUnreadable."""
        try:
            self._parser.close()
        except (etree.XMLSyntaxError, _Doctype, _TooDeep) as error:
            self._fail(error)
        return self.flow

    def _fail(self, error: Exception) -> NoReturn:
        line = 1
        if isinstance(error, _Doctype):
            reason = "document type declarations are not accepted"
        elif isinstance(error, _TooDeep):
            reason = "too many nested elements"
        else:
            reason = str(error)
            line = getattr(error, "lineno", None) or 1
        raise FlowUnreadable(reason, line, self.flow) from error


def read_flow(path: Path, observer: Observer | None = None) -> Flow:
    """Read a whole file (CPU and disk: call it from a thread). Raises FlowUnreadable."""
    reader = FlowReader(observer)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            reader.feed(chunk)
    return reader.close()


def read_header(head: bytes) -> Flow | None:
    """Envelope and header found in the first bytes of a flow, None when they are not all there."""
    reader = FlowReader()
    with contextlib.suppress(FlowUnreadable):
        reader.feed(head)
    return reader.flow if reader.flow.header_complete else None
