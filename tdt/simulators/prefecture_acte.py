"""What the préfecture checks on one act, in the order of the protocol, and the anomaly that each fault gets."""

import hashlib
from collections.abc import Callable

from lxml import etree

from tdt.domain.xml import XmlError, parse_tree
from tdt.simulators.classification_data import national_classification
from tdt.simulators.prefecture_answers import Anomaly
from tdt.simulators.prefecture_checks import (
    DOCUMENT_NAME,
    Message,
    Reading,
    Rules,
    document_names,
    sound_format,
)
from tdt.simulators.prefecture_grammar import ACTES, attribute, child_text

STALE = "ODT-VERIF-01 : Votre acte a été transmis avec une date de classification qui n'est pas à jour"
BUDGET = "{http://www.minefi.gouv.fr/cp/demat/docbudgetaire}"

Check = Callable[[Message, Reading, Rules], Anomaly | None]


def check_acte(message: Message, reading: Reading, rules: Rules) -> Anomaly | None:
    """The first fault of this act, or None. Presence, names and date are always checked, the rest when `strict`."""
    checks: tuple[tuple[Check, bool], ...] = (
        (_presence, True),
        (_names, True),
        (_formats, rules.strict),
        (_number, rules.strict),
        (_classification_date, True),
        (_matieres, rules.strict),
        (_typologie, rules.strict),
        (_seal, rules.strict),
    )
    for check, wanted in checks:
        anomaly = check(message, reading, rules) if wanted else None
        if anomaly:
            return anomaly
    return None


def _presence(message: Message, reading: Reading, _rules: Rules) -> Anomaly | None:
    names = document_names(message.root)
    missing = [name for name in names if name not in reading.archive.members]
    if missing:
        return Anomaly("006", f"Pièce jointe absente de l'archive : {missing[0]}")
    annexes = message.root.find(f"{{{ACTES}}}Annexes")
    announced = int(attribute(annexes, "Nombre")) if annexes is not None else 0
    if announced != len(names) - 1:
        return Anomaly("006", f"{announced} annexes annoncées, {len(names) - 1} nommées")
    return None


def _names(message: Message, _reading: Reading, _rules: Rules) -> Anomaly | None:
    wrong = [name for name in document_names(message.root) if not DOCUMENT_NAME.fullmatch(name)]
    if wrong:
        return Anomaly("007", f"Nom de pièce jointe non conforme : {wrong[0]}")
    if message.id_acte is None:
        return Anomaly("005", "Numéro ou nature de l'acte incorrects")
    return None


def _formats(message: Message, reading: Reading, _rules: Rules) -> Anomaly | None:
    names = document_names(message.root)
    wrong = [name for name in names if not sound_format(reading.archive.members[name])]
    if not wrong and names[0].endswith(".xml") and not _is_budget(message):
        wrong = names[:1]
    return Anomaly("007", f"Format de pièce jointe refusé : {wrong[0]}") if wrong else None


def _number(message: Message, _reading: Reading, rules: Rules) -> Anomaly | None:
    if message.id_acte is not None and rules.is_registered(message.id_acte):
        return Anomaly("001", f"Acte déjà transmis : {message.id_acte}")
    return None


def _classification_date(message: Message, _reading: Reading, rules: Rules) -> Anomaly | None:
    used = child_text(message.root, "ClassificationDateVersion")
    if used == rules.classification:
        return None
    return Anomaly("002", f"{STALE} (celle du {used} ; en vigueur : {rules.classification})")


def _matieres(message: Message, _reading: Reading, _rules: Rules) -> Anomaly | None:
    found = (message.root.find(f"{{{ACTES}}}CodeMatiere{level}") for level in range(1, 6))
    codes = [int(attribute(level, "CodeMatiere")) for level in found if level is not None]
    first = national_classification().matieres.get(codes[0])
    if first is not None and codes[1] in first.children and len(codes) == 2:
        return None
    return Anomaly("003", f"Matière absente de la classification : {'.'.join(map(str, codes))}")


def _typologie(message: Message, _reading: Reading, _rules: Rules) -> Anomaly | None:
    nature = national_classification().natures[int(attribute(message.root, "CodeNatureActe"))]
    for name in document_names(message.root):
        match = DOCUMENT_NAME.fullmatch(name)
        kind = match["type"] if match else None
        if kind not in nature.types:
            return Anomaly("007", f"Type {kind or 'absent'} non permis pour la nature {nature.code} : {name}")
    return None


def _seal(message: Message, reading: Reading, _rules: Rules) -> Anomaly | None:
    name = document_names(message.root)[0]
    if not name.endswith(".xml"):
        return None
    data = reading.archive.xml.get(name)
    if data is None:
        return Anomaly("007", f"Document budgétaire trop volumineux pour être vérifié : {name}")
    try:
        root = parse_tree(data)
    except XmlError as error:
        return Anomaly("007", f"Document budgétaire illisible : {error}")
    return None if sealed(root) else Anomaly("007", f"Scellement absent ou faux : {name}")


def _is_budget(message: Message) -> bool:
    first, second = (message.root.find(f"{{{ACTES}}}CodeMatiere{level}") for level in (1, 2))
    assert first is not None and second is not None
    matiere = int(attribute(first, "CodeMatiere")), int(attribute(second, "CodeMatiere"))
    return int(attribute(message.root, "CodeNatureActe")) == 5 and matiere == (7, 1)


def sealed(root: etree._Element) -> bool:
    """Whether the TotEM seal of a budget is right: digests of the canonical document without its seal.

    A file re-indented after sealing is right too, as the reference tool re-indents (3 spaces) before it canonicalises.
    """
    seal = root.find(f"{BUDGET}Scellement")
    if root.tag != f"{BUDGET}DocumentBudgetaire" or seal is None:
        return False
    expected = (seal.get("md5", "").upper(), seal.get("sha1", "").upper())
    root.remove(seal)  # lxml drops the white space that follows with it, as the algorithm demands
    if _digests(root) == expected:
        return True
    etree.indent(root, space="   ")
    return _digests(root) == expected


def _digests(root: etree._Element) -> tuple[str, str]:
    canonical = etree.tostring(root, method="c14n", with_comments=False)
    md5 = hashlib.md5(canonical, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(canonical, usedforsecurity=False).hexdigest()
    return md5.upper(), sha1.upper()
