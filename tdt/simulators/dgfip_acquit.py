"""Write the PES_ACQUIT of a flow: version 2, version 1, and the non-conforming one of a technical rejection."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from lxml import etree

from tdt.simulators.dgfip_reader import Flow

PARIS = ZoneInfo("Europe/Paris")
RETOUR = "http://www.minefi.gouv.fr/cp/helios/pes_v2/Rev0/retour"
RETOUR_V2 = RETOUR + "/v2"
HEADER = ("DteStr", "IdPost", "LibellePoste", "IdColl", "FinJur", "CodCol", "CodBud", "LibelleColBud")
LONGEST_LABEL = 500
DOMAINS = {"depense": 5, "recette": 6}
TECHNICAL, ATTACHMENT, MARKET, INVOICE = 0, 4, 11, 12


@dataclass(frozen=True, slots=True)
class Fault:
    """One error; `piece` and `line` say where, empty = on the whole element."""

    code: str
    label: str
    piece: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """One ElementACQUIT: of a bordereau, a PJ, a marché, or of the whole flow."""

    domain: int
    number: str = ""
    exercise: str = ""
    market: str = ""
    unique: str = ""
    faults: tuple[Fault, ...] = ()


# The one line error whose number and text were seen in real acquits.
LINE_FAULT = ("ERREUR_AUTRE", "1971 - Compte fonction présent à tort")


def elements_of(flow: Flow) -> list[Element]:
    """One element per bordereau and per PJ, all accepted; empty when there is nothing to acknowledge."""
    elements = [Element(DOMAINS[b.domain], number=b.number, exercise=b.exercise) for b in flow.bordereaux]
    elements += [Element(ATTACHMENT, unique=unique) for unique in flow.attachments]
    elements += [Element(MARKET, market=market) for market in flow.markets]
    if "PES_Marche" in flow.blocks and not flow.markets:
        elements.append(Element(MARKET))
    if "PES_Facture" in flow.blocks:
        elements.append(Element(INVOICE))
    if not elements and flow.blocks:
        elements.append(Element(ATTACHMENT if "PES_PJ" in flow.blocks else TECHNICAL))
    return elements


def refuse_first(flow: Flow, elements: Sequence[Element], level: str = "line") -> list[Element]:
    """The first element refused: a bordereau on its first line, or on its first pièce, or as a whole."""
    first = elements[0]
    code, label = LINE_FAULT
    if flow.bordereaux and level in ("line", "piece"):
        line = (flow.bordereaux[0].line or "1") if level == "line" else ""
        fault = Fault(code, label, piece=flow.bordereaux[0].piece or "1", line=line)
    else:
        fault = Fault("ERREUR_AUTRE", "Rejet forcé du simulateur")
    refused = Element(first.domain, first.number, first.exercise, first.market, first.unique, (fault,))
    return [refused, *elements[1:]]


def refuse_attachment(elements: Sequence[Element], fault: Fault) -> list[Element]:
    """The first PJ refused, if there is one."""
    refused = next((element for element in elements if element.domain == ATTACHMENT), None)
    return [replace(one, faults=(fault,)) if one is refused else one for one in elements]


def build_v2(flow: Flow, elements: Sequence[Element]) -> bytes:
    root = _root(RETOUR_V2, "PES_ACQUIT")
    _envelope(root, flow)
    _header(root, flow)
    acquit = _acquit(root, "2")
    for element in elements:
        item = _state(acquit, element.domain, not element.faults)
        _leaves(item, (("NumBord", element.number), ("ExerciceBord", element.exercise)))
        _leaves(item, (("IdMarche", element.market[:18]), ("IdUnique", element.unique)))
        _faults(item, element.faults)
    return serialise(root)


def build_v1(flow: Flow, elements: Sequence[Element]) -> bytes:
    """The older flat shape: one ElementACQUIT per error, one per accepted element."""
    root = _root(RETOUR, "PES_ACQUIT")
    _envelope(root, flow)
    _header(root, flow)
    acquit = _acquit(root, "1")
    for element in elements:
        for fault in element.faults or (None,):
            item = _state(acquit, element.domain, fault is None)
            _leaves(item, (("ExerciceBord", element.exercise), ("NumBord", element.number)))
            if fault:
                _leaves(item, (("NumPiece", fault.piece), ("NumLigne", fault.line)))
            _leaves(item, (("IdUnique", element.unique),))
            if fault:
                _leaves(item, (("NumAnoAck", fault.code), ("LibelleAnoAck", fault.label[:LONGEST_LABEL])))
    return serialise(root)


def build_technical(flow: Flow, line: int, column: int, reason: str) -> bytes:
    """A rejection at boîte 1 in its real shape, which breaks the schema: UNKNOWN_TYPE and no Emetteur."""
    root = _root(RETOUR_V2, "PES_ACQUIT")
    settings = etree.SubElement(etree.SubElement(root, "Enveloppe"), "Parametres")
    _leaves(settings, (("Version", flow.version or "2"), ("TypFic", "UNKNOWN_TYPE"), ("NomFic", flow.file_name)))
    _header(root, flow)
    label = (
        "Une erreur technique est survenue lors de la validation/decoupage technique (Boite 1) : "
        f"Erreur de validation XSD en boite 1 [({line},{column}) {reason}"
    )
    item = _state(_acquit(root, "2"), TECHNICAL, accepted=False)
    _faults(item, (Fault("ERREUR_AUTRE", label[: LONGEST_LABEL - 2] + "] "),))
    return serialise(root)


def acquit_name(flow: Flow, serial: int, instant: datetime) -> str:
    """`<IdPost>_<yymmddhhmmss>-ACK-<serial>.xml`, the time in Paris."""
    post = flow.header.get("IdPost", "")
    if not (post.isascii() and post.isalnum() and len(post) <= 10):
        post = "000000"
    return f"{post}_{instant.astimezone(PARIS):%y%m%d%H%M%S}-ACK-{serial:08d}.xml"


def serialise(root: etree._Element) -> bytes:
    """ISO-8859-1, as everything that travels in HELIOS; what it cannot write becomes a character reference."""
    body = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=False, pretty_print=True)
    assert isinstance(body, bytes)
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>\n' + body


def _root(namespace: str, name: str) -> etree._Element:
    return etree.Element(f"{{{namespace}}}{name}", nsmap={"n": namespace})


def _leaves(parent: etree._Element, values: Sequence[tuple[str, str]]) -> None:
    for name, value in values:
        if value:
            etree.SubElement(parent, name).set("V", value)


def _envelope(root: etree._Element, flow: Flow) -> None:
    """The sender's envelope; what it lacks gets a value, for the acquit itself must be valid."""
    envelope = etree.SubElement(root, "Enveloppe")
    values = (("Version", flow.version or "2"), ("TypFic", flow.file_type or "PESALR1"), ("NomFic", flow.file_name))
    _leaves(etree.SubElement(envelope, "Parametres"), values)
    sender = (("Sigle", flow.sender.get("Sigle") or "INCONNU"), ("Adresse", flow.sender.get("Adresse") or "INCONNU"))
    _leaves(etree.SubElement(envelope, "Emetteur"), sender)
    _leaves(etree.SubElement(envelope, "Recepteur"), (("Sigle", "HELIOS"),))


