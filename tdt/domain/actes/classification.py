"""A classification (message 7-2): natures with their typologie, matières in their tree; read, judged, kept as data."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from lxml import etree

from tdt.domain.actes.model import Classification, Matiere, Nature, TypePiece
from tdt.domain.actes.reading import attribute, child, children, parse_received, read_date, read_integer, text_of
from tdt.domain.xml import XmlError, local_name

_LEVELS = 5

UNREADABLE = "illisible : {}"
WITHOUT_NATURES = "elle n'a aucune nature d'acte"
WITHOUT_MATIERES = "elle n'a aucune matière"
IN_THE_FUTURE = "elle est datée du {:%d/%m/%Y}, un jour à venir"


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


def fault_of(found: Classification, today: date) -> str:
    """Why this one must never be in force, in French; empty when nothing stands in the way.

    One that lacks its natures or its matières would have every act refused; one of a day to come would stay in force
    whatever follows, for the newest date wins. Those of 2017 and before have natures without typologie.
    """
    if not found.natures:
        return WITHOUT_NATURES
    if not found.matieres:
        return WITHOUT_MATIERES
    return IN_THE_FUTURE.format(found.date) if found.date > today else ""


def judge_classification(data: bytes, today: date) -> tuple[Classification | None, str]:
    """What the bytes of a 7-2 say, and why it must never be in force (empty: it may)."""
    try:
        found = parse_classification(data)
    except XmlError as error:
        return None, UNREADABLE.format(error)
    return found, fault_of(found, today)


def natures_data(natures: Sequence[Nature]) -> list[dict[str, object]]:
    """As they are kept: `[{"code": 1, "short": "DE", "label": …, "pieces": [{"code": "99_DE", "label": …}]}]`."""
    return [
        {
            "code": nature.code,
            "short": nature.short,
            "label": nature.label,
            "pieces": [{"code": piece.code, "label": piece.label} for piece in nature.pieces],
        }
        for nature in natures
    ]


def matieres_data(matieres: Sequence[Matiere]) -> list[dict[str, object]]:
    """As they are kept: a tree of `{"code": 1, "label": …, "children": […]}`."""
    return [
        {"code": one.code, "label": one.label, "children": matieres_data(one.children)}
        if one.children
        else {"code": one.code, "label": one.label}
        for one in matieres
    ]


def read_data(day: date, natures: Sequence[Mapping[str, Any]], matieres: Sequence[Mapping[str, Any]]) -> Classification:
    """The classification that was kept as data."""
    return Classification(day, tuple(map(_nature_of, natures)), tuple(map(_matiere_of, matieres)))


def _nature_of(kept: Mapping[str, Any]) -> Nature:
    pieces = tuple(TypePiece(piece["code"], piece["label"]) for piece in kept["pieces"])
    return Nature(kept["code"], kept["short"], kept["label"], pieces)


def _matiere_of(kept: Mapping[str, Any]) -> Matiere:
    return Matiere(kept["code"], kept["label"], tuple(map(_matiere_of, kept.get("children", ()))))
