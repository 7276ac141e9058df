"""Canonical XML 1.0 without comments, inclusive or exclusive, of what is being read: memory does not grow with it.

libxml2 canonicalises a tree only, and the tree of a budget of 50 MB takes close to a gigabyte. Here each event of the
parser becomes its canonical text at once. Names come as they are written, prefix included; the tests compare the result
with libxml2's, byte for byte.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tdt.domain.xml import XmlError

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
MAX_DEPTH = 256
"""As libxml2 without its huge mode: no document of ours comes near."""

_VALUE = re.compile('[&<"\t\n\r]')
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_VALUE_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"})

Scope = dict[str, str]
"""Namespaces in force by prefix, the default one under the empty prefix."""


@dataclass(frozen=True, slots=True)
class Form:
    """A canonicalisation. `prefixes`: those that the exclusive one treats as the other does; "" is the default one."""

    exclusive: bool = False
    prefixes: tuple[str, ...] = ()


INCLUSIVE, EXCLUSIVE = Form(), Form(exclusive=True)


@dataclass(frozen=True, slots=True)
class Around:
    """What an element that is canonicalised alone inherits: namespaces, and attributes of the namespace xml."""

    scope: Mapping[str, str]
    attributes: tuple[tuple[str, str], ...] = ()


class _Level:
    """Inside an element: the namespaces in force, those that the canonical text has declared.

    `quiet`: an element without prefix declares none of them.
    """

    __slots__ = ("quiet", "rendered", "scope")

    def __init__(self, scope: Scope, rendered: Scope, form: Form):
        self.scope, self.rendered = scope, rendered
        watched: Iterable[str] = ("", *form.prefixes) if form.exclusive else scope
        self.quiet = scope is rendered or all(scope.get(one, "") == rendered.get(one, "") for one in watched)


class Canonical:
    """What the parser calls for each event; canonical text goes to `write`, piece by piece.

    Of a whole document, or of one element that stands in another (`around`), which is then the first to start.
    """

    def __init__(self, write: Callable[[str], None], form: Form = INCLUSIVE, around: Around | None = None):
        self._write = write
        self._form = form
        self._inherited = around.attributes if around is not None and not form.exclusive else ()
        outside: Scope = {"xml": XML_NAMESPACE}
        scope = {**around.scope, **outside} if around is not None else outside
        self._levels = [_Level(scope, outside, form)]
        self._done = False

    @property
    def depth(self) -> int:
        """How many elements are open."""
        return len(self._levels) - 1

    def namespace(self, name: str) -> str:
        """The namespace that this name has inside what is open, the element just started included."""
        return self._levels[-1].scope.get(name.partition(":")[0] if ":" in name else "", "")

    def start(self, name: str, attributes: Sequence[str]) -> None:
        """An element; `attributes` holds names and values by turns, in any order. Raises XmlError."""
        level = self._levels[-1]
        if not level.quiet or ":" in name or self._inherited:
            level, text = self._open(name, attributes, level)
        elif not attributes:
            text = f"<{name}>"
        elif len(attributes) == 2 and ":" not in attributes[0] and attributes[0] != "xmlns":
            text = f'<{name} {attributes[0]}="{escape_value(attributes[1])}">'
        else:
            level, text = self._open(name, attributes, level)
        if len(self._levels) > MAX_DEPTH:
            raise XmlError(f"more than {MAX_DEPTH} levels")
        self._levels.append(level)
        self._write(text)

    def end(self, name: str) -> None:
        """The end of the element opened last."""
        self._levels.pop()
        self._done = len(self._levels) == 1
        self._write(f"</{name}>")

    def text(self, data: str) -> None:
        """Text, of a CDATA section too, in as many pieces as one likes; outside the root it counts for nothing."""
        if len(self._levels) > 1:
            # one character is looked for ten times faster than one of four: a PJ is a text of megabytes without any
            odd = "&" in data or "<" in data or ">" in data or "\r" in data
            self._write(data.translate(_TEXT_ESCAPES) if odd else data)

    def instruction(self, target: str, data: str) -> None:
        """A processing instruction; outside the root it has a line of its own."""
        data = data.replace("\r", "&#xD;")
        text = f"<?{target} {data}?>" if data else f"<?{target}?>"
        if len(self._levels) == 1:
            text = f"\n{text}" if self._done else f"{text}\n"
        self._write(text)

    def _open(self, name: str, attributes: Sequence[str], outer: _Level) -> tuple[_Level, str]:
        """The level inside the element, and its start tag: namespaces, then attributes, each in canonical order."""
        scope, plain = _declare(attributes, outer.scope)
        own = {key for key, _ in plain}
        plain += [one for one in self._inherited if one[0] not in own]
        self._inherited = ()
        if ":" in name and name.partition(":")[0] not in scope:
            raise XmlError(f"undeclared prefix: {name}")
        ordered = _sorted(plain, scope)
        shown = self._shown([name, *(key for key, _ in plain if ":" in key)], scope)
        declared = sorted(one for one in shown if scope.get(one, "") != outer.rendered.get(one, ""))
        parts = [f"<{name}"]
        parts += [_declaration(one, scope.get(one, "")) for one in declared]
        parts += [f' {key}="{escape_value(value)}"' for _, key, value in ordered]
        text = "".join([*parts, ">"])
        rendered = outer.rendered
        if not self._form.exclusive:
            rendered = scope
        elif declared:
            rendered = {**rendered, **{one: scope.get(one, "") for one in declared}}
        if scope is outer.scope and rendered is outer.rendered:
            return outer, text
        return _Level(scope, rendered, self._form), text

    def _shown(self, names: Iterable[str], scope: Scope) -> Iterable[str]:
        """The prefixes that must be declared by now."""
        if not self._form.exclusive:
            return scope
        used = {name.partition(":")[0] if ":" in name else "" for name in names}
        return used | {one for one in self._form.prefixes if one in scope}


def _declare(attributes: Sequence[str], outer: Scope) -> tuple[Scope, list[tuple[str, str]]]:
    """The scope inside an element (the same object when it declares nothing), and its other attributes."""
    scope = outer
    plain: list[tuple[str, str]] = []
    for key, value in zip(attributes[::2], attributes[1::2], strict=True):
        if key == "xmlns" or key.startswith("xmlns:"):
            prefix = key[6:]
            if prefix and not value:
                raise XmlError(f"a prefix cannot be undeclared: {prefix}")
            scope = {**scope, prefix: value}
        else:
            plain.append((key, value))
    return scope, plain


def _declaration(prefix: str, uri: str) -> str:
    return f' {"xmlns:" if prefix else "xmlns"}{prefix}="{escape_value(uri)}"'


def _sorted(attributes: Sequence[tuple[str, str]], scope: Scope) -> list[tuple[tuple[str, str], str, str]]:
    """By namespace, then by local name: those without prefix, which have no namespace, first."""
    found = []
    for key, value in attributes:
        prefix, _, local = key.rpartition(":")
        if prefix and prefix not in scope:
            raise XmlError(f"undeclared prefix: {key}")
        found.append(((scope[prefix] if prefix else "", local), key, value))
    found.sort()
    if len({identity for identity, _, _ in found}) < len(found):
        raise XmlError("an attribute stands twice")
    return found


def escape_value(value: str) -> str:
    """The value of an attribute, between its quotes."""
    return value.translate(_VALUE_ESCAPES) if _VALUE.search(value) else value


class Indented:
    """The same document as a tool that indents it would write it: each element on its line, `step` for each level.

    Blank text between two tags is replaced; text that says something is left, as is the blank content of a leaf.
    """

    def __init__(self, canonical: Canonical, step: str):
        self._canonical = canonical
        self._step = step
        self._blank = ""
        self._said = False
        self._leaf = False

    def start(self, name: str, attributes: Sequence[str]) -> None:
        """An element."""
        self._line(self._canonical.depth)
        self._canonical.start(name, attributes)
        self._leaf = True

    def end(self, name: str) -> None:
        """Its end."""
        if self._leaf and not self._said:
            self._canonical.text(self._blank)
            self._blank = ""
        else:
            self._line(self._canonical.depth - 1)
        self._canonical.end(name)
        self._leaf = self._said = False

    def text(self, data: str) -> None:
        """Text; blank text waits for what comes after it."""
        if self._said or data.strip(" \t\r\n"):
            self._canonical.text(self._blank + data)
            self._blank, self._said = "", True
        else:
            self._blank += data

    def instruction(self, target: str, data: str) -> None:
        """A processing instruction, on its own line too."""
        self._line(self._canonical.depth)
        self._canonical.instruction(target, data)
        self._leaf = False

    def comment(self) -> None:
        """A comment: it is not written, its line was."""
        self._line(self._canonical.depth)
        self._leaf = False

    def _line(self, depth: int) -> None:
        if not self._said:
            self._canonical.text("\n" + self._step * depth)
        self._blank, self._said = "", False
