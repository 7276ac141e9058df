"""Why a file could not be read, in words for people; the reader's own stay beside them, for the log."""

import re

_WORDS = (
    (r"declared encoding: none, so UTF-8", "aucun encodage n'est déclaré, c'est donc UTF-8"),
    (r"declared encoding: (\S+)", "l'encodage déclaré est {}"),
    (r"byte order mark of (\S+)", "il commence par la marque d'ordre des octets (BOM) d'{}"),
    (r"NUL bytes", "il contient des octets nuls : il est en UTF-16 ou UTF-32, ou ce n'est pas du texte"),
    (r"more than (\d+) levels", "ses balises sont imbriquées sur plus de {} niveaux"),
    (r"more than (\d+) different names", "il emploie plus de {} noms différents"),
    (r"more than (\d+) elements and texts", "il a plus de {} éléments"),
    (r"a tag or comment longer than (\d+) bytes", "une balise ou un commentaire a plus de {} octets"),
    (r"document type declarations", "il a une déclaration de type (DTD), refusée"),
    (r"Document is empty|no element found", "il est vide"),
    (r"Start tag expected", "ce n'est pas du XML"),
    (r"Premature end of data|unclosed", "il est coupé avant sa fin"),
    (r"Opening and ending tag mismatch", "une balise fermante ne répond pas à la balise ouvrante"),
    (r"Extra content at the end", "quelque chose suit la fin du document"),
    (r"Entity '|xmlParseEntityRef|Undeclared entity", "il emploie une entité, qui n'est pas définie"),
    (r"Attribute \S+ redefined", "une balise a deux fois le même attribut"),
    (r"XML declaration allowed only", "un autre document suit le premier"),
    (r"expected '>'|Couldn't find end of Start Tag", "une balise est incomplète"),
)
_LINE = re.compile(r", line (\d+)")


def say_unreadable(reason: str) -> str:
    """The reason in French, with its line when it is known; as it came when it is none of those that are known."""
    line = _LINE.search(reason)
    where = f" (ligne {line[1]})" if line is not None else ""
    for pattern, words in _WORDS:
        if (found := re.match(pattern, reason)) is not None:
            return words.format(*found.groups()) + where
    return reason
