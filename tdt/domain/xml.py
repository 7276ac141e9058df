"""The hardened XML parsers: no entities, no DTD, no network; huge text nodes allowed."""

from typing import Any
from xml.parsers import expat

from lxml import etree


class XmlError(ValueError):
    """Not well-formed, or of a kind that we do not read (DTD, entities)."""


def parse_tree(data: bytes, encoding: str | None = None) -> etree._Element:
    """Parse a small document into a tree and give its root; `encoding` overrides the declared one. Raises XmlError."""
    parser = etree.XMLParser(
        encoding=encoding, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_pis=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlError(str(error)) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlError("document type declarations are not accepted")
    return root


def feed_parser(target: Any) -> etree.XMLParser:
    """A parser to `feed()` chunk by chunk; it calls `target.start/end/data/close` and keeps nothing itself."""
    return etree.XMLParser(target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


def name_parser() -> expat.XMLParserType:
    """A parser to feed chunk by chunk that tells names as they are written: lxml only tells their namespace.

    It fetches nothing and refuses a DTD, so no entity can be declared. It raises XmlError from `feed_names`.
    """
    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def feed_names(parser: expat.XMLParserType, data: bytes, final: bool = False) -> None:
    """Hand the next bytes to a parser of `name_parser`. Raises XmlError."""
    try:
        parser.Parse(data, final)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise XmlError(str(error)) from error


def _refuse_doctype(*_: object) -> None:
    raise XmlError("document type declarations are not accepted")


def local_name(tag: str) -> str:
    """Name of an element or attribute without its namespace."""
    return tag.rpartition("}")[2]
