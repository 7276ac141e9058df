"""What a collectivité may write: the shape of its envelope and messages, after the tables of the norm (2017)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from lxml import etree

from tdt.domain.xml import XmlError, local_name, parse_tree

ACTES = "http://www.interieur.gouv.fr/ACTES#v1.1-20040216"
INSEE = "http://xml.insee.fr/schema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

DEPARTMENT = r"[0|9][0-9][A|B|0-9]"
ID_ACTE = DEPARTMENT + r"-[0-9]{9}-[0-9]{8}-[a-zA-Z0-9_]{1,15}-[A-Z]{2}"
EMAIL = r"[_a-zA-Z0-9\-]+(\.[_a-zA-Z0-9\-]+)*@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*\.[a-zA-Z]{2,6}"
INTEGER = r"[+-]?[0-9]+"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
ANY = r"(?s:.*)"

# Root of each message that a collectivité sends, by its code.
ROOTS = {
    "1-1": "Acte",
    "2-2": "ReponseCourrierSimple",
    "3-2": "ARDemandePieceComplementaire",
    "3-3": "RefusPieceComplementaire",
    "3-4": "PieceComplementaire",
    "4-2": "ARLettreObservations",
    "4-3": "RejetLettreObservations",
    "4-4": "ReponseLettreObservations",
    "6-1": "Annulation",
    "7-1": "DemandeClassification",
}


class Malformed(Exception):
    """Not XML, or not of the shape that the norm gives; the message says where."""


@dataclass(frozen=True, slots=True)
class Shape:
    """`children`: regular expression on the names of the children, each followed by a space; `text`: of a leaf."""

    children: str = ""
    text: str = r"\s*"
    attributes: Mapping[str, str] = field(default_factory=dict)
    free: bool = False


_MATIERE = Shape(attributes={"CodeMatiere": INTEGER})
_FILE = Shape("NomFichier (Signature )?")
_LETTER = {"IDActe": ID_ACTE, "DateCourrierPref": DATE}
_ANSWER = Shape("Document ", attributes=_LETTER)
_DATE = Shape(text=DATE)

SHAPES: dict[str, Shape] = {
    "EnveloppeCLMISILL": Shape("Emetteur AdressesRetour FormulairesEnvoyes "),
    "Emetteur": Shape("IDCL (Referent )?"),
    "IDCL": Shape(
        attributes={"SIREN": "[0-9]{9}", "Departement": DEPARTMENT, "Arrondissement": "[0-9]", "Nature": "[0-9]{2}"}
    ),
    "Referent": Shape("(Nom )?(Telephone )?(Email )?"),
    "Nom": Shape(text=ANY),
    "Telephone": Shape(text=ANY),
    "Email": Shape(text=EMAIL),
    "AdressesRetour": Shape("(Email )+"),
    "FormulairesEnvoyes": Shape("(Formulaire )+"),
    "Formulaire": _FILE,
    "NomFichier": Shape(text=ANY),
    "Signature": Shape(free=True),
    "Acte": Shape(
        "CodeMatiere1 CodeMatiere2 (CodeMatiere3 )?(CodeMatiere4 )?(CodeMatiere5 )?Objet (PrecedentIdentifiantActe )?"
        "ClassificationDateVersion Document Annexes DocumentPapier ",
        attributes={"Date": DATE, "NumeroInterne": r"(?s:.{0,15})", "CodeNatureActe": INTEGER},
    ),
    **{f"CodeMatiere{level}": _MATIERE for level in range(1, 6)},
    "Objet": Shape(text=r"(?s:.{0,500})"),
    "PrecedentIdentifiantActe": Shape(attributes={"IDActe": ID_ACTE}),
    "ClassificationDateVersion": _DATE,
    "Document": _FILE,
    "Annexes": Shape("(Annexe )*", attributes={"Nombre": INTEGER}),
    "Annexe": _FILE,
    "DocumentPapier": Shape(text=ANY),
    "ReponseCourrierSimple": _ANSWER,
    "ARDemandePieceComplementaire": Shape(attributes=_LETTER),
    "RefusPieceComplementaire": _ANSWER,
    "PieceComplementaire": Shape("Documents ", attributes=_LETTER),
    "Documents": Shape("(Document )+"),
    "ARLettreObservations": Shape(attributes=_LETTER),
    "RejetLettreObservations": _ANSWER,
    "ReponseLettreObservations": _ANSWER,
    "Annulation": Shape(attributes={"IDActe": ID_ACTE}),
    "DemandeClassification": Shape("(DateClassification )?"),
    "DateClassification": _DATE,
}


def read_shaped(data: bytes, root_name: str) -> etree._Element:
    """The tree of an XML whose root and every element have the shape expected. Raises Malformed."""
    try:
        root = parse_tree(data)
    except XmlError as error:
        raise Malformed(f"XML illisible : {error}") from error
    if root.tag != f"{{{ACTES}}}{root_name}":
        raise Malformed(f"élément racine {root.tag}, attendu {root_name}")
    _check(root)
    return root


def attribute(element: etree._Element, name: str) -> str:
    """Value of a qualified attribute (every attribute of these schemas carries its prefix)."""
    space = INSEE if name == "SIREN" else ACTES
    return element.get(f"{{{space}}}{name}", "")


def child_text(element: etree._Element, path: str) -> str:
    """Text of the first descendant `A/B`, names in the namespace of the messages; empty when absent."""
    found = element.find("/".join(f"{{{ACTES}}}{name}" for name in path.split("/")))
    return "" if found is None else (found.text or "")


def _check(element: etree._Element) -> None:
    name = local_name(element.tag)
    shape = SHAPES.get(name)
    if shape is None or not element.tag.startswith(f"{{{ACTES}}}"):
        raise Malformed(f"élément inattendu : {element.tag}")
    if shape.free:
        return
    _check_attributes(element, name, shape)
    children = [child for child in element if isinstance(child.tag, str)]
    if not re.fullmatch(shape.children, "".join(local_name(child.tag) + " " for child in children)):
        raise Malformed(f"contenu de {name} : {' '.join(local_name(child.tag) for child in children) or 'vide'}")
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if not re.fullmatch(shape.text, text):
        raise Malformed(f"valeur de {name} : {text.strip()[:80]}")
    if shape.text == DATE:
        _check_date(name, text)
    for child in children:
        _check(child)


def _check_attributes(element: etree._Element, name: str, shape: Shape) -> None:
    given = {str(key) for key in element.attrib} - {f"{{{XSI}}}schemaLocation"}
    if name == "DocumentPapier":  # the one element that the schema lets be nil
        given -= _check_nil(element)
    wanted = {f"{{{INSEE if key == 'SIREN' else ACTES}}}{key}" for key in shape.attributes}
    if given != wanted:
        raise Malformed(f"attributs de {name} : {', '.join(sorted(given ^ wanted))}")
    for key, pattern in shape.attributes.items():
        value = attribute(element, key)
        if not re.fullmatch(pattern, value):
            raise Malformed(f"valeur de l'attribut {key} de {name} : {value[:80]}")
        if pattern == DATE:
            _check_date(key, value)


def _check_nil(element: etree._Element) -> set[str]:
    """Its attribute xsi:nil, when it is right."""
    nil = element.get(f"{{{XSI}}}nil", "false")
    if nil not in ("true", "false", "1", "0") or (nil in ("true", "1") and (element.text or len(element))):
        raise Malformed("xsi:nil de DocumentPapier")
    return {f"{{{XSI}}}nil"}


def _check_date(name: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"date de {name} : {text}") from error
