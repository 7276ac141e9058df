"""Reading of the XML of the ministry by name, whatever it says of its charset and whatever version it follows."""

import re
from collections.abc import Iterator
from datetime import date

from lxml import etree

from tdt.domain.xml import XmlError, local_name, parse_tree

NAMESPACE = "http://www.interieur.gouv.fr/ACTES"
"""What every version of the namespace starts with (…#v1.1-20040216, and …#v1.1-20040202 in old messages)."""

MESSAGE_LIMIT = 16 * 1024 * 1024
"""Largest XML taken for a message: a whole classification is under 100 kB."""

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def parse_received(data: bytes) -> etree._Element:
    """Root of a message of the ministry. Raises XmlError: not XML, too large, DTD, or not a message of ACTES."""
    if len(data) > MESSAGE_LIMIT:
        raise XmlError(f"message de {len(data)} octets, trop volumineux")
    root = parse_tree(data, encoding=_encoding(data))
    if not str(root.tag).startswith("{" + NAMESPACE):
        raise XmlError(f"élément {local_name(str(root.tag))} étranger à ACTES")
    return root


def child(parent: etree._Element | None, name: str) -> etree._Element | None:
    """First child of this local name, None without parent or without such a child."""
    return next(children(parent, name), None)


def children(parent: etree._Element | None, name: str) -> Iterator[etree._Element]:
    """The children of this local name."""
    if parent is not None:
        yield from (element for element in parent if isinstance(element.tag, str) and local_name(element.tag) == name)


def attribute(element: etree._Element | None, name: str) -> str:
    """Value of the attribute of this local name, prefixed or not; empty without it."""
    if element is None:
        return ""
    return next((str(value).strip() for key, value in element.attrib.items() if local_name(str(key)) == name), "")


def text_of(element: etree._Element | None) -> str:
    """The text of a simple element, empty without it."""
    return "".join(str(part) for part in element.itertext()).strip() if element is not None else ""


def read_date(text: str) -> date | None:
    """A date of XML Schema: a time zone or a time after it is left aside."""
    match = re.match(r"\d{4}-\d{2}-\d{2}", text, re.ASCII)
    try:
        return date.fromisoformat(match[0]) if match else None
    except ValueError:
        return None


def read_integer(text: str) -> int | None:
    """A small whole number, None if it is anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _encoding(data: bytes) -> str | None:
    """The charset of the bytes themselves: some messages declare ISO-8859-1 over UTF-8, and S2LOW transcodes them."""
    if data.startswith(_UTF_16):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "windows-1252" if _all_windows_1252(data) else "iso-8859-1"
    return "utf-8"


def _all_windows_1252(data: bytes) -> bool:
    try:
        data.decode("windows-1252")
    except UnicodeDecodeError:
        return False
    return True
