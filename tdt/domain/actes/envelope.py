"""The XML that leaves: the messages of a collectivité and their envelope, in ISO-8859-1 with the prefix `actes`."""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from lxml import etree

from tdt.domain.actes.model import ActeData, Emitter, Piece
from tdt.domain.actes.text import to_latin1_subject, xml_text

ACTES = "http://www.interieur.gouv.fr/ACTES#v1.1-20040216"
INSEE = "http://xml.insee.fr/schema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_NAMESPACES = {"actes": ACTES, "insee": INSEE, "xsi": XSI}
_SCHEMA_LOCATION = f"{ACTES} actesv1_1.xsd"

# The pattern of the type Email of the schema: no "+" nor "'" before the @, a top-level domain of 2 to 6 letters.
_EMAIL = re.compile(r"[_a-zA-Z0-9\-]+(\.[_a-zA-Z0-9\-]+)*@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*\.[a-zA-Z]{2,6}", re.ASCII)
_EMAIL_LENGTH = 254
"""RFC 5321: a longer one cannot be delivered, and a bounded length bounds the work of the pattern."""


def valid_return_address(email: str) -> bool:
    """Whether the schema takes this address: a single bad one makes the whole envelope invalid."""
    return len(email) <= _EMAIL_LENGTH and _EMAIL.fullmatch(email) is not None


def build_acte(acte: ActeData) -> bytes:
    """The message 1-1."""
    root = _root("Acte")
    _set(root, "Date", acte.decision_date.isoformat())
    _set(root, "NumeroInterne", acte.number)
    _set(root, "CodeNatureActe", str(acte.nature_code))
    for level, code in enumerate(acte.classif, start=1):
        _set(_add(root, f"CodeMatiere{level}"), "CodeMatiere", str(code))
    _add(root, "Objet", to_latin1_subject(acte.subject))
    _add(root, "ClassificationDateVersion", acte.classification_date.isoformat())
    _add_piece(root, "Document", acte.document)
    annexes = _add(root, "Annexes")
    _set(annexes, "Nombre", str(len(acte.annexes)))
    for annexe in acte.annexes:
        _add_piece(annexes, "Annexe", annexe)
    _add(root, "DocumentPapier", "O" if acte.document_papier else "N")
    return _serialize(root)


def build_classification_request(held: date | None) -> bytes:
    """The message 7-1. `held` is the date of the classification held; without it the answer is always a full one."""
    root = _root("DemandeClassification")
    if held is not None:
        _add(root, "DateClassification", held.isoformat())
    return _serialize(root)


ANSWERS: Mapping[str, str] = {
    "2-2": "ReponseCourrierSimple",
    "3-2": "ARDemandePieceComplementaire",
    "3-3": "RefusPieceComplementaire",
    "3-4": "PieceComplementaire",
    "4-2": "ARLettreObservations",
    "4-3": "RejetLettreObservations",
    "4-4": "ReponseLettreObservations",
}
"""The messages by which a letter of the préfecture is acknowledged (3-2, 4-2) or answered."""


def build_answer(code: str, unique_id: str, letter_date: date, pieces: Sequence[Piece] = ()) -> bytes:
    """The message `code` to the letter of this date about this act: the pair is all that names the letter.

    3-2 and 4-2 hold no piece, 3-4 one or more, the others one. Source: XSD, actes-protocol §1.5.
    """
    root = _root(ANSWERS[code])
    _set(root, "DateCourrierPref", letter_date.isoformat())
    _set(root, "IDActe", unique_id)
    holder = _add(root, "Documents") if code == "3-4" else root
    for piece in pieces:
        _add_piece(holder, "Document", piece)
    return _serialize(root)


def build_cancellation(unique_id: str) -> bytes:
    """The message 6-1."""
    root = _root("Annulation")
    _set(root, "IDActe", unique_id)
    return _serialize(root)


def build_envelope(emitter: Emitter, forms: Sequence[str]) -> bytes:
    """The envelope that lists the messages named `forms`. A referent's address that the schema refuses is left out."""
    root = _root("EnveloppeCLMISILL")
    origin = _add(root, "Emetteur")
    identity = _add(origin, "IDCL")
    identity.set(f"{{{INSEE}}}SIREN", emitter.siren)
    _set(identity, "Departement", emitter.department)
    _set(identity, "Arrondissement", emitter.district)
    _set(identity, "Nature", f"{emitter.nature:02d}")
    _add_referent(origin, emitter)
    addresses = _add(root, "AdressesRetour")
    for address in emitter.return_addresses:
        _add(addresses, "Email", address)
    sent = _add(root, "FormulairesEnvoyes")
    for form in forms:
        _add_piece(sent, "Formulaire", Piece(form))
    return _serialize(root)


def _add_referent(origin: etree._Element, emitter: Emitter) -> None:
    name = to_latin1_subject(emitter.referent_name.strip())
    telephone = to_latin1_subject(emitter.referent_telephone.strip())
    email = emitter.referent_email.strip()
    fields = {"Nom": name, "Telephone": telephone, "Email": email if valid_return_address(email) else ""}
    if any(fields.values()):
        referent = _add(origin, "Referent")
        for field, value in fields.items():
            if value:
                _add(referent, field, value)


def _add_piece(parent: etree._Element, name: str, piece: Piece) -> None:
    element = _add(parent, name)
    _add(element, "NomFichier", piece.name)
    if piece.signature:
        _add(element, "Signature", xml_text(piece.signature))


def _root(name: str) -> etree._Element:
    root = etree.Element(f"{{{ACTES}}}{name}", nsmap=_NAMESPACES)
    root.set(f"{{{XSI}}}schemaLocation", _SCHEMA_LOCATION)
    return root


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    element = etree.SubElement(parent, f"{{{ACTES}}}{name}")
    element.text = text
    return element


def _set(element: etree._Element, name: str, value: str) -> None:
    element.set(f"{{{ACTES}}}{name}", value)


def _serialize(root: etree._Element) -> bytes:
    # The prolog by hand: lxml writes it with simple quotes, which some readers of the field do not expect.
    body = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=False, pretty_print=True)
    assert isinstance(body, bytes)
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>\n' + body
