"""Compile the schemas of a set from memory: they include each other, and nothing else of this world."""

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from lxml import etree

from tdt.documents.schema_archive import CODE, unpack
from tdt.documents.schemas import CompiledSet, SetOrder
from tdt.domain.errors import Refused

XS = "{http://www.w3.org/2001/XMLSchema}"
BASE = "tdt-set:///"
ROOTS = ("PES_Aller", "PES_ACQUIT_RETOUR", "PES_ACQUIT", "PES_Retour")
"""What a set may judge; the first is why it is installed."""


class MissingMember(Exception):
    """A schema names another that is not in its set."""


class _Members(etree.Resolver):
    """Gives the schemas of the set; whatever else is asked for is noted, and does not exist."""

    def __init__(self, files: Mapping[str, bytes]):
        self._files = files
        self.missing: list[str] = []

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        name = unquote(system_url.removeprefix(BASE))
        if system_url.startswith(BASE) and name in self._files:
            return self.resolve_string(self._files[name], context, base_url=system_url)
        self.missing.append(system_url.removeprefix(BASE))
        raise MissingMember(system_url)


def compile_schema(files: Mapping[str, bytes], path: str) -> etree.XMLSchema:
    """One schema with all that it includes. Raises Refused, in French."""
    members = _Members(files)
    parser = _parser(members)
    try:
        return etree.XMLSchema(etree.ElementTree(etree.fromstring(files[path], parser, base_url=BASE + path)))
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError, MissingMember) as error:
        if members.missing:
            raise _missing(path, members.missing[0]) from error
        raise _refused(f"{path} ne peut pas être utilisé ({error})") from error


def compile_set(_order: SetOrder, files: Sequence[int]) -> CompiledSet:
    """The task: every schema is one, and those of the roots compile. Raises Refused, in French."""
    members = unpack(_read(files[0]))
    roots: dict[str, str] = {}
    for path in sorted(members, key=lambda path: (len(PurePosixPath(path).parts), path)):
        for root in _roots(members, path):
            roots.setdefault(root, path)
    if not any(root.endswith("}PES_Aller") for root in roots):
        raise _refused("aucun de ses schémas ne décrit PES_Aller")
    for path in sorted(set(roots.values())):
        compile_schema(members, path)
    return CompiledSet(roots)


def _roots(files: Mapping[str, bytes], path: str) -> list[str]:
    members = _Members(files)
    try:
        root = etree.fromstring(files[path], _parser(members), base_url=BASE + path)
    except (etree.XMLSyntaxError, ValueError, MissingMember) as error:
        if members.missing:
            raise _missing(path, members.missing[0]) from error
        raise _refused(f"{path} n'est pas du XML ({error})") from error
    if root.tag != f"{XS}schema":
        raise _refused(f"{path} n'est pas un schéma XML")
    for link in root.iter(f"{XS}import", f"{XS}include", f"{XS}redefine"):
        location = link.get("schemaLocation") or ""
        if ":" in location.partition("/")[0] or location.startswith("/"):
            raise _refused(f"{path} va chercher {location!a} hors du jeu")
    names = [element.get("name") for element in root.findall(f"{XS}element")]
    return [f"{{{root.get('targetNamespace') or ''}}}{name}" for name in names if name in ROOTS]


def _parser(members: _Members) -> etree.XMLParser:
    # the schema of XML signatures may come with its DTD: entities of its own are read, nothing is fetched, and no file
    # of this machine either: `no_network` alone would let an entity name one
    parser = etree.XMLParser(resolve_entities=True, no_network=True, load_dtd=False, huge_tree=False)
    parser.resolvers.add(members)
    return parser


def _read(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _missing(path: str, wanted: str) -> Refused:
    return _refused(f"{path} demande {wanted!a}, qui n'y est pas")


def _refused(reason: str) -> Refused:
    return Refused(f"Jeu de schémas refusé : {reason}.", code=CODE)
