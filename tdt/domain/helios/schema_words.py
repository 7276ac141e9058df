"""What the validator of libxml2 says of a flow, in the words of whoever must correct it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tdt.domain.helios.findings import Finding, Where, clip

EDITOR = "Signaler ce défaut à l'éditeur du logiciel : le fichier qu'il produit ne suit pas le schéma."
VALUE = (
    "Corriger cette valeur dans le logiciel, puis refaire le flux ; si le logiciel ne la montre pas, voir l'éditeur."
)
PATTERNS: Mapping[str, str] = {
    r"[^ \.]|n[^c]|[^n]c|[^n][^c]|...+": "ni vide, ni un espace, ni un point, ni « nc »",
    r".*[^0]+.*": "autre chose que des zéros",
    r"[0-9]{3}": "3 chiffres",
    r"[0-9]*": "des chiffres",
    r"[0-9a-zA-Z]*": "des lettres sans accent et des chiffres",
    r"[0-9A-Z][0-9]": "un chiffre ou une lettre majuscule, puis un chiffre",
    r"(02[A-B][0-9]{3,4}|[0-9]{6,7})": "6 ou 7 chiffres (en Corse 02A ou 02B, puis 3 ou 4 chiffres)",
    r".+\.[A-Za-z0-9]{2,4}": "un nom qui finit par une extension de 2 à 4 caractères",
    r"[A-Z]{6,6}[A-Z2-9][A-NP-Z0-9]([A-Z0-9]{3,3}){0,1}": "un BIC : 8 ou 11 caractères, en majuscules",
    r"[A-Z]{2,2}[0-9]{2,2}[a-zA-Z0-9]{1,30}": "un IBAN : pays, clé, numéro",
}
"""Patterns of the DGFiP's types; another one is shown as it is."""
TYPES: Mapping[str, str] = {
    "date": "une date : AAAA-MM-JJ",
    "dateTime": "une date et une heure : AAAA-MM-JJThh:mm:ss",
    "gYear": "une année : AAAA",
    "boolean": "0 ou 1",
    "decimal": "un nombre, à point décimal",
    "integer": "un nombre entier",
    "base64Binary": "du base64",
    "ID": "un identifiant qui commence par une lettre, sans espace",
    "NCName": "un nom qui commence par une lettre, sans espace",
}


CAUSES: Mapping[str, str] = {
    "mismatched tag": "une balise fermante ne répond pas à la balise ouvrante",
    "syntax error": "ce n'en est pas",
    "no element found": "il est incomplet",
    "unclosed token": "il est coupé au milieu d'une balise",
    "not well-formed": "un caractère n'est pas à sa place",
    "junk after document element": "quelque chose suit la fin du document",
    "undefined entity": "il emploie une entité, qui n'est pas définie",
    "duplicate attribute": "une balise a deux fois le même attribut",
    "document type declarations": "il a une déclaration de type (DTD), refusée",
    "too many nested elements": "ses balises sont imbriquées trop profondément",
}
"""What the reader says, by its first words."""


@dataclass(frozen=True, slots=True)
class _Said:
    code: str
    message: str
    expected: str
    remedy: str = VALUE
    found: str = ""


def say(message: str, line: int, path: str, where: Where) -> Finding:
    """A finding from a message of the validator on the tag of this line. Whatever it breaks, the whole flow goes."""
    match = _SUBJECT.match(message)
    subject, rest = (match["subject"], match["rest"]) if match else ("", message)
    attribute = match["attribute"] or "" if match else ""
    said = next(told for told in (form(subject, rest) for form in _FORMS) if told is not None)
    element = f"{path}/@{attribute}" if attribute and attribute != "V" else path
    return Finding(
        code=said.code,
        source="schema",
        level="flux",
        line=line,
        element=element,
        where=where,
        found=clip(said.found),
        expected=said.expected,
        message=said.message,
        remedy=said.remedy,
    )


def not_xml(reason: str, line: int, path: str) -> Finding:
    """A finding for what cannot be read at all."""
    cause = next((words for said, words in CAUSES.items() if reason.startswith(said)), clip(reason))
    message = f"Le fichier n'est pas du XML bien formé : {cause}."
    return Finding("XSD_XML", "schema", "flux", line, path, Where(), "", "du XML bien formé", message, EDITOR)


def unknown_root(root: str) -> Finding:
    """A finding for a document that is no PES."""
    message = f"La racine {clip(root)} n'existe pas dans les schémas."
    return Finding("XSD_RACINE", "schema", "flux", 1, _local(root), Where(), clip(root), "PES_Aller", message, EDITOR)


def join_findings(findings: list[Finding]) -> list[Finding]:
    """Of those on one tag, one for each value: if it is too long, its pattern most often does not fit either."""
    kept: dict[tuple[str, str], Finding] = {}
    for one in findings:
        kept.setdefault((one.element, one.found), one)
    return list(kept.values())


_SUBJECT = re.compile(r"Element '(?P<subject>[^']*)'(?:, attribute '(?P<attribute>[^']*)')?: (?P<rest>.*)", re.DOTALL)
_SET = re.compile(r"'([^']*)'")
_EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*?) \)", re.DOTALL)


def _form(pattern: str) -> Callable[[Callable[[str, re.Match[str]], _Said]], Callable[[str, str], _Said | None]]:
    compiled = re.compile(pattern, re.DOTALL)

    def with_words(words: Callable[[str, re.Match[str]], _Said]) -> Callable[[str, str], _Said | None]:
        def read(subject: str, rest: str) -> _Said | None:
            match = compiled.search(rest)
            return None if match is None else words(_local(subject), match)

        return read

    return with_words


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _wanted(match: re.Match[str]) -> str:
    """The elements that the validator expected."""
    found = _EXPECTED.search(match.string)
    return " ou ".join(_local(name.strip()) for name in found[1].split(",")) if found else ""