def _header(root: etree._Element, flow: Flow) -> None:
    header = etree.SubElement(root, "EnTetePES")
    _leaves(header, [(name, flow.header.get(name, "")) for name in HEADER])
    siret = header.find("IdColl")
    if siret is None and "IdColl" in flow.header:  # may be empty, must be there
        after = header.find("LibellePoste") if header.find("LibellePoste") is not None else header.find("IdPost")
        empty = etree.Element("IdColl")
        empty.set("V", "")
        header.insert(0 if after is None else header.index(after) + 1, empty)


def _acquit(root: etree._Element, version: str) -> etree._Element:
    acquit = etree.SubElement(root, "ACQUIT")
    _leaves(etree.SubElement(acquit, "EnTeteAcquit"), (("IdVer", version),))
    return acquit


def _state(acquit: etree._Element, domain: int, accepted: bool) -> etree._Element:
    item = etree.SubElement(acquit, "ElementACQUIT")
    _leaves(item, (("DomaineAck", str(domain)), ("EtatAck", "1" if accepted else "0")))
    return item


def _faults(item: etree._Element, faults: Sequence[Fault]) -> None:
    """Errors on the element, then by piece: on the piece itself, then by line (the order of the schema)."""
    for fault in faults:
        if not fault.piece:
            _fault(item, fault)
    for piece in dict.fromkeys(fault.piece for fault in faults if fault.piece):
        detail = etree.SubElement(item, "DetailPiece")
        _leaves(detail, (("NumPiece", piece),))
        mine = [fault for fault in faults if fault.piece == piece]
        for fault in mine:
            if not fault.line:
                _fault(detail, fault)
        for line in dict.fromkeys(fault.line for fault in mine if fault.line):
            lines = etree.SubElement(detail, "DetailLigne")
            _leaves(lines, (("NumLigne", line),))
            for fault in mine:
                if fault.line == line:
                    _fault(lines, fault)


def _fault(parent: etree._Element, fault: Fault) -> None:
    item = etree.SubElement(parent, "Erreur")
    _leaves(item, (("NumAnoAck", fault.code), ("LibelleAnoAck", fault.label[:LONGEST_LABEL])))
