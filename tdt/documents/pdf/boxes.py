"""Where something stands on a page: its texts (and what lies on it: fields, notes), and its drawings and images."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pikepdf

from tdt.documents.pdf.fonts import ANY_FONT, Font, read_font
from tdt.documents.pdf.geometry import IDENTITY, Box, Matrix, inherited, multiply, number, transformed

TEXT_OPERATORS = "q Q cm BT ET Tf Td TD Tm T* Tj TJ ' \" Tc Tw Tz TL Ts Do MP INLINE IMAGE"
END = "MP"
"""Marks a point, and shows nothing."""
LARGE_CONTENT = 2 << 20
"""Of a larger content (a plan: hundreds of thousands of lines) only the texts and images are looked at."""
MOST_INSTRUCTIONS = 400_000
DEEPEST_FORM = 8
HIDDEN_NOTES = frozenset({"/Link", "/Popup"})
HIDDEN, NO_VIEW = 1 << 1, 1 << 5


class Unreadable(Exception):
    """The content cannot be followed to its end: anything may stand anywhere."""


@dataclass(slots=True)
class Found:
    """On a page, in its own space. `deficit` states are restored that nobody had saved, `surplus` never restored."""

    texts: list[Box] = field(default_factory=list)
    drawings: list[Box] = field(default_factory=list)
    surplus: int = 0
    deficit: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """What q saves and Q restores."""

    matrix: Matrix = IDENTITY
    font: Font = ANY_FONT
    size: float = 0.0
    letter: float = 0.0
    word: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


def find_boxes(page: pikepdf.Page) -> Found:
    """Of everything drawn on the page and laid on it. Unreadable when it cannot be known."""
    reader = _Reader()
    try:
        with warnings.catch_warnings():
            # a content that ends within a string would swallow what comes after it
            warnings.simplefilter("error")
            reader.read(read_content(page.obj), inherited(page.obj, "/Resources"), State(), 0)
        reader.found.texts += _notes(page.obj)
    except (
        Warning,
        pikepdf.PikepdfError,
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
        IndexError,
        KeyError,
    ) as error:
        raise Unreadable(str(error)) from error
    return reader.found


def _notes(page: Any) -> Iterator[Box]:
    """Fields, stamps and notes are drawn above the content: what they cover is taken."""
    for note in _array(page.get("/Annots")):
        if not isinstance(note, pikepdf.Dictionary) or str(note.get("/Subtype")) in HIDDEN_NOTES:
            continue
        rectangle = [number(item, 0.0) for item in _array(note.get("/Rect"))]
        if int(number(note.get("/F"), 0)) & (HIDDEN | NO_VIEW) or len(rectangle) != 4:
            continue
        left, right = sorted((rectangle[0], rectangle[2]))
        bottom, top = sorted((rectangle[1], rectangle[3]))
        yield Box(left, bottom, right, top)


def _array(value: Any) -> list[Any]:
    return list(value) if isinstance(value, pikepdf.Array) else []


class _Reader:
    """Follows a content and the forms that it calls."""

    def __init__(self) -> None:
        self.found = Found()
        self._instructions = 0
        self._fonts: dict[tuple[int, int], Font] = {}
        self._text = self._line = IDENTITY
        self._in_text = False
        self._path: list[tuple[float, float]] = []
        self._operations: dict[str, Callable[[Sequence[Any]], None]] = {
            "cm": self._concatenate,
            "BT": lambda _: self._begin_text(),
            "ET": lambda _: self._end_text(),
            "Td": lambda values: self._move_by(*_numbers(values, 2)),
            "TD": self._move_and_lead,
            "Tm": lambda values: self._move_to(_matrix(values)),
            "T*": lambda _: self._next_line(),
            "Tj": lambda values: self._show(values[0]),
            "'": lambda values: self._show_next(values[0]),
            '"': self._show_spaced,
            "TJ": lambda values: self._show_all(values[0]),
            "Tf": self._choose,
            "Tc": lambda values: self._set(letter=_numbers(values, 1)[0]),
            "Tw": lambda values: self._set(word=_numbers(values, 1)[0]),
            "Tz": lambda values: self._set(stretch=_numbers(values, 1)[0] / 100),
            "TL": lambda values: self._set(leading=_numbers(values, 1)[0]),
            "Ts": lambda values: self._set(rise=_numbers(values, 1)[0]),
            "m": lambda values: self._points(_numbers(values, 2)),
            "l": lambda values: self._points(_numbers(values, 2)),
            "c": lambda values: self._points(_numbers(values, 6)),
            "v": lambda values: self._points(_numbers(values, 4)),
            "y": lambda values: self._points(_numbers(values, 4)),
            "re": self._rectangle,
            "n": lambda _: self._path.clear(),
            "INLINE IMAGE": lambda _: self._image(),
            **{name: lambda _: self._paint() for name in ("S", "s", "f", "F", "f*", "B", "B*", "b", "b*")},
        }

    def read(self, content: bytes, resources: Any, state: State, depth: int) -> None:
        """Everything that a content shows, from this state on."""
        outer_state, outer_resources = getattr(self, "_state", state), getattr(self, "_resources", resources)
        self._state, self._resources, self._depth = state, resources, depth
        saved: list[State] = []
        name = ""
        for values, name in _instructions(content):
            self._instructions += 1
            if self._instructions > MOST_INSTRUCTIONS:
                raise Unreadable("too many instructions")
            if name == "q":
                saved.append(self._state)
            elif name == "Q":
                self._restore(saved)
            elif name == "Do":
                self._do(values[0])
            elif (operation := self._operations.get(name)) is not None:
                operation(values)
        if name != END or self._in_text:
            # what follows would be taken for a part of a string, or of a text
            raise Unreadable("it breaks off")
        if depth == 0:
            self.found.surplus = len(saved)
        self._state, self._resources, self._depth = outer_state, outer_resources, depth - 1

    def _restore(self, saved: list[State]) -> None:
        if saved:
            self._state = saved.pop()
        elif self._depth == 0:
            self.found.deficit += 1

    def _do(self, name: Any) -> None:
        drawn = _entry(self._resources, "/XObject", name)
        if not isinstance(drawn, pikepdf.Stream):
            return
        if str(drawn.get("/Subtype")) != "/Form":
            self._image()
            return
        if self._depth >= DEEPEST_FORM:
            raise Unreadable("forms in forms")
        matrix = _matrix(_array(drawn.get("/Matrix")) or IDENTITY)
        state = replace(self._state, matrix=multiply(matrix, self._state.matrix))
        kept = self._text, self._line, self._in_text
        self._in_text = False
        self.read(drawn.read_bytes(), drawn.get("/Resources", self._resources), state, self._depth + 1)
        self._text, self._line, self._in_text = kept

    # -------------------------------------------------------------------------------------------- drawings

    def _concatenate(self, values: Sequence[Any]) -> None:
        self._set(matrix=multiply(_matrix(values), self._state.matrix))

    def _image(self) -> None:
        self.found.drawings.append(transformed(Box(0.0, 0.0, 1.0, 1.0), self._state.matrix))

    def _points(self, numbers: Sequence[float]) -> None:
        self._path.extend(zip(numbers[::2], numbers[1::2], strict=True))

    def _rectangle(self, values: Sequence[Any]) -> None:
        x, y, width, height = _numbers(values, 4)
        self._points((x, y, x + width, y + height))

    def _paint(self) -> None:
        if self._path:
            xs, ys = [x for x, _ in self._path], [y for _, y in self._path]
            box = Box(min(xs), min(ys), max(xs), max(ys)).grown(0.5)
            self.found.drawings.append(transformed(box, self._state.matrix))
        self._path.clear()

    # -------------------------------------------------------------------------------------------- texts

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

    def _choose(self, values: Sequence[Any]) -> None:
        font = _entry(self._resources, "/Font", values[0])
        key = font.objgen if isinstance(font, pikepdf.Object) and font.is_indirect else None
        known = self._fonts.get(key) if key is not None else None
        if known is None:
            known = read_font(font)
            if key is not None:
                self._fonts[key] = known
        self._set(font=known, size=number(values[1], 0.0))

    def _begin_text(self) -> None:
        self._in_text = True
        self._move_to(IDENTITY)

    def _end_text(self) -> None:
        self._in_text = False

    def _move_to(self, matrix: Matrix) -> None:
        self._text = self._line = matrix

    def _move_by(self, x: float, y: float) -> None:
        self._move_to(multiply((1.0, 0.0, 0.0, 1.0, x, y), self._line))

    def _move_and_lead(self, values: Sequence[Any]) -> None:
        x, y = _numbers(values, 2)
        self._set(leading=-y)
        self._move_by(x, y)

    def _next_line(self) -> None:
        self._move_by(0.0, -self._state.leading)

    def _show_next(self, text: Any) -> None:
        self._next_line()
        self._show(text)

    def _show_spaced(self, values: Sequence[Any]) -> None:
        word, letter = _numbers(values[:2], 2)
        self._set(word=word, letter=letter)
        self._show_next(values[2])

    def _show(self, text: Any) -> None:
        state = self._state
        if state.font.vertical:
            raise Unreadable("vertical writing")
        width, count, spaces = state.font.measure(bytes(text))
        length = (width * state.size + count * state.letter + spaces * state.word) * state.stretch
        low, high = (state.rise + edge * state.size for edge in (state.font.descent, state.font.ascent))
        box = Box(min(0.0, length), min(low, high), max(0.0, length), max(low, high))
        if length:
            self.found.texts.append(transformed(box, multiply(self._text, state.matrix)))
        self._advance(length)

    def _show_all(self, parts: Any) -> None:
        for part in _array(parts):
            if isinstance(part, pikepdf.String):
                self._show(part)
            else:
                self._advance(-number(part, 0.0) / 1000 * self._state.size * self._state.stretch)

    def _advance(self, length: float) -> None:
        self._text = multiply((1.0, 0.0, 0.0, 1.0, length, 0.0), self._text)


def list_contents(page: Any) -> list[Any]:
    """The streams of a page."""
    contents = page.get("/Contents")
    parts = _array(contents) if isinstance(contents, pikepdf.Array) else [contents]
    return [part for part in parts if isinstance(part, pikepdf.Stream)]


def read_content(page: Any) -> bytes:
    """The streams of a page as the one that they are."""
    return b"\n".join(part.read_bytes() for part in list_contents(page))


def _instructions(content: bytes) -> Iterator[tuple[list[Any], str]]:
    """What a content says, then END: when it is missing, the content does not end where its bytes do."""
    operators = TEXT_OPERATORS if len(content) > LARGE_CONTENT else ""
    with pikepdf.new() as holder:
        stream = holder.make_stream(content + f"\n/TdtFin {END}\n".encode())
        for instruction in pikepdf.parse_content_stream(stream, operators):
            yield list(instruction.operands), str(instruction.operator)


def _entry(resources: Any, category: str, name: Any) -> Any:
    held = resources.get(category) if isinstance(resources, pikepdf.Dictionary) else None
    return held.get(str(name)) if isinstance(held, pikepdf.Dictionary) else None


def _numbers(values: Sequence[Any], count: int) -> list[float]:
    if len(values) < count:
        raise ValueError("an operand is missing")
    return [float(value) for value in values[-count:]]


def _matrix(values: Sequence[Any]) -> Matrix:
    a, b, c, d, e, f = _numbers(values, 6)
    return (a, b, c, d, e, f)
