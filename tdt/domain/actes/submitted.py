"""A ready-made envelope as `actes_transac_submit.php` judges it: S2LOW's order and words."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from lxml import etree

from tdt.domain.actes import filetype
from tdt.domain.actes.envelope import valid_return_address
from tdt.domain.actes.model import Classification, MessageCode, Nature, Piece
from tdt.domain.actes.naming import read_envelope_name, read_message_name
from tdt.domain.actes.package import check_entries
from tdt.domain.actes.reading import (
    attribute,
    child,
    children,
    parse_received,
    read_date,
    read_integer,
    text_of,
)
from tdt.domain.actes.rules import SUBJECT_LENGTH, find_nature
from tdt.domain.authorities import Authority
from tdt.domain.errors import Refused
from tdt.domain.xml import XmlError, local_name

IMPORT = "Erreur d'importation de l'enveloppe :\n"
TRANSACTION = "Erreur d'importation transaction : "
REGENERATION = "Erreur lors de la regénération de l'archive.\n"
RECORDING = "Erreur lors de l'enregistrement de la transaction.\n"
NO_REFERENCE = f"{TRANSACTION}Transaction de référence introuvable."
MISMATCH = "{} contenu dans l'enveloppe ne correspond pas à celui de l'utilisateur authentifié. Abandon."
UNREADABLE_MESSAGE = f"{TRANSACTION}Impossible d'importer le fichier message XML."

_SUFFIX = ".tar.gz"
_NUMBER = re.compile(r"([A-Z0-9][A-Z0-9_]{0,13})?[A-Z0-9]", re.ASCII)
_LEVELS = 5
_BUDGET_NATURE, _BUDGET_CLASSIFICATION = 5, (7, 1)


@dataclass(frozen=True, slots=True)
class Kind:
    """What the root of a message makes of it: its code, its transaction's type and S2LOW's `type_reponse`."""

    code: str
    type: MessageCode
    type_reponse: int | None = None


KINDS: Mapping[str, Kind] = {
    "Acte": Kind("1-1", MessageCode.ACTE),
    "ReponseCourrierSimple": Kind("2-2", MessageCode.COURRIER_SIMPLE, 2),
    "RefusPieceComplementaire": Kind("3-3", MessageCode.PIECES_COMPLEMENTAIRES, 3),
    "PieceComplementaire": Kind("3-4", MessageCode.PIECES_COMPLEMENTAIRES, 4),
    "RejetLettreObservations": Kind("4-3", MessageCode.LETTRE_OBSERVATIONS, 3),
    "ReponseLettreObservations": Kind("4-4", MessageCode.LETTRE_OBSERVATIONS, 4),
    "Annulation": Kind("6-1", MessageCode.ANNULATION),
    "DemandeClassification": Kind("7-1", MessageCode.CLASSIFICATION),
}
"""The messages that a collectivité sends. 3-2 and 4-2 are not among them: the TdT sends these by itself."""


@dataclass(frozen=True, slots=True)
class SentActe:
    """What a message 1-1 says of the act; what it leaves out or writes badly is empty or None."""

    number: str
    decision_date: date | None
    nature_code: str
    classif: tuple[int, ...]
    classification_date: date | None
    subject: str
    document_papier: bool


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message of a ready-made envelope. `unique_id` and `letter_date` name what is answered or cancelled."""

    name: str
    kind: Kind
    pieces: tuple[Piece, ...] = ()
    acte: SentActe | None = None
    unique_id: str = ""
    letter_date: date | None = None
    classification_date: date | None = None


@dataclass(frozen=True, slots=True)
class ReadyEnvelope:
    """The messages that an envelope lists, and its XML with our addresses in it."""

    forms: tuple[str, ...]
    xml: bytes


def read_archive_name(name: str, trigramme: str, quadrigramme: str, siren: str) -> str:
    """The name of the envelope that an archive of this name holds. Raises Refused."""
    parts = name.split("-")
    fault = ""
    if len(parts) < 2:
        fault = "Le nom de l'archive n'est pas correct"
    elif parts[0] != trigramme:
        fault = f"Le trigramme trouvé ({parts[0]}) ne correspond pas au trigramme attendu ({trigramme})"
    elif parts[1] != quadrigramme:
        fault = f"Le quadrigramme trouvé ({parts[1]}) ne correspond pas au quadrigramme attendu ({quadrigramme})"
    envelope = name.partition("-")[2].removesuffix(_SUFFIX) + ".xml"
    read = read_envelope_name(envelope)
    if not fault and (read is None or not name.endswith(_SUFFIX) or read.siren != siren):
        # S2LOW looks no further; here nobody takes a name that is another's, nor one that no answer could tell
        fault = "Le nom de l'archive n'est pas correct"
    if fault:
        raise Refused(f"L'archive n'a pas un nom valide : {fault}")
    return envelope


