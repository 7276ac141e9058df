"""One bounded streaming pass over a PES document: root, header values and children of the root, whatever its size."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from lxml import etree

from tdt.domain.xml import feed_parser, local_name

MAX_DEPTH = 200
MAX_NAMES = 5_000
"""Distinct element names, attribute names, prefixes and namespaces. The official schemas have about 1,000;
libxml2 keeps each one for the life of the thread, so a hostile document must not invent them by the million (and
whoever reads what strangers send does it in a thread that ends with the document)."""
MAX_EVENTS = 60_000_000
"""Elements, pieces of text, comments and instructions: a flow of 512 MiB without attachments may have half of it."""
MAX_SILENCE = 1 << 19
"""Bytes of one tag, comment or instruction: the parser holds these whole, while it hands out text piece by piece."""

MAX_REASON = 300

SLICE = 1 << 16
DOCTYPE = "document type declarations are not accepted"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"

HEADER_PATHS: Mapping[tuple[str, ...], str] = {
    ("Enveloppe", "Parametres", "TypFic"): "typ_fic",
    ("Enveloppe", "Parametres", "NomFic"): "nomfic",
    ("EnTetePES", "CodCol"): "cod_col",
    # PES_Retour says CodColl, and so do the PES_ACQUIT_RETOUR that S2LOW reads.
    ("EnTetePES", "CodColl"): "cod_col",
    ("EnTetePES", "CodBud"): "cod_bud",
    ("EnTetePES", "IdPost"): "id_post",
    ("EnTetePES", "IdColl"): "id_coll",
    ("PES_DepenseAller", "EnTeteDepense", "InfoDematerialisee"): "dematerialised:PES_DepenseAller",
    ("PES_RecetteAller", "EnTeteRecette", "InfoDematerialisee"): "dematerialised:PES_RecetteAller",
}
HEADER_DEPTH = 3


class PesUnreadable(Exception):
    """The document cannot be read as XML of the kind that we accept; `reason` is for the log, not for the user."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason[:MAX_REASON]


@dataclass(slots=True)
class Scan:
    """What one pass has found."""

    root: str = ""
    namespace: str = ""
    values: dict[str, str] = field(default_factory=dict)
    """By the names of HEADER_PATHS; an absent or blank value has no entry."""
    children: dict[str, None] = field(default_factory=dict)
    """Local names of the children of the root, each once, in order."""
    header: bool = False
    """EnTetePES stands and is not empty."""
    signed: bool = False


class Observer(Protocol):
    """Who reads more of a document than its header, in the same pass: it is told where elements of its names begin."""

    names: frozenset[str]
    """Local names, whatever the namespace. The root is told too, whatever its name."""

    def start(self, depth: int, name: str, value: str) -> None:
        """An element begins, with its attribute V; the root is at depth 1. It must cost little, and keep little."""


def value_of(attributes: Mapping[str, str]) -> str:
    """The attribute V, empty when absent. A parser that resolves no entity tells every ampersand as a reference."""
    value = attributes.get("V", "")
    return value.replace("&#38;", "&") if "&" in value else value


