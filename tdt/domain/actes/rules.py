"""What `actes_transac_create.php` checks of a submission, in S2LOW's order and words, then what the analysis checks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tdt.domain.actes import filetype
from tdt.domain.actes.model import Classification, Nature, PostedFile, Submission
from tdt.domain.actes.status import INVALID_ENVELOPE
from tdt.domain.calendar import parse_civil_date
from tdt.domain.errors import Refused

SUBJECT_LENGTH = 499
EMAILS_LENGTH = 1023

# Upper case, digits and "_" inside: stricter than the schema of the ministry. S2LOW's rule, on which clients rely.
_NUMBER = re.compile(r"([A-Z0-9][A-Z0-9_]{0,13})?[A-Z0-9]", re.ASCII)
_CODE_PJ = re.compile(r"[A-Z0-9_]{5}", re.ASCII)
_CODE = re.compile(r"0*([1-9][0-9]{0,8})", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_NATURE = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)

_BUDGET_NATURE = "5"
_BUDGET_CLASSIFICATION = (7, 1)

DEFAULT_NATURES = (
    Nature(1, "DE", "Délibérations"),
    Nature(2, "AR", "Actes réglementaires"),
    Nature(3, "AI", "Actes individuels"),
    Nature(4, "CC", "Contrats, conventions et avenants"),
    Nature(5, "BF", "Documents budgétaires et financiers"),
    Nature(6, "AU", "Autres"),
)
"""The national natures: known before any classification, and kept when a classification leaves one out."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules need to know beside the form. `today` is the civil date in Paris."""

    classification: Classification | None
    number_taken: bool
    today: date
    archive_limit: int


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file accepted: its typologie, its type by content, and the detached signature posted with it."""

    code_pj: str
    mime: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class CheckedActe:
    """A submission that passed every synchronous check, its values read."""

    number: str
    decision_date: date
    nature: Nature
    classif: tuple[int, ...]
    classification_date: date
    subject: str
    type_acte: str
    acte_mime: str
    attachments: tuple[CheckedFile, ...]
    acte_signature: str
    document_papier: bool


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """A document ready to be sent: its name in the archive, its typologie, its type by content."""

    name: str
    code_pj: str
    mime: str


def check_submission(submission: Submission, facts: Facts) -> CheckedActe:
    """Judge a submission. Raises Refused with exactly the text that S2LOW answers (not yet escaped)."""
    decision_date = _check_before_files(submission, facts)
    classif = _read_classif(submission.classif)
    acte = _check_acte_received(submission)
    faults = _acte_faults(acte, submission, classif)
    faults += _attachment_faults(submission)
    if faults:
        raise Refused("".join(faults))
    _check_signatures(acte, submission)
    if len(classif) < 2:
        raise _not_recorded("Les deux premiers niveaux de classification sont obligatoires.")
    nature = find_nature(submission.nature_code, facts.classification)
    _check_fields(submission, nature, facts.classification, decision_date)
    assert nature is not None and facts.classification is not None and decision_date is not None
    return CheckedActe(
        number=submission.number,
        decision_date=decision_date,
        nature=nature,
        classif=classif,
        classification_date=facts.classification.date,
        subject=submission.subject,
        type_acte=submission.type_acte,
        acte_mime=filetype.sniff(acte.head),
        attachments=_checked_attachments(submission),
        acte_signature=submission.acte_signature.rstrip(),
        document_papier=submission.document_papier,
    )


def find_nature(code: str, classification: Classification | None) -> Nature | None:
    """The nature of this code as the form writes it ("01" is not one), by the classification, else the national one."""
    if not _NATURE.fullmatch(code):
        return None
    known = classification.nature(int(code)) if classification else None
    return known or next((nature for nature in DEFAULT_NATURES if nature.code == int(code)), None)


def check_analysis(nature_code: int, files: Sequence[AnalysedFile], classification: Classification) -> None:
    """What is checked once the act was answered OK: formats and typologies. Raises Refused with the workflow's text."""
    for file in files:
        if not filetype.extension(file.mime):
            raise _invalid(f"Le format {file.mime} du fichier {file.name} n'est pas autorisé")
        if not file.code_pj:
            raise _invalid(f"La typologie est absente sur le fichier {file.name}")
    nature = classification.nature(nature_code)
    if nature and not nature.pieces:
        return  # classifications of 2017 and before say nothing of the typologies of most natures
    allowed = {piece.code for piece in nature.pieces} if nature else set()
    for file in files:
        if file.code_pj not in allowed:
            raise _invalid(f"La typologie {file.code_pj} n'est pas permise sur le fichier {file.name}")


