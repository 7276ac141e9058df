"""Reading of a classification (message 7-2): natures with their typologie, matières in their tree."""

from lxml import etree

from tdt.domain.actes.model import Classification, Matiere, Nature, TypePiece
from tdt.domain.actes.reading import attribute, child, children, parse_received, read_date, read_integer, text_of
from tdt.domain.xml import XmlError, local_name

_LEVELS = 5


def parse_classification(data: bytes) -> Classification:
    """Read a RetourClassification, of any version of the schema. Raises XmlError when it is not one."""
    root = parse_received(data)
    if local_name(root.tag) != "RetourClassification":
        raise XmlError(f"élément {local_name(root.tag)} au lieu de RetourClassification")
    day = read_date(text_of(child(root, "DateClassification")))
    if day is None:
        raise XmlError("date de classification absente ou illisible")
    natures = (_nature(element) for element in children(child(root, "NaturesActes"), "NatureActe"))
    return Classification(
        date=day,
        natures=tuple(nature for nature in natures if nature is not None),
        matieres=_matieres(child(root, "Matieres"), 1),
    )


def _nature(element: etree._Element) -> Nature | None:
    code = read_integer(attribute(element, "CodeNatureActe"))
    if code is None:
        return None
    pieces = tuple(
        TypePiece(attribute(piece, "CodeTypePJ"), attribute(piece, "Libelle"))
        for piece in children(element, "TypePJNatureActe")
    )
    return Nature(code, attribute(element, "TypeAbrege"), attribute(element, "Libelle"), pieces)


def _matieres(parent: etree._Element | None, level: int) -> tuple[Matiere, ...]:
    if level > _LEVELS:
        return ()
    found = []
    for element in children(parent, f"Matiere{level}"):
        code = read_integer(attribute(element, "CodeMatiere"))
        if code is not None:
            found.append(Matiere(code, attribute(element, "Libelle"), _matieres(element, level + 1)))
    return tuple(found)
