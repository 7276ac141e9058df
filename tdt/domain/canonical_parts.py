"""Canonical XML of some elements of a document that is read once: memory grows with neither.

What a signature covers is an element without the signature itself; a document of 500 MB may be covered whole.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tdt.domain.canonical import Around, Canonical, Form, Scope
from tdt.domain.xml import feed_names, name_parser


@dataclass(frozen=True, slots=True)
class Part:
    """An element, by its order in the document from 0 (None: the document); without the element of that other order."""

    element: int | None
    without: int | None
    form: Form
    write: Callable[[str], None]


class Parts:
    """The canonical text of some elements of a document, known by their order in it, while it is read once."""

    def __init__(self) -> None:
        self._wanted: dict[int, list[Part]] = {}
        self._running: list[_Running] = []
        self._opened: list[Sequence[str]] = []
        self._count = 0

    def want(self, part: Part) -> None:
        """Before the document is read."""
        if part.element is None:
            self._running.append(_Running(Canonical(part.write, part.form), part.without, whole=True))
        else:
            self._wanted.setdefault(part.element, []).append(part)

    def read(self, chunks: Iterable[bytes]) -> None:
        """The document. Raises XmlError."""
        parser = name_parser()
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler, parser.ProcessingInstructionHandler = self._text, self._instruction
        for chunk in chunks:
            feed_names(parser, chunk)
        feed_names(parser, b"", final=True)

    def _start(self, name: str, attributes: Sequence[str]) -> None:
        for part in self._wanted.get(self._count, ()):
            form = Canonical(part.write, part.form, find_around(self._opened))
            self._running.append(_Running(form, part.without))
        for one in self._running:
            one.start(self._count, name, attributes)
        self._opened.append(attributes)
        self._count += 1

    def _end(self, name: str) -> None:
        self._opened.pop()
        ended = [one for one in self._running if one.end(name)]
        if ended:
            self._running = [one for one in self._running if one not in ended]

    def _text(self, data: str) -> None:
        for one in self._running:
            if not one.skipped:
                one.canonical.text(data)

    def _instruction(self, target: str, data: str) -> None:
        for one in self._running:
            if not one.skipped:
                one.canonical.instruction(target, data)


class _Running:
    """A part that is being read; `skipped`: how many elements are open inside what is left out."""

    __slots__ = ("canonical", "skipped", "whole", "without")

    def __init__(self, canonical: Canonical, without: int | None, whole: bool = False):
        self.canonical, self.without, self.whole, self.skipped = canonical, without, whole, 0

    def start(self, count: int, name: str, attributes: Sequence[str]) -> None:
        if self.skipped or count == self.without:
            self.skipped += 1
        else:
            self.canonical.start(name, attributes)

    def end(self, name: str) -> bool:
        """Has it come to its end?"""
        if self.skipped:
            self.skipped -= 1
            return False
        self.canonical.end(name)
        return self.canonical.depth == 0 and not self.whole


def find_around(opened: Sequence[Sequence[str]]) -> Around:
    """What the attributes of the elements that are open, the outermost first, leave to one inside them."""
    scope: Scope = {}
    inherited: dict[str, str] = {}
    for attributes in opened:
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            if key == "xmlns" or key.startswith("xmlns:"):
                scope[key[6:]] = value
            elif key.startswith("xml:"):
                inherited[key] = value
    return Around(scope, tuple(inherited.items()))
