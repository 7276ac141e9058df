"""What the bordereau d'acquittement of a transaction says: its parameters, its files, its life, its exchanges."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tdt.domain.actes.model import ActeStatus, Classification, Matiere
from tdt.domain.actes.model import MessageCode as M
from tdt.domain.actes.status import STATUS_LABELS
from tdt.domain.calendar import PARIS

NBSP = "\u00a0"
TYPES: Mapping[int, str] = {
    M.ACTE: "Transmission d’acte",
    M.COURRIER_SIMPLE: "Courrier simple",
    M.PIECES_COMPLEMENTAIRES: "Demande de pièces complémentaires",
    M.LETTRE_OBSERVATIONS: "Lettre d’observations",
    M.DEFERE_TA: "Déféré au tribunal administratif",
    M.ANNULATION: "Annulation",
    M.CLASSIFICATION: "Demande de classification",
}
ANSWERS: Mapping[tuple[int, int], str] = {
    (M.COURRIER_SIMPLE, 2): "Réponse à un courrier simple",
    (M.PIECES_COMPLEMENTAIRES, 3): "Refus explicite d’envoi de pièces complémentaires",
    (M.PIECES_COMPLEMENTAIRES, 4): "Transmission de pièces complémentaires",
    (M.LETTRE_OBSERVATIONS, 3): "Rejet explicite d’une lettre d’observations",
    (M.LETTRE_OBSERVATIONS, 4): "Lettre de justification de l’acte",
}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file of the transaction, as it was sent."""

    name: str
    posted_filename: str
    mimetype: str
    size: int
    code_pj: str
    sha256: bytes
    signed: bool


