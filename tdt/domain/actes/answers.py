"""The answers of the ministry, one kind of data for each message that it sends."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from tdt.domain.actes.mail import Attachment

LetterCode = Literal["2-1", "3-1", "4-1", "5-1"]


@dataclass(frozen=True, slots=True)
class ActeEcho:
    """The act as the ministry repeats it; a value that it left out or wrote badly is empty or None."""

    number: str
    decision_date: date | None
    nature_code: int | None


@dataclass(frozen=True, slots=True)
class ArActe:
    """1-2: the act has reached the préfecture. `xml` is the proof, exactly as received, here and below."""

    unique_id: str
    number: str
    siren: str | None
    date_reception: date
    xml: bytes
    classification_date: date | None
    envelope_name: str
    acte: ActeEcho
    name: str


@dataclass(frozen=True, slots=True)
class AnomalieActe:
    """1-3: the act is refused. It carries no IDActe: `siren` and `acte` find it. `nature` may be anything."""

    siren: str | None
    number: str
    nature: str
    detail: str
    xml: bytes
    classification_date: date | None
    envelope_name: str
    acte: ActeEcho
    name: str


@dataclass(frozen=True, slots=True)
class AnomalieEnveloppe:
    """A whole envelope is refused, with every message in it. `envelope_name` is the name of the one refused."""

    envelope_name: str
    nature: str
    detail: str
    xml: bytes
    siren: str | None
    name: str


@dataclass(frozen=True, slots=True)
class RetourClassification:
    """7-2: a newer classification, whole in `xml`."""

    siren: str
    date: date
    xml: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ClassificationSansChangement:
    """7-3: the classification held is the current one."""

    siren: str
    date: date
    xml: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ArAnnulation:
    """6-2: the act is cancelled."""

    unique_id: str
    date_reception: date
    xml: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Letter:
    """2-1, 3-1, 4-1, 5-1: the préfecture writes. `missing` names the documents that the mail does not hold.

    `siren` and `envelope_xml` are of the EnveloppeMISILLCL, None and empty when the mail has none.
    """

    code: LetterCode
    unique_id: str
    date: date | None
    text: str
    xml: bytes
    documents: tuple[Attachment, ...]
    missing: tuple[str, ...]
    siren: str | None
    envelope_name: str
    envelope_xml: bytes
    name: str


@dataclass(frozen=True, slots=True)
class ArReponse:
    """3-5, 4-5: an answer to the préfecture has reached it; the IDActe and the date of the letter say which."""

    code: Literal["3-5", "4-5"]
    unique_id: str
    date_courrier: date | None
    date_reception: date
    xml: bytes
    name: str


@dataclass(frozen=True, slots=True)
class MultiCanal:
    """The reminder that a part of the act must follow on paper: nothing to do."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A mail, or the file `name` of it, that a person must look at."""

    reason: str
    name: str = ""


Return = (
    ArActe
    | AnomalieActe
    | AnomalieEnveloppe
    | RetourClassification
    | ClassificationSansChangement
    | ArAnnulation
    | Letter
    | ArReponse
    | MultiCanal
    | Unreadable
)