def too_large(size: str, limit: int) -> Refused:
    """The archive is too large."""
    return Refused(f"{IMPORT}La taille de l'archive est trop élevée, {size} octets (maximum {limit} octets autorisés)")


def read_ready_envelope(xml: bytes, authority: Authority, return_addresses: Sequence[str]) -> ReadyEnvelope:
    """Check who sends, and add our addresses to those that the answers go to. Raises Refused."""
    try:
        root = parse_received(xml)
    except XmlError:
        root = None
    if root is None or local_name(str(root.tag)) != "EnveloppeCLMISILL":
        raise Refused(IMPORT + "Erreur lors de l'importation du fichier XML de l'enveloppe.")
    _check_emitter(root, authority)
    addresses = child(root, "AdressesRetour")
    if addresses is None:
        raise Refused(IMPORT + "L'enveloppe ne contient pas la balise AdressesRetour")
    forms = tuple(
        text_of(child(one, "NomFichier")) for one in children(child(root, "FormulairesEnvoyes"), "Formulaire")
    )
    if not forms:
        raise Refused(REGENERATION + "Pas de message dans l'enveloppe.")
    present = {text_of(one) for one in children(addresses, "Email")}
    missing = [one for one in return_addresses if one not in present and valid_return_address(one)]
    return ReadyEnvelope(forms, _with_addresses(root, addresses, missing) if missing else xml)


def _check_emitter(root: etree._Element, authority: Authority) -> None:
    sender = child(child(root, "Emetteur"), "IDCL")
    if attribute(sender, "SIREN") != authority.siren:
        raise Refused(IMPORT + MISMATCH.format("Le numéro de SIREN"))
    if read_integer(attribute(sender, "Nature")) != authority.nature:
        raise Refused(IMPORT + MISMATCH.format("Le type de collectivité"))
    if attribute(sender, "Departement") != authority.department:
        raise Refused(IMPORT + MISMATCH.format("Le département de la collectivité"))
    if attribute(sender, "Arrondissement") != authority.district:
        raise Refused(IMPORT + MISMATCH.format("L'arrondissement de la collectivité"))


def _with_addresses(root: etree._Element, addresses: etree._Element, missing: Sequence[str]) -> bytes:
    namespace = str(addresses.tag).rpartition("}")[0]
    for one in missing:
        etree.SubElement(addresses, f"{namespace}}}Email").text = one
    body = etree.tostring(root, encoding="ISO-8859-1", xml_declaration=False)
    assert isinstance(body, bytes)
    return b'<?xml version="1.0" encoding="ISO-8859-1"?>\n' + body


def read_message(name: str, xml: bytes) -> SentMessage:
    """Read one message. Raises Refused."""
    try:
        root = parse_received(xml)
    except XmlError as error:
        raise Refused(UNREADABLE_MESSAGE) from error
    kind = KINDS.get(local_name(str(root.tag)))
    if kind is None:
        raise Refused(f"{TRANSACTION}Mauvais type de transaction.")
    if kind.type is MessageCode.ACTE:
        return _read_acte(name, kind, root)
    if kind.type is MessageCode.CLASSIFICATION:
        held = read_date(text_of(child(root, "DateClassification")))
        return SentMessage(name, kind, classification_date=held)
    holder = child(root, "Documents") if kind.code == "3-4" else root
    return SentMessage(
        name,
        kind,
        pieces=tuple(_piece(one) for one in children(holder, "Document")),
        unique_id=attribute(root, "IDActe"),
        letter_date=read_date(attribute(root, "DateCourrierPref")),
    )


def _read_acte(name: str, kind: Kind, root: etree._Element) -> SentMessage:
    documents = list(children(root, "Document"))
    if len([file for one in documents for file in children(one, "NomFichier")]) != 1:
        raise Refused(f"{TRANSACTION}Impossible de traiter plusieurs document actes")
    annexes = children(child(root, "Annexes"), "Annexe")
    acte = SentActe(
        number=attribute(root, "NumeroInterne"),
        decision_date=read_date(attribute(root, "Date")),
        nature_code=attribute(root, "CodeNatureActe"),
        classif=_classif(root),
        classification_date=read_date(text_of(child(root, "ClassificationDateVersion"))),
        subject=text_of(child(root, "Objet")),
        document_papier=text_of(child(root, "DocumentPapier")) == "O",
    )
    return SentMessage(name, kind, tuple(_piece(one) for one in (*documents, *annexes)), acte)


def _classif(root: etree._Element) -> tuple[int, ...]:
    levels: list[int] = []
    for level in range(1, _LEVELS + 1):
        code = read_integer(attribute(child(root, f"CodeMatiere{level}"), "CodeMatiere"))
        if not code:
            break
        levels.append(code)
    return tuple(levels)


def _piece(element: etree._Element) -> Piece:
    return Piece(text_of(child(element, "NomFichier")), text_of(child(element, "Signature")))


