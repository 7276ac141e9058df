"""The charset rules of the S2LOW wire: what clients send, what text and XML answers may hold, truncation lengths."""

import re

WORKFLOW_MESSAGE_LENGTH = 512
"""S2LOW stores a workflow message in 512 characters."""
FILENAME_LENGTH = 1024
"""S2LOW stores the posted name of a PES in 1024 characters."""

ESCAPES = (("&", "&amp;"), ('"', "&quot;"), ("'", "&#039;"), ("<", "&lt;"), (">", "&gt;"))
"""PHP's htmlspecialchars with both quotes; the ampersand first, so that entities are escaped again as S2LOW does."""

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BEYOND_ASCII = re.compile("[^\x00-\x7f]")
REPLACEMENT = "\ufffd"
BEYOND_LATIN1 = re.compile("[^\x00-\xff]")

_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
EMAIL = re.compile(
    rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])",
    re.A | re.I,
)
EMAIL_LENGTH = 254
"""RFC 5321: a longer one cannot be delivered."""


def is_email(text: str) -> bool:
    """One bare address, in ASCII: nothing that could end a header or a command of SMTP."""
    return len(text) <= EMAIL_LENGTH and EMAIL.fullmatch(text) is not None


def decode_form(data: bytes) -> str:
    """Text of a form value, a file name or a credential: UTF-8 when it is valid UTF-8, else Windows-1252, else Latin-1.

    S2LOW reads ISO-8859-1 when `api=1` is in the POST and UTF-8 otherwise; accepting both serves every known client.
    A NUL, which neither XML nor the database can hold, becomes the replacement character: seen, never dropped.
    """
    for charset in ("utf-8", "cp1252"):
        try:
            return data.decode(charset).replace("\0", REPLACEMENT)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1").replace("\0", REPLACEMENT)


def escape_html(text: str) -> str:
    """The escaping that S2LOW applies to the message of its text answers and to the values of the PES status."""
    for character, entity in ESCAPES:
        text = text.replace(character, entity)
    return text


def to_latin1(text: str) -> bytes:
    """ISO-8859-1 bytes, a question mark for every character outside it (PHP's mb_convert_encoding)."""
    return text.encode("latin-1", "replace")


def truncate(text: str, length: int) -> str:
    """The first `length` characters: a value that is too long is cut, never refused."""
    return text[:length]


def to_ascii_xml(text: str) -> bytes:
    """Text of an XML element in pure ASCII: markup escaped, the rest as hexadecimal references (libxml's form)."""
    escaped = _printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return BEYOND_ASCII.sub(_reference, escaped).encode("ascii")


def to_latin1_xml(text: str) -> bytes:
    """Text of an XML element in ISO-8859-1: HTML-escaped as S2LOW does, references for what Latin-1 lacks."""
    return BEYOND_LATIN1.sub(_reference, escape_html(_printable(text))).encode("latin-1")


def to_ascii_html(text: str) -> bytes:
    """Text of an XML element in pure ASCII, HTML-escaped as S2LOW does."""
    return BEYOND_ASCII.sub(_reference, escape_html(_printable(text))).encode("ascii")


def _printable(text: str) -> str:
    return NOT_IN_XML.sub("", text)


def _reference(match: re.Match[str]) -> str:
    return f"&#x{ord(match[0]):X};"
