"""Names of acts, messages, documents, envelopes and archives, and what can be read back from them."""

import re
from dataclasses import dataclass
from datetime import date

_DEPARTMENT = r"(?P<department>[0-9]{3}|02[AB])"
_ACT = _DEPARTMENT + r"-(?P<siren>[0-9]{9})-(?P<date>[0-9]{8})-(?P<number>[A-Za-z0-9_]{1,15})-(?P<nature>[A-Z]{2})"
# Anomalies and classifications come without the parts of the act: only the dashes stay.
_ACT_OR_EMPTY = (
    _DEPARTMENT + r"-(?P<siren>[0-9]{9})-(?P<date>[0-9]{8})?-(?P<number>[A-Za-z0-9_]{1,15})?-(?P<nature>[A-Z]{2})?"
)
_CODE = r"-(?P<code>[1-7]-[1-5])"
# The ministry numbers its files far beyond the four digits that S2LOW first took.
_SERIAL = r"_(?P<serial>[0-9]{1,18})"

_UNIQUE_ID = re.compile(_ACT, re.ASCII)
"""Nothing in it is tried twice: it reads a few dozen characters, whatever follows."""
_MESSAGE = re.compile(_ACT_OR_EMPTY + _CODE + _SERIAL + r"\.xml", re.ASCII)
_DOCUMENT = re.compile(
    r"(?:(?P<code_pj>[A-Z0-9_]{5})-)?" + _ACT + _CODE + _SERIAL + r"\.(?P<extension>pdf|xml|jpg|jpeg|png)", re.ASCII
)
_ENVELOPE = re.compile(
    r"(?P<application>[FQETD][A-Z]{3})--(?P<siren>[0-9]{9})--(?P<date>[0-9]{8})-(?P<serial>[0-9]{1,18})\.xml", re.ASCII
)
_ANOMALY_PREFIX = "ANO_"


@dataclass(frozen=True, slots=True)
class MessageName:
    """The parts of the name of a message; `date`, `number` and `nature` are empty where the message has no act."""

    department: str
    siren: str
    date: str
    number: str
    nature: str
    code: str
    serial: int


@dataclass(frozen=True, slots=True)
class DocumentName:
    """The parts of the name of a document; `code_pj` is empty on what the préfecture sends."""

    code_pj: str
    unique_id: str
    code: str
    serial: int
    extension: str


@dataclass(frozen=True, slots=True)
class EnvelopeName:
    """The parts of the name of an envelope sent by a collectivité; `date` is written YYYYMMDD."""

    application: str
    siren: str
    date: str
    serial: int


@dataclass(frozen=True, slots=True)
class UniqueId:
    """The parts of an IDActe; `date` is written YYYYMMDD."""

    department: str
    siren: str
    date: str
    number: str
    nature: str


def unique_id(department: str, siren: str, day: date, number: str, nature_short: str) -> str:
    """The IDActe: known before the act is sent, confirmed by its AR. `day` is the date of the decision."""
    return f"{department}-{siren}-{_compact(day)}-{number}-{nature_short}"


def message_name(act: str, code: str, serial: int = 0) -> str:
    """Name of a message about the act of this IDActe: `034-…-DE-1-1_0.xml`."""
    return f"{act}-{code}_{serial}.xml"


def document_name(code_pj: str, act: str, code: str, n: int, extension: str) -> str:
    """Name of the n-th document (from 1) of a message: `99_DE-034-…-DE-1-1_1.pdf`."""
    return f"{code_pj}-{act}-{code}_{n}.{extension}"


def classification_request_name(department: str, siren: str) -> str:
    """Name of a 7-1: no act, so four dashes."""
    return f"{department}-{siren}----7-1_0.xml"


def envelope_name(quadrigramme: str, siren: str, day: date, serial: int | str) -> str:
    """Name of an envelope: `EACT--123456782--20250616-1.xml`. `day` is the day on which it is made.

    `serial` may be a text that stands for it until it is known.
    """
    return f"{quadrigramme}--{siren}--{_compact(day)}-{serial}.xml"


def archive_name(trigramme: str, envelope: str) -> str:
    """Name of the archive that holds this envelope: `TDT-EACT--123456782--20250616-1.tar.gz`."""
    return f"{trigramme}-{envelope.removesuffix('.xml')}.tar.gz"


def is_envelope_anomaly(name: str) -> bool:
    """Whether this file received is the refusal of a whole envelope."""
    return name.upper().startswith(_ANOMALY_PREFIX)


def refused_envelope(name: str) -> str:
    """Name of the envelope that the file `ANO_….xml` refuses; accepts the name of the archive in its place."""
    inner = name[len(_ANOMALY_PREFIX) :] if is_envelope_anomaly(name) else name
    inner = re.sub(r"^[A-Za-z]{3}-(?=[A-Z]{4}--)", "", inner)
    return re.sub(r"\.(tar\.gz|xml)$", "", inner, flags=re.IGNORECASE) + ".xml"


def read_unique_id(text: str) -> UniqueId | None:
    """The parts of an IDActe, None if it is not one."""
    match = _UNIQUE_ID.fullmatch(text)
    return UniqueId(**match.groupdict()) if match else None


def find_unique_id(text: str, place: int) -> str:
    """The IDActe that begins at this place of a text, whatever follows it; empty without one."""
    match = _UNIQUE_ID.match(text, place)
    return match[0] if match else ""


def read_message_name(name: str) -> MessageName | None:
    """The parts of the name of a message in either direction, None if it does not follow the norm."""
    match = _MESSAGE.fullmatch(name)
    if match is None:
        return None
    parts = {key: value or "" for key, value in match.groupdict().items() if key != "serial"}
    return MessageName(**parts, serial=int(match["serial"]))


def read_document_name(name: str) -> DocumentName | None:
    """The parts of the name of a document in either direction, None if it does not follow the norm."""
    match = _DOCUMENT.fullmatch(name)
    if match is None:
        return None
    act = "-".join(match.group("department", "siren", "date", "number", "nature"))
    return DocumentName(match["code_pj"] or "", act, match["code"], int(match["serial"]), match["extension"])


def unique_id_of(name: MessageName) -> str:
    """The IDActe that the name of a message about an act begins with."""
    return f"{name.department}-{name.siren}-{name.date}-{name.number}-{name.nature}"


def read_envelope_name(name: str) -> EnvelopeName | None:
    """The parts of the name of an envelope sent by a collectivité, None if it does not follow the norm."""
    match = _ENVELOPE.fullmatch(name)
    return EnvelopeName(match["application"], match["siren"], match["date"], int(match["serial"])) if match else None


def _compact(day: date) -> str:
    # not strftime: it writes the years before 1000 without their zeros
    return day.isoformat().replace("-", "")