def number_taken() -> Refused:
    """Also for who loses the race of two posts of one number at the unique index."""
    return Refused(
        "Un acte portant le même numéro interne existe déjà dans la base de données.\n"
        "Il faut peut-être ajouter un suffixe au numéro.",
        code="ACTE_NUMERO_PRIS",
    )


def check_archive_size(size: int, limit: int) -> None:
    """The archive may exceed the limit that the sum of its files kept. Raises Refused with the workflow's text."""
    if size > limit:
        reason = f"La taille de l'archive est trop élevée, {size} octets (maximum {limit} octets autorisés)"
        raise _invalid(reason)


def _check_before_files(submission: Submission, facts: Facts) -> date | None:
    if not _NUMBER.fullmatch(submission.number):
        raise Refused("Le numéro n'est pas correct")
    # a date of another form counts as missing: the refusal comes with the mandatory fields
    decision_date = parse_civil_date(submission.decision_date)
    if decision_date is not None and decision_date > facts.today:
        raise Refused("La date de décision est une date dans le futur")
    if not (_empty(submission.batchfile) or _DIGITS.fullmatch(submission.batchfile)):
        raise Refused("batchfile n'est pas un entier")
    posted = [submission.acte, *submission.attachments]
    if sum(file.size for file in posted if file) > facts.archive_limit:
        raise Refused(f"La taille totale des fichiers est trop importante (max : {facts.archive_limit})")
    if not _empty(submission.batchfile):
        # one that the sender has takes the place of the act and leaves nothing here (tdt.web.acte_form)
        raise Refused("Échec de la transaction en mode lot.")
    if facts.number_taken:
        raise number_taken()
    return decision_date


def _check_acte_received(submission: Submission) -> PostedFile:
    acte = submission.acte
    if acte is None:
        raise Refused("Aucun fichier acte n'a été posté ")
    if fault := _upload_fault(acte):
        raise Refused(f"Erreur lors de la récéption du fichier : {fault}")
    if _empty(submission.type_acte):
        raise Refused(f"Erreur lors de la réception du fichier {acte.posted_filename} : typologie absente")
    return acte


def _acte_faults(acte: PostedFile, submission: Submission, classif: tuple[int, ...]) -> list[str]:
    mime = filetype.sniff(acte.head)
    fault = ""
    if mime not in (filetype.PDF, filetype.XML):
        name = _basename(acte.posted_filename)
        fault = f'Le fichier de l\'acte " {name} " est de type " {mime} ". Fichier PDF ou XML requis.'
    elif mime == filetype.XML and submission.nature_code.lstrip("0") != _BUDGET_NATURE:
        fault = "Seuls les documents budgétaires et financiers peuvent être au format XML."
    elif mime == filetype.XML and classif[:2] != _BUDGET_CLASSIFICATION:
        fault = "Seule la classification 7.1 est autorisée pour la transmission au format XML"
    elif not _CODE_PJ.fullmatch(submission.type_acte):
        fault = "Le code de la PJ doit faire 5 caractères"
    return [f"Erreur de validation du fichier de l'acte :\n{fault}\n"] if fault else []


