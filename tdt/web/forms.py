"""PHP's view of a form: last scalar wins, `name[]` accumulates, `name[0]` is indexed, files stand apart from fields."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tdt.domain.content import Body
from tdt.domain.text import decode_form

Item = TypeVar("Item")

BRACKETS = re.compile(r"([^\[\]]+)\[([^\]]*)\]")
PARAMETER = re.compile(r""";\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^;\s]*)""")
HEX_PAIR = re.compile(rb"%([0-9A-Fa-f]{2})")
MOST_DIGITS = 18
MOST_FIELDS = 1_000
"""PHP's max_input_vars: it drops what comes after."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form: the name the client gave (folders removed, as PHP does) and its bytes.

    `text` holds a file that is asked for as text (a detached signature), `body` any other.
    """

    filename: str
    size: int
    body: Body | None = None
    text: bytes = b""


class Values(Generic[Item]):
    """Named values as PHP keeps them in $_GET, $_POST or $_FILES."""

    def __init__(self) -> None:
        self._items: dict[str, Item | dict[str, Item]] = {}
        self._next: dict[str, int] = {}

    def add(self, name: str, value: Item) -> None:
        """Store one value under the name of the wire, brackets included."""
        bracketed = BRACKETS.match(name)
        if bracketed is None:
            self._items[name] = value
            return
        entries = self._items.get(bracketed[1])
        if not isinstance(entries, dict):
            entries = self._items[bracketed[1]] = {}
            self._next.pop(bracketed[1], None)
        # counted, not looked for: with thousands of `a[]` the search would take hours
        following = self._next.get(bracketed[1], 0)
        index = bracketed[2] or str(following)
        entries[index] = value
        if _is_number(index):
            self._next[bracketed[1]] = max(following, int(index) + 1)

    def scalar(self, name: str) -> Item | None:
        """The value of a plain name; None when absent or an array."""
        value = self._items.get(name)
        return None if isinstance(value, dict) else value

    def array(self, name: str) -> Mapping[str, Item]:
        """The values of a bracketed name by key, in the order of arrival; a plain value counts as the first one."""
        value = self._items.get(name)
        if value is None:
            return {}
        return value if isinstance(value, dict) else {"0": value}

    def all(self) -> Iterator[Item]:
        """Every value kept."""
        for value in self._items.values():
            if isinstance(value, dict):
                yield from value.values()
            else:
                yield value

    def __len__(self) -> int:
        return len(self._items)


class Fields(Values[str]):
    """Text values: $_GET or $_POST."""

    def text(self, name: str) -> str:
        """The value, empty when absent."""
        return self.scalar(name) or ""

    def is_true(self, name: str) -> bool:
        """PHP's truth: absent, empty and "0" are false, anything else is true."""
        return self.text(name) not in ("", "0")


@dataclass(frozen=True, slots=True)
class Form:
    """What a request body held."""

    fields: Fields = field(default_factory=Fields)
    files: Values[Upload] = field(default_factory=Values)


def parse_urlencoded(data: bytes) -> Fields:
    """The fields of a query string or of an urlencoded body, a thousand at most; values by the charset rule."""
    fields = Fields()
    for pair in data.split(b"&", MOST_FIELDS)[:MOST_FIELDS]:
        if pair:
            name, _, value = pair.partition(b"=")
            fields.add(_unquote(name), _unquote(value))
    return fields


def parse_disposition(header: str) -> tuple[str, str | None]:
    """Name and file name in a Content-Disposition read as Latin-1; unquoted names are accepted as PHP does.

    Pastell writes `name=type_pj[]` without quotes as soon as a name occurs twice. No file name: it is a field.
    """
    found = {name.lower(): _plain(value) for name, value in PARAMETER.findall(header)}
    filename = found.get("filename")
    if filename is not None:
        # PHP keeps what follows the last separator, of either kind
        filename = re.split(r"[/\\]", filename)[-1]
    return found.get("name", ""), filename


def _plain(value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"') and len(value) > 1:
        value = value[1:-1].replace("\\" + quote, quote).replace("\\\\", "\\")
    return decode_form(value.encode("latin-1"))


def _unquote(data: bytes) -> str:
    plain = HEX_PAIR.sub(lambda match: bytes([int(match[1], 16)]), data.replace(b"+", b" "))
    return decode_form(plain)


def _is_number(key: str) -> bool:
    """A key of more digits than PHP's integers is a name like another."""
    return len(key) <= MOST_DIGITS and key.isascii() and key.isdigit()