def _value(name: str, code: str, match: re.Match[str], expected: str) -> _Said:
    value = match["value"]
    shown = f"« {clip(value)} »" if value else "vide"
    return _Said(code, f"La valeur de {name} n'est pas admise : {shown}.", expected, found=value)


@_form(r"\[facet 'enumeration'\] The value '(?P<value>.*)' is not an element of the set \{(?P<set>.*)\}")
def _enumeration(name: str, match: re.Match[str]) -> _Said:
    choices = _SET.findall(match["set"])
    return _value(name, "XSD_VALEUR", match, "une valeur parmi " + ", ".join(choices))


@_form(r"\[facet 'pattern'\] The value '(?P<value>.*)' is not accepted by the pattern '(?P<pattern>.*)'\.")
def _pattern(name: str, match: re.Match[str]) -> _Said:
    known = PATTERNS.get(match["pattern"])
    return _value(name, "XSD_FORMAT", match, known or f"une valeur de la forme {match['pattern']}")


@_form(
    r"\[facet '(?P<facet>length|minLength|maxLength)'\] "
    r"The value '(?P<value>.*)' has a length of .*'(?P<limit>[0-9]+)'\."
)
def _length(name: str, match: re.Match[str]) -> _Said:
    words = {"length": "exactement {}", "minLength": "au moins {}", "maxLength": "au plus {}"}[match["facet"]]
    many = "s" if int(match["limit"]) > 1 else ""
    return _value(name, "XSD_LONGUEUR", match, f"{words.format(match['limit'])} caractère{many}")


@_form(r"\[facet '(?P<facet>[a-zA-Z]+)'\] The value '(?P<value>.*?)' .*'(?P<limit>[^']+)'\)?\.$")
def _number(name: str, match: re.Match[str]) -> _Said:
    words = {
        "totalDigits": "au plus {} chiffres",
        "fractionDigits": "au plus {} décimales",
        "minInclusive": "{} ou plus",
        "maxInclusive": "{} ou moins",
        "minExclusive": "plus que {}",
        "maxExclusive": "moins que {}",
    }.get(match["facet"], match["facet"] + " {}")
    return _value(name, "XSD_NOMBRE", match, words.format(match["limit"]))


@_form(r"'(?P<value>.*)' is not a valid value of the (?:[a-z]+ )*type '(?P<type>[^']*)'")
def _type(name: str, match: re.Match[str]) -> _Said:
    kind = match["type"].rpartition(":")[2].rpartition("}")[2]
    code = "XSD_IDENTIFIANT" if kind == "ID" else "XSD_FORMAT"
    return _value(name, code, match, TYPES.get(kind, f"une valeur du type {kind}"))


@_form(r"This element is not expected")
def _unexpected(name: str, match: re.Match[str]) -> _Said:
    wanted = _wanted(match)
    expected = wanted or "rien de plus à cette place"
    return _Said("XSD_INATTENDU", f"La balise {name} n'est pas à sa place, ou n'existe pas.", expected, EDITOR, name)


@_form(r"Missing child element\(s\)")
def _missing(name: str, match: re.Match[str]) -> _Said:
    wanted = _wanted(match)
    return _Said("XSD_MANQUANT", f"Dans la balise {name}, il manque {wanted or 'une balise'}.", wanted, EDITOR)


@_form(r"The attribute '(?P<attribute>[^']*)' is required but missing")
def _required(name: str, match: re.Match[str]) -> _Said:
    attribute = _local(match["attribute"])
    return _Said("XSD_ATTRIBUT", f"L'attribut {attribute} de la balise {name} manque.", attribute, EDITOR)


@_form(r"The attribute '?(?P<attribute>[^' ]*)'? is not allowed|is not allowed\.$(?<!type\.)")
def _forbidden(name: str, _match: re.Match[str]) -> _Said:
    return _Said("XSD_ATTRIBUT", f"Un attribut de la balise {name} n'existe pas dans le schéma.", "", EDITOR)


@_form(r"[Cc]ontent(?: other than whitespace)? is not allowed")
def _content(name: str, _match: re.Match[str]) -> _Said:
    message = f"La balise {name} a un contenu qu'elle ne doit pas avoir."
    return _Said("XSD_CONTENU", message, "la valeur dans l'attribut V, pas de texte", EDITOR)


@_form(r"No matching global (?:element )?declaration available")
def _root(name: str, _match: re.Match[str]) -> _Said:
    return _Said("XSD_RACINE", f"La racine {name} n'existe pas dans le schéma.", "PES_Aller", EDITOR, name)


@_form(r"(?P<all>.*)")
def _other(name: str, match: re.Match[str]) -> _Said:
    return _Said("XSD_AUTRE", f"{name} : {match['all']}" if name else match["all"], "", EDITOR)


_FORMS = (
    _enumeration, _pattern, _length, _number, _type, _unexpected, _missing, _required, _content, _forbidden, _root,
    _other,
)  # fmt: skip
CODES = (
    "XSD_XML", "XSD_RACINE", "XSD_INATTENDU", "XSD_MANQUANT", "XSD_VALEUR", "XSD_FORMAT", "XSD_LONGUEUR", "XSD_NOMBRE",
    "XSD_IDENTIFIANT", "XSD_ATTRIBUT", "XSD_CONTENU", "XSD_AUTRE",
)  # fmt: skip