def check_pieces(message: SentMessage, heads: Mapping[str, bytes]) -> None:
    """Check that the documents of a message are there, and what they are by their first bytes. Raises Refused."""
    for place, piece in enumerate(message.pieces):
        if piece.name not in heads:
            raise Refused(f"{TRANSACTION}Fichier non présent : {piece.name}")
        mime = filetype.sniff(heads[piece.name])
        if message.acte is None:
            fault = _wrong_answer(piece.name, mime)
        elif place == 0:
            fault = _wrong_acte(piece.name, mime, message.acte)
        else:
            fault = _wrong_annexe(piece.name, mime)
        if fault:
            raise Refused(TRANSACTION + fault)


def _wrong_acte(name: str, mime: str, acte: SentActe) -> str:
    if mime not in (filetype.PDF, filetype.XML):
        return f'Le fichier de l\'acte " {name} " est de type " {mime} ". Fichier PDF ou XML requis.'
    if mime == filetype.XML and read_integer(acte.nature_code) != _BUDGET_NATURE:
        return "Seuls les documents budgétaires et financiers peuvent être au format XML."
    if mime == filetype.XML and acte.classif[:2] != _BUDGET_CLASSIFICATION:
        return "Seule la classification 7.1 est autorisée pour la transmission au format XML"
    return ""


def _wrong_annexe(name: str, mime: str) -> str:
    if filetype.extension(mime):
        return ""
    return f'Le fichier attaché " {name} " est de type " {mime} ". Fichier PDF, XML, PNG ou JPEG requis.'


def _wrong_answer(name: str, mime: str) -> str:
    if filetype.extension(mime):
        return ""
    return f'Le fichier de réponse " {name} " est de type " {mime} ". Fichier PDF, XML, PNG ou JPEG requis.'


def number_taken() -> Refused:
    """Also for who loses the race of two envelopes with one number at the unique index."""
    return Refused(
        "Un numéro interne d'acte entre en conflit avec un acte existant dans la base de données.",
        code="ACTE_NUMERO_PRIS",
    )


def already_deposited(name: str, transactions: Sequence[int]) -> Refused:
    """An envelope of this name was taken before. Raised as it is: S2LOW lets the State find out."""
    made = f" (transactions {', '.join(map(str, transactions))})" if transactions else ""
    return Refused(
        f"L'enveloppe {name} a déjà été déposée{made} : rien n'est envoyé deux fois. "
        "Pour un autre envoi, prenez un nouveau numéro d'enveloppe.",
        code="ENVELOPPE_DEJA_DEPOSEE",
    )


def check_numbers(numbers: Sequence[str], taken: Collection[str]) -> None:
    """Refuse an act whose number another has, in this envelope or before it. Raises Refused."""
    if len(set(numbers)) < len(numbers) or not set(numbers).isdisjoint(taken):
        raise number_taken()


def check_archive(
    envelope: ReadyEnvelope,
    messages: Mapping[str, bytes],
    read: Sequence[SentMessage],
    documents: Collection[str],
    siren: str,
) -> None:
    """Check that the archive made anew would hold together: each file named once, each name the collectivité's.

    Raises Refused: what S2LOW finds out later, turning what it answered OK to an error.
    """
    faults = check_entries(envelope.xml, messages, documents)
    for message in read:
        name = read_message_name(message.name)
        if name is not None and (name.siren != siren or name.code != message.kind.code):
            faults.append(f"Le nom du message {message.name} n'est pas correct")
    if faults:
        raise Refused(REGENERATION + "\n".join(faults), code="ENVELOPPE_INCOHERENTE")


def check_recorded(acte: SentActe, classification: Classification) -> Nature:
    """What S2LOW checks as it records an act; gives its nature. Raises Refused."""
    if len(acte.classif) < 2:
        raise Refused(RECORDING + "Les deux premiers niveaux de classification sont obligatoires.")
    nature = find_nature(acte.nature_code, classification)
    present = {
        "Nature de l'acte": acte.nature_code != "",
        "Description nature de l'acte": nature is not None,
        "Objet de l'acte": acte.subject != "",
        "Numéro de l'acte": acte.number != "",
        "Date classification matières/sous-matières utilisée": acte.classification_date is not None,
        "Date de la décision": acte.decision_date is not None,
    }
    faults = "".join(f"{label} doit être présent.\n" for label, given in present.items() if not given)
    if len(acte.subject) > SUBJECT_LENGTH:
        faults += f"Le champ Objet de l'acte est trop long ({SUBJECT_LENGTH} caractères maxi autorisés).\n"
    if acte.number and not _NUMBER.fullmatch(acte.number):
        faults += "Le champ Numéro de l'acte ne peut contenir que des chiffres, des lettres en majuscules et _\n"
    if faults or nature is None:
        raise Refused(RECORDING + faults)
    return nature
