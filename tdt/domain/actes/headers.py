"""The headers of a mail in their order, the last added first: trace headers mean nothing without their place."""

import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header

_LIMIT = 256 * 1024
_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(r"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_FOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class Headers:
    """Name, in lower case, and unfolded value of each field, from the top."""

    fields: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str:
        """The first of this name, made readable; empty without it."""
        value = next((value for key, value in self.fields if key == name.lower()), "")
        try:
            return str(make_header(decode_header(value)))[:1000]
        except (LookupError, ValueError, MessageError):
            return value[:1000]


def read_headers(raw: bytes) -> Headers:
    """The fields at the top of a mail; what is not one ends them, as it does for the servers that add them."""
    found = _END.search(raw[:_LIMIT])
    text = (raw[: found.start()] if found else raw[:_LIMIT]).decode("utf-8", "replace")
    fields = []
    for line in re.split(r"\r?\n(?![ \t])", text):
        match = _FIELD.fullmatch(line)
        if match is None:
            break
        fields.append((match[1].lower(), _FOLD.sub("", match[2]).strip()))
    return Headers(tuple(fields))
