"""Random messages of every kind that ACTES knows, and mutants of them with one change."""

import random
from collections.abc import Callable
from copy import deepcopy

from lxml import etree

A = "http://www.interieur.gouv.fr/ACTES#v1.1-20040216"
INSEE = "http://xml.insee.fr/schema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
NSMAP = {"actes": A, "insee": INSEE, "xsi": XSI}

Element = etree._Element
Rng = random.Random


def el(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    """A child of the namespace of ACTES, with attributes of the same namespace."""
    child = etree.SubElement(parent, f"{{{A}}}{name}")
    child.text = text
    for key, value in attributes.items():
        child.set(f"{{{A}}}{key}", value)
    return child


def attr(element: Element, **attributes: str) -> None:
    """Attributes of the namespace of ACTES."""
    for key, value in attributes.items():
        element.set(f"{{{A}}}{key}", value)


def some_date(r: Rng) -> str:
    return f"20{r.randrange(100):02d}-{r.randrange(1, 13):02d}-{r.randrange(1, 29):02d}"


def some_text(r: Rng, longest: int = 60) -> str:
    return "".join(r.choice("abcdéèàçœ’€ -_&<>\"'0123456789\n") for _ in range(r.randrange(longest)))


def department(r: Rng) -> str:
    return r.choice(["034", "001", "095", "02A", "02B", "971"])


def siren(r: Rng) -> str:
    return f"{r.randrange(10**9):09d}"


def id_acte(r: Rng) -> str:
    number = "".join(r.choice("ABCXYZabc0123456789_") for _ in range(r.randrange(1, 16)))
    nature = r.choice(["DE", "AR", "AI", "CC", "BF", "AU"])
    return f"{department(r)}-{siren(r)}-{some_date(r).replace('-', '')}-{number}-{nature}"


def signed_file(r: Rng, parent: Element, name: str) -> None:
    holder = el(parent, name)
    el(holder, "NomFichier", some_text(r, 40))
    if r.random() < 0.25:
        signature = el(holder, "Signature", some_text(r))
        if r.random() < 0.5:
            inner = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Signature", Id="x")
            etree.SubElement(inner, "unknown").text = "y"


def referent(r: Rng, parent: Element) -> None:
    if r.random() < 0.7:
        element = el(parent, "Referent")
        for name in ("Nom", "Telephone"):
            if r.random() < 0.7:
                el(element, name, some_text(r))
        if r.random() < 0.7:
            el(element, "Email", email(r))


def email(r: Rng) -> str:
    return r.choice(["actes@tdt.test", "a_b-c.d@x-y.z.fr", "A.B@prefecture.museum"])


def forms(r: Rng, parent: Element) -> None:
    holder = el(parent, "FormulairesEnvoyes")
    for _ in range(r.randrange(1, 4)):
        signed_file(r, holder, "Formulaire")


def envelope_data(r: Rng, parent: Element) -> None:
    origin = el(parent, "Emetteur")
    identity = el(
        origin,
        "IDCL",
        Departement=department(r),
        Arrondissement=str(r.randrange(10)),
        Nature=f"{r.randrange(100):02d}",
    )
    identity.set(f"{{{INSEE}}}SIREN", siren(r))
    referent(r, origin)
    addresses = el(parent, "AdressesRetour")
    for _ in range(r.randrange(1, 4)):
        el(addresses, "Email", email(r))
    forms(r, parent)


def acte_data(r: Rng, parent: Element) -> None:
    attr(
        parent, Date=some_date(r), NumeroInterne=some_text(r, 16).replace("\n", "x"), CodeNatureActe=str(r.randrange(9))
    )
    for level in range(1, 6):
        if level <= 2 or r.random() < 0.4:
            el(parent, f"CodeMatiere{level}", CodeMatiere=str(r.randrange(12)))
    el(parent, "Objet", r.choice([some_text(r), "x" * 500, "€" * 500, ""]))
    if r.random() < 0.3:
        el(parent, "PrecedentIdentifiantActe", IDActe=id_acte(r))
    el(parent, "ClassificationDateVersion", some_date(r))
    signed_file(r, parent, "Document")
    count = r.randrange(4)
    annexes = el(parent, "Annexes", Nombre=str(count))
    for _ in range(count):
        signed_file(r, annexes, "Annexe")
    paper = el(parent, "DocumentPapier", r.choice(["O", "N", "0", ""]))
    if r.random() < 0.2:
        paper.text = None
        paper.set(f"{{{XSI}}}nil", r.choice(["true", "1"]))


def letter(r: Rng, root: Element) -> None:
    attr(root, IDActe=id_acte(r), DateCourrierPref=some_date(r))


def letter_with_document(r: Rng, root: Element) -> None:
    letter(r, root)
    signed_file(r, root, "Document")


def answer_ar(r: Rng, root: Element) -> None:
    attr(root, DateReception=some_date(r))
    letter(r, el(root, "InfosCourrierPref"))


def state_envelope(r: Rng, root: Element) -> None:
    origin = el(root, "Emetteur")
    service = el(origin, r.choice(["IDSGAR", "IDPref", "IDSousPref"]), Departement=department(r))
    if str(service.tag).endswith("IDSousPref"):
        attr(service, Arrondissement=str(r.randrange(10)))
    referent(r, origin)
    forms(r, root)
    el(root, "Destinataire").set(f"{{{INSEE}}}SIREN", siren(r))


def envelope_anomaly(r: Rng, root: Element) -> None:
    el(root, "Date", some_date(r))
    el(root, "Nature", r.choice(["001", "2", "003", "4", "0005", "100"]))
    if r.random() < 0.5:
        el(root, "Detail", some_text(r))
    envelope_data(r, el(root, "EnveloppeRecue"))


def ar_acte(r: Rng, root: Element) -> None:
    attr(root, IDActe=id_acte(r), DateReception=some_date(r))
    acte_data(r, el(root, "ActeRecu"))
    el(root, "ClassificationDateVersionEnCours", some_date(r))


def acte_anomaly(r: Rng, root: Element) -> None:
    el(root, "Date", some_date(r))
    el(root, "Nature", f"{r.randrange(1000):03d}")
    if r.random() < 0.5:
        el(root, "Detail", some_text(r))
    acte_data(r, el(root, "ActeRecu"))
    el(root, "ClassificationDateVersionEnCours", some_date(r))


def pieces_request(r: Rng, root: Element) -> None:
    letter(r, root)
    el(root, "DescriptionPieces", some_text(r))
    signed_file(r, root, "Document")


def pieces(r: Rng, root: Element) -> None:
    letter(r, root)
    holder = el(root, "Documents")
    for _ in range(r.randrange(1, 4)):
        signed_file(r, holder, "Document")


def observations(r: Rng, root: Element) -> None:
    letter(r, root)
    el(root, "Motif", some_text(r))
    signed_file(r, root, "Document")


def deferral(r: Rng, root: Element) -> None:
    attr(root, IDActe=id_acte(r))
    el(root, "DateDepot", some_date(r))
    el(root, "NatureIllegalite", some_text(r))
    holder = el(root, "PiecesJointes")
    for _ in range(r.randrange(3)):
        signed_file(r, holder, "PieceJointe")


def annulation(r: Rng, root: Element) -> None:
    attr(root, IDActe=id_acte(r))


def annulation_ar(r: Rng, root: Element) -> None:
    attr(root, IDActe=id_acte(r), DateReception=some_date(r))


def classification_request(r: Rng, root: Element) -> None:
    if r.random() < 0.5:
        el(root, "DateClassification", some_date(r))


def classification_unchanged(r: Rng, root: Element) -> None:
    el(root, "DateClassification", some_date(r))


def classification(r: Rng, root: Element) -> None:
    el(root, "DateClassification", some_date(r))
    natures = el(root, "NaturesActes")
    for _ in range(r.randrange(1, 4)):
        nature = el(natures, "NatureActe", Libelle=some_text(r), TypeAbrege=r.choice(["DE", "AR", "é€"]))
        if r.random() < 0.8:
            attr(nature, CodeNatureActe=str(r.randrange(1, 7)))
        for _ in range(r.randrange(1, 4)):
            el(nature, "TypePJNatureActe", CodeTypePJ=r.choice(["99_DE", "", "x"]), Libelle=some_text(r))
    matieres(r, el(root, "Matieres"), 1)


def matieres(r: Rng, parent: Element, level: int) -> None:
    for _ in range(r.randrange(1 if level <= 2 else 0, 3)):
        node = el(parent, f"Matiere{level}", CodeMatiere=str(r.randrange(1, 12)), Libelle=some_text(r))
        if level < 5:
            matieres(r, node, level + 1)


BUILDERS: dict[str, Callable[[Rng, Element], None]] = {
    "EnveloppeCLMISILL": envelope_data,
    "EnveloppeMISILLCL": state_envelope,
    "AnomalieEnveloppe": envelope_anomaly,
    "Acte": acte_data,
    "ARActe": ar_acte,
    "AnomalieActe": acte_anomaly,
    "CourrierSimple": letter_with_document,
    "ReponseCourrierSimple": letter_with_document,
    "DemandePieceComplementaire": pieces_request,
    "ARDemandePieceComplementaire": letter,
    "RefusPieceComplementaire": letter_with_document,
    "PieceComplementaire": pieces,
    "ARPieceComplementaire": answer_ar,
    "LettreObservations": observations,
    "ARLettreObservations": letter,
    "RejetLettreObservations": letter_with_document,
    "ReponseLettreObservations": letter_with_document,
    "ARReponseRejetLettreObservations": answer_ar,
    "DefereTA": deferral,
    "Annulation": annulation,
    "ARAnnulation": annulation_ar,
    "DemandeClassification": classification_request,
    "RetourClassification": classification,
    "ReponseClassificationSansChangement": classification_unchanged,
}
"""Every message of the norm: the name of its root and what fills it."""


def message(r: Rng, name: str) -> Element:
    """A message of this name that follows the norm."""
    root = etree.Element(f"{{{A}}}{name}", nsmap=NSMAP)
    if r.random() < 0.9:
        root.set(f"{{{XSI}}}schemaLocation", f"{A} actesv1_1.xsd")
    BUILDERS[name](r, root)
    return root


WRONG_VALUES = [
    "", " ", "x", "0", "-1", "+1", "1.0", "12", "123", "1234", "0012", "2025-02-30", "2025-2-3", "2025-06-12Z",
    "25-06-12", "2025-06-12+02:00", " 2025-06-12 ", "2025-06-12T10:00:00", "12345678", "1234567890", " 123456782 ",
    "02C", "0|A", "2A1", "99", " 1 ", " 31 ", "\t012\n", " 100 ", " 034", "034 ", "a+b@tdt.test", "a@b",
    "a@b.museums", "é@tdt.test", "a@tdt.test ", "x" * 16, "x" * 501, "034-1-DE", "034-123456782-20250612-N1-de",
    "034-123456782-20250612-N-1-DE", "034-123456782-20250612-N1-ÉÀ", "DEL", "D", "200", "999", "٣", "O", "true",
]  # fmt: skip


def mutant(r: Rng, original: Element) -> Element:
    """A copy with one change, which may or may not break it."""
    root = deepcopy(original)
    MUTATIONS[r.randrange(len(MUTATIONS))](r, root)
    return root


def _elements(root: Element) -> list[Element]:
    """The elements that belong to ACTES, outside of signatures (whose content is free)."""
    found = []
    for element in root.iter(etree.Element):
        inside = any(str(parent.tag).endswith("}Signature") for parent in element.iterancestors())
        if not inside and not str(element.tag).endswith("}Signature"):
            found.append(element)
    return found


def _some(r: Rng, root: Element) -> Element:
    return r.choice(_elements(root))


def _with_attributes(r: Rng, root: Element) -> tuple[Element, list[str]] | None:
    choices = [
        (element, keys)
        for element in _elements(root)
        if (keys := [str(key) for key in element.attrib if not str(key).startswith("{" + XSI)])
    ]
    return r.choice(choices) if choices else None


def _remove_attribute(r: Rng, root: Element) -> None:
    if found := _with_attributes(r, root):
        del found[0].attrib[r.choice(found[1])]


def _unqualify_attribute(r: Rng, root: Element) -> None:
    if found := _with_attributes(r, root):
        element, keys = found
        key = r.choice(keys)
        element.set(key.rpartition("}")[2], element.attrib.pop(key))


def _change_attribute(r: Rng, root: Element) -> None:
    if found := _with_attributes(r, root):
        found[0].set(r.choice(found[1]), r.choice(WRONG_VALUES))


def _add_attribute(r: Rng, root: Element) -> None:
    name = r.choice(["IDActe", "Nature", "CodeMatiere", "Inconnu", "Libelle"])
    _some(r, root).set(r.choice([name, f"{{{A}}}{name}"]), r.choice(WRONG_VALUES))


def _change_text(r: Rng, root: Element) -> None:
    leaves = [element for element in _elements(root) if len(element) == 0 and not element.get(f"{{{XSI}}}nil")]
    if leaves:
        r.choice(leaves).text = r.choice(WRONG_VALUES)


def _remove_element(r: Rng, root: Element) -> None:
    element = _some(r, root)
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _repeat_element(r: Rng, root: Element) -> None:
    element = _some(r, root)
    if element.getparent() is not None:
        element.addnext(deepcopy(element))


def _swap_elements(r: Rng, root: Element) -> None:
    element = _some(r, root)
    following = element.getnext()
    if following is not None:
        following.addnext(element)


def _rename_element(r: Rng, root: Element) -> None:
    names = [*BUILDERS, "Document", "Annexe", "Email", "Inconnu", "CodeMatiere4", "NomFichier", "objet"]
    namespace = r.choice([A, A, A, "", A.replace("16", "02")])
    name = r.choice(names)
    _some(r, root).tag = f"{{{namespace}}}{name}" if namespace else name


def _change_namespace(r: Rng, root: Element) -> None:
    element = _some(r, root)
    namespace = r.choice([None, INSEE, A.replace("16", "02")])
    local = str(element.tag).rpartition("}")[2]
    element.tag = f"{{{namespace}}}{local}" if namespace else local


def _add_element(r: Rng, root: Element) -> None:
    name = r.choice(["Inconnu", "Objet", "Document", "Email", "DocumentPapier", "DateClassification", "Detail"])
    el(_some(r, root), name, r.choice(WRONG_VALUES))


def _add_text_between(r: Rng, root: Element) -> None:
    element = _some(r, root)
    text = r.choice(["x", " ", "\n\t"])
    if r.random() < 0.5 or element.getparent() is None:
        element.text = (element.text or "") + text
    else:
        element.tail = text


def _add_comment(r: Rng, root: Element) -> None:
    _some(r, root).append(r.choice([etree.Comment("c"), etree.ProcessingInstruction("p", "q")]))


def _nil_paper(r: Rng, root: Element) -> None:
    for paper in root.iter(f"{{{A}}}DocumentPapier"):
        paper.set(f"{{{XSI}}}nil", r.choice(["true", "false", "1", "0", "oui", ""]))
        paper.text = r.choice(["O", "", None, " "])


MUTATIONS: list[Callable[[Rng, Element], None]] = [
    _remove_attribute,
    _unqualify_attribute,
    _change_attribute,
    _change_attribute,
    _add_attribute,
    _change_text,
    _change_text,
    _remove_element,
    _repeat_element,
    _swap_elements,
    _rename_element,
    _change_namespace,
    _add_element,
    _add_text_between,
    _add_comment,
    _nil_paper,
]