def _attachment_faults(submission: Submission) -> list[str]:
    for file in submission.attachments:
        if fault := _upload_fault(file):
            raise Refused(f"Erreur lors de la réception du fichier : {fault}")
    beside_xml = submission.acte is not None and filetype.sniff(submission.acte.head) == filetype.XML
    faults = []
    for index, file in enumerate(submission.attachments):
        code_pj = submission.type_pj[index] if index < len(submission.type_pj) else ""
        if _empty(code_pj):
            raise Refused(f"Erreur lors de la réception du fichier annexe {file.posted_filename} : typologie absente")
        mime = filetype.sniff(file.head)
        fault = ""
        if not filetype.extension(mime):
            name = _basename(file.posted_filename)
            fault = f'Le fichier attaché " {name} " est de type " {mime} ". Fichier PDF, XML, PNG ou JPEG requis.'
        elif beside_xml and mime != filetype.PDF:
            # S2LOW has these words and seldom says them: it looks for `application/xml`, libmagic says `text/xml`
            fault = "Les pièces jointes doivent être au format PDF avec un acte au format XML"
        elif not _CODE_PJ.fullmatch(code_pj):
            fault = "Le code de la PJ doit faire 5 caractères"
        if fault:
            faults.append(f"Erreur de validation d'un fichier de pièce jointe :\n{fault}\n")
    return faults


def _check_signatures(acte: PostedFile, submission: Submission) -> None:
    """A detached signature is written as it is in the message: only text can be."""
    given = (submission.acte_signature, *submission.attachment_signatures)
    for file, text in zip((acte, *submission.attachments), given, strict=False):
        if not is_signature_text(text):
            raise not_a_signature(file.posted_filename)


def is_signature_text(text: str) -> bool:
    """Whether it may be PEM."""
    return text.isascii() and "\0" not in text


def not_a_signature(name: str) -> Refused:
    """The refusal of what was posted as the detached signature of this file."""
    return Refused(
        f"Erreur lors du traitement de la signature du fichier {name} :\n"
        "La signature doit être au format PKCS#7 texte (PEM).\n",
        code="ACTE_SIGNATURE",
    )


def _check_fields(
    submission: Submission, nature: Nature | None, classification: Classification | None, decision_date: date | None
) -> None:
    present = {
        "Nature de l'acte": submission.nature_code != "",
        "Description nature de l'acte": nature is not None,
        "Objet de l'acte": submission.subject != "",
        "Date classification matières/sous-matières utilisée": classification is not None,
        "Date de la décision": decision_date is not None,
    }
    lengths = {
        "Objet de l'acte": (len(submission.subject), SUBJECT_LENGTH),
        "Liste des destinataires de la notification": (len(",".join(submission.broadcast_emails)), EMAILS_LENGTH),
    }
    faults = ""
    for label in dict.fromkeys([*present, *lengths]):
        if not present.get(label, True):
            faults += f"{label} doit être présent.\n"
        elif label in lengths and lengths[label][0] > lengths[label][1]:
            faults += f"Le champ {label} est trop long ({lengths[label][1]} caractères maxi autorisés).\n"
    if faults:
        raise _not_recorded(faults)


def _checked_attachments(submission: Submission) -> tuple[CheckedFile, ...]:
    signatures = submission.attachment_signatures
    return tuple(
        CheckedFile(
            code_pj=submission.type_pj[index],
            mime=filetype.sniff(file.head),
            signature=signatures[index].rstrip() if index < len(signatures) else "",
        )
        for index, file in enumerate(submission.attachments)
    )


def _read_classif(values: Sequence[str]) -> tuple[int, ...]:
    """The levels up to the first one that is empty, zero or not a number."""
    levels: list[int] = []
    for value in values[:5]:
        match = _CODE.fullmatch(value.strip())
        if match is None:
            break
        levels.append(int(match[1]))
    return tuple(levels)


def _upload_fault(file: PostedFile) -> str:
    if not file.posted_filename:
        return "Aucun fichier n'a été présenté"
    return "" if file.size > 0 else "Le fichier semble vide"


def _basename(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _empty(value: str) -> bool:
    """PHP's `empty()`: the text "0" is empty too."""
    return value in ("", "0")


def _not_recorded(faults: str) -> Refused:
    return Refused(f"Erreur lors de l'enregistrement de la transaction :\n{faults}")


def _invalid(reason: str) -> Refused:
    return Refused(INVALID_ENVELOPE + reason)