class ScanTarget:
    """What lxml calls for each event; keeps the few values that we look for and drops everything else.

    What it does not accept it notes as `fault`: an exception would make lxml leave the document and its names behind.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.scan = Scan()
        self.events = 0
        self.fault = ""
        self._depth = 0
        self._path: list[str] = []
        self._names: set[str] = set()
        self._observer = observer
        # by tag: with a namespace they come as the document shows them
        self._watched = {name: name for name in observer.names} if observer is not None else {}

    def start(self, tag: str, attributes: Mapping[str, str], namespaces: Mapping[str | None, str]) -> None:
        # Called millions of times for a big flow: names that are known and levels below the header cost little.
        if self.fault:
            return
        self.events += 1
        self._depth += 1
        if tag not in self._names:
            self._add_names(tag)
            self._watch(tag)
        if self._depth > MAX_DEPTH:
            self.fault = f"more than {MAX_DEPTH} levels"
            return
        if attributes and not self._names.issuperset(attributes):
            self._add_names(*attributes)
        if namespaces:
            self._add_names(*(prefix or "" for prefix in namespaces), *namespaces.values())
        if self._depth <= HEADER_DEPTH + 1:
            self._start_of_header(tag, attributes)
        if tag == SIGNATURE:
            self.scan.signed = True
        if self._observer is not None and tag in self._watched:
            self._observer.start(self._depth, self._watched[tag], value_of(attributes))

    def end(self, _tag: str) -> None:
        if self._depth <= HEADER_DEPTH + 1 and self._path:
            self._path.pop()
        self._depth -= 1

    def data(self, _text: str) -> None:
        self.events += 1

    def comment(self, _text: str) -> None:
        self.events += 1

    def pi(self, name: str, _text: str | None) -> None:
        self.events += 1
        self._add_names(name)

    def doctype(self, _name: str | None, _public: str | None, _system: str | None) -> None:
        # written so that the bytes do not show it (an encoding of its own): nothing of it may be read, so stop at once
        raise PesUnreadable(DOCTYPE)

    def close(self) -> Scan:
        return self.scan

    def _add_names(self, *names: str) -> None:
        self._names.update(names)
        if len(self._names) > MAX_NAMES:
            self.fault = f"more than {MAX_NAMES} different names"

    def _watch(self, tag: str) -> None:
        """The first element of a tag: whether the observer wants those of this name. The root comes first of all."""
        if self._observer is not None and (self._depth == 1 or local_name(tag) in self._observer.names):
            self._watched[tag] = local_name(tag)

    def _start_of_header(self, tag: str, attributes: Mapping[str, str]) -> None:
        scan = self.scan
        name = local_name(tag)
        if self._depth == 1:
            scan.root, scan.namespace = name, tag[1:].partition("}")[0] if tag.startswith("{") else ""
            return
        self._path.append(name)
        if self._depth == 2:
            scan.children[name] = None
            scan.header = scan.header or (name == "EnTetePES" and bool(attributes))
        elif self._path[0] == "EnTetePES":
            scan.header = True
        key = HEADER_PATHS.get(tuple(self._path))
        value = value_of(attributes)
        if key is not None and value.strip() and key not in scan.values:
            scan.values[key] = value


class DocumentReader:
    """Feed the bytes as they come, then close. Memory stays flat, also on a single text node of 500 MB."""

    def __init__(self, target: ScanTarget | None = None) -> None:
        self._target = target or ScanTarget()
        self._parser = feed_parser(self._target)
        self._splitter = CdataSplitter()
        self._failure = ""
        self._seen_events = 0
        self._silent_bytes = 0

    @property
    def found(self) -> Scan:
        """What has been found so far, also before a fault."""
        return self._target.scan

    def feed(self, chunk: bytes) -> None:
        """Raises PesUnreadable, and again at every later call."""
        self._check()
        try:
            for start in range(0, len(chunk), SLICE):
                self._feed_slice(self._splitter.split(chunk[start : start + SLICE]))
        except PesUnreadable as error:
            self._give_up(error.reason)
            raise

    def close(self) -> Scan:
        """What was found. Raises PesUnreadable when the document is not well-formed up to its end."""
        self._check()
        try:
            self._feed_slice(self._splitter.rest())
            self._parse(self._parser.close)
        except PesUnreadable as error:
            self._give_up(error.reason)
            raise
        return self._target.scan

    def abandon(self) -> None:
        """Read no further: lxml keeps the document of a parser that is never closed."""
        with suppress(PesUnreadable):
            self._parse(self._parser.close)

    def _check(self) -> None:
        if self._failure:
            raise PesUnreadable(self._failure)

    def _give_up(self, reason: str) -> None:
        self._failure = reason
        self.abandon()

    def _feed_slice(self, data: bytes) -> None:
        if not data:
            return
        if 0 in data:
            # UTF-16 and UTF-32 come here: the State exchanges ISO-8859-1 only.
            raise PesUnreadable("NUL bytes")
        self._parse(lambda: self._parser.feed(data))
        if self._target.events > MAX_EVENTS:
            raise PesUnreadable(f"more than {MAX_EVENTS} elements and texts")
        if self._target.events != self._seen_events:
            self._seen_events = self._target.events
            self._silent_bytes = 0
            return
        self._silent_bytes += len(data)
        if self._silent_bytes > MAX_SILENCE:
            raise PesUnreadable(f"a tag or comment longer than {MAX_SILENCE} bytes")

    def _parse(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (etree.LxmlError, ValueError, LookupError) as error:
            raise PesUnreadable(self._target.fault or str(error)) from error
        if self._target.fault:
            raise PesUnreadable(self._target.fault)


CLOSINGS: Mapping[bytes, bytes] = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>", b"<!DOCTYPE": b""}
NOT_ASCII = bytes(range(0x80, 0x100))
LONGEST_OPENING = max(map(len, CLOSINGS))


class CdataSplitter:
    """Cuts long CDATA sections into short ones of the same meaning: libxml2 holds a section whole until its end.

    It refuses a document type declaration before the parser sees one.
    """

    def __init__(self) -> None:
        self._held = b""
        self._end = b""

    def split(self, chunk: bytes) -> bytes:
        """The bytes to parse now; up to eight may be held until the next call."""
        data = self._held + chunk
        self._held = b""
        position = 0
        while position < len(data):
            position = self._leave(data, position) if self._end else self._enter(data, position)
        done = data[: len(data) - len(self._held)]
        if self._end == b"]]>":
            # only after an ASCII byte: another could be the first half of a UTF-8 character
            safe = done.rstrip(NOT_ASCII)
            done = safe + b"]]><![CDATA[" + done[len(safe) :] if safe else done
        return done

    def rest(self) -> bytes:
        """What was still held at the end of the document."""
        held, self._held = self._held, b""
        return held

    def _enter(self, data: bytes, position: int) -> int:
        """Look for the next opening; give the position after it, or the end."""
        start = _find_opening(data, position)
        if start < 0:
            self._held = b"<" if data.endswith(b"<") else b""
            return len(data)
        for opening, end in CLOSINGS.items():
            if data.startswith(opening, start):
                if not end:
                    raise PesUnreadable(DOCTYPE)
                self._end = end
                return start + len(opening)
            if len(data) - start < LONGEST_OPENING and opening.startswith(data[start:]):
                self._held = data[start:]
                return len(data)
        return start + 2

    def _leave(self, data: bytes, position: int) -> int:
        """Look for the end of the section or comment; give the position after it, or the end."""
        start = data.find(self._end, position)
        if start >= 0:
            position = start + len(self._end)
            self._end = b""
            return position
        self._held = data[max(position, len(data) - 2) :]
        return len(data)


def _find_opening(data: bytes, position: int) -> int:
    # most slices hold neither "!" nor "?", and one byte is looked for much faster than two
    declared = data.find(b"<!", position) if data.find(b"!", position) >= 0 else -1
    before = declared if declared >= 0 else len(data)
    instruction = data.find(b"<?", position, before) if data.find(b"?", position, before) >= 0 else -1
    return instruction if instruction >= 0 else declared