@dataclass(frozen=True, slots=True)
class StepFacts:
    """A step of its life."""

    status: ActeStatus
    at: datetime
    message: str


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    """A transaction about this one: a letter of the préfecture, an answer to it, its annulation."""

    type: int
    type_reponse: int | None
    status: ActeStatus
    submitted_at: datetime
    letter_date: date | None
    letter_text: str
    files: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of a transaction."""

    id: int
    type: int
    type_reponse: int | None
    status: ActeStatus
    authority_name: str
    siren: str
    number: str | None
    subject: str
    nature_code: int | None
    classif: tuple[int, ...]
    decision_date: date | None
    classification_date: date | None
    document_papier: bool
    unique_id: str | None
    submitted_at: datetime
    received_on: date | None
    came_in: bool
    envelope_name: str
    archive_name: str
    classification: Classification | None
    files: Sequence[FileFacts]
    life: Sequence[StepFacts]
    exchanges: Sequence[ExchangeFacts]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a section: its columns, and under the first one smaller lines."""

    columns: tuple[str, ...]
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the document. Without headings it is a list of names and values."""

    title: str
    headings: tuple[str, ...]
    entries: tuple[Entry, ...]
    nothing: str = ""


@dataclass(frozen=True, slots=True)
class Bordereau:
    """The document, before it is laid out: nothing in it depends on the day when it is asked for."""

    title: str
    reference: str
    sections: tuple[Section, ...]


def describe(facts: Facts) -> Bordereau:
    """The bordereau of a transaction."""
    reference = facts.unique_id or f"Transaction n°{NBSP}{facts.id}"
    sections = [
        Section("Paramètres de la transaction", (), tuple(_parameters(facts))),
        Section(
            "Fichiers",
            ("Fichier", "Pièce", "Taille"),
            tuple(_file(file, facts) for file in facts.files),
            "Aucun fichier.",
        ),
        Section(
            "Cycle de vie",
            ("État", "Date", "Message"),
            tuple(Entry((_status(step.status), _instant(step.at), step.message)) for step in facts.life),
            "Aucun changement d’état.",
        ),
    ]
    if facts.exchanges:
        exchanges = tuple(map(_exchange, facts.exchanges))
        sections.append(Section("Échanges liés à cet acte", ("Échange", "Date", "État"), exchanges))
    return Bordereau("Bordereau d’acquittement de transaction", reference, tuple(map(_composed, sections)))


def _parameters(facts: Facts) -> Iterator[Entry]:
    pairs = (
        ("Collectivité", facts.authority_name),
        ("SIREN", NBSP.join((facts.siren[:3], facts.siren[3:6], facts.siren[6:]))),
        ("Type de transaction", type_label(facts.type, facts.type_reponse, facts.came_in)),
        ("Numéro interne", facts.number or ""),
        ("Objet", facts.subject),
        ("Nature", _nature(facts)),
        ("Matière", " / ".join(_matieres(facts))),
        ("Date de la décision", _day(facts.decision_date)),
        ("Date de la classification", _day(facts.classification_date)),
        ("Identifiant unique", facts.unique_id or ""),
        ("Document papier complémentaire", _paper(facts)),
        ("Date de dépôt", _instant(facts.submitted_at)),
        ("Date de transmission", _transmitted(facts)),
        ("Date de réception par la préfecture", _day(facts.received_on)),
        ("État", _status(facts.status)),
        ("Enveloppe", facts.envelope_name),
        ("Archive", facts.archive_name),
    )
    return (Entry((f"{name}{NBSP}:", value)) for name, value in pairs if value)


def type_label(kind: int, answer: int | None, came_in: bool) -> str:
    """What a transaction is, in words. A letter of the préfecture and the answer to it have the same type."""
    if not came_in and answer is not None and (kind, answer) in ANSWERS:
        return ANSWERS[kind, answer]
    return TYPES.get(kind, str(kind))


def _nature(facts: Facts) -> str:
    if facts.nature_code is None:
        return ""
    nature = facts.classification.nature(facts.nature_code) if facts.classification is not None else None
    return f"{facts.nature_code} – {nature.label}" if nature is not None else str(facts.nature_code)


def _matieres(facts: Facts) -> Iterator[str]:
    """Each level with its code so far and its label: `1.1 – Marchés publics`."""
    level: Sequence[Matiere] = facts.classification.matieres if facts.classification is not None else ()
    code = ""
    for number in facts.classif:
        code = f"{code}.{number}" if code else str(number)
        found = next((one for one in level if one.code == number), None)
        level = found.children if found is not None else ()
        yield f"{code} – {found.label}" if found is not None else code


def _paper(facts: Facts) -> str:
    return ("oui" if facts.document_papier else "non") if facts.type == M.ACTE else ""


def _transmitted(facts: Facts) -> str:
    return next((_instant(step.at) for step in reversed(facts.life) if step.status is ActeStatus.TRANSMIS), "")


def _file(file: FileFacts, facts: Facts) -> Entry:
    details = [f"Déposé sous le nom{NBSP}: {file.posted_filename}"] if file.posted_filename else []
    details.append(f"SHA-256{NBSP}: {file.sha256.hex()}")
    if file.signed:
        details.append("Accompagné d’une signature détachée")
    return Entry((file.name, _piece(file, facts), f"{file.mimetype}\n{_size(file.size)}"), tuple(details))


def _piece(file: FileFacts, facts: Facts) -> str:
    if not file.code_pj:
        return "Message métier" if file.mimetype == "text/xml" else ""
    nature = (
        facts.classification.nature(facts.nature_code)
        if facts.classification is not None and facts.nature_code is not None
        else None
    )
    label = next((piece.label for piece in (nature.pieces if nature else ()) if piece.code == file.code_pj), "")
    return f"{file.code_pj} – {label}" if label else file.code_pj


def _exchange(one: ExchangeFacts) -> Entry:
    came_in = one.type_reponse is None and one.type in (2, 3, 4, 5)
    details = [one.letter_text] if one.letter_text else []
    if one.files:
        details.append(f"{one.files} document{'s' if one.files > 1 else ''}")
    when = _day(one.letter_date) if one.letter_date is not None else _instant(one.submitted_at)
    return Entry((type_label(one.type, one.type_reponse, came_in), when, _status(one.status)), tuple(details))


def _status(status: ActeStatus) -> str:
    return STATUS_LABELS[status]


def _day(day: date | None) -> str:
    return day.strftime("%d/%m/%Y") if day is not None else ""


def _instant(at: datetime) -> str:
    return at.astimezone(PARIS).strftime(f"%d/%m/%Y à{NBSP}%H:%M:%S")


def _size(size: int) -> str:
    return f"{size:,}".replace(",", NBSP) + f"{NBSP}octet{'s' if size > 1 else ''}"


def _composed(section: Section) -> Section:
    """Letters and accents in one character each: fonts have no other."""
    entries = tuple(
        Entry(tuple(map(_nfc, entry.columns)), tuple(map(_nfc, entry.details))) for entry in section.entries
    )
    return Section(section.title, section.headings, entries, section.nothing)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
