"""One e-mail of the ministry taken apart: its attachments, bytes untouched, and whether it is the paper reminder."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import (
    CloseBoundaryNotFoundDefect,
    InvalidBase64CharactersDefect,
    InvalidBase64LengthDefect,
    InvalidBase64PaddingDefect,
    MessageError,
)
from email.header import decode_header, make_header
from email.message import Message

from tdt.domain.actes.mail_cuts import Cuts, cut
from tdt.domain.actes.naming import read_document_name

MAIL_LIMIT = 224 * 1024 * 1024
"""An archive of 150 MiB in base64, and what comes with it."""
PARSED_LIMIT = 8 * 1024 * 1024
"""Of a mail without its large attachments."""
PARTS_LIMIT = 1000
_HTML_LIMIT = 1024 * 1024
_HEADER_LIMIT = 16 * 1024
_NAME_LENGTH = 255

# A header with its continuation lines: the library reads parameters in a time that grows as the square of their length.
_PART_HEADER = re.compile(rb"^content-[a-z-]+:.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)

_BAD_BASE64 = (InvalidBase64CharactersDefect, InvalidBase64LengthDefect, InvalidBase64PaddingDefect)

# Charsets are read by name only among these: the others of the language include transformations that are no charset.
_CHARSETS = ("utf-8", "utf8", "iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii")

# What the multi-canal reminder says; S2LOW recognises it by this sentence too.
_MULTICANAL = (
    "notre service de contrôle de légalité a identifié qu'il s'agit d'un acte "
    "dont la transmission est effectuée en multi canal"
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail; `name` is safe as a file name, `data` is exactly what was sent."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class MinistryMail:
    """What a mail holds. `fault` says why nothing could be taken from it, empty otherwise.

    `damaged` names the files whose bytes are surely not those that were sent: they are not among the attachments.
    """

    attachments: tuple[Attachment, ...]
    multicanal: bool
    fault: str = ""
    damaged: tuple[str, ...] = ()


def parse_mail(raw: bytes, size: int = 0) -> MinistryMail:
    """Take a mail apart, whatever its structure; never raises. `size`: that of the whole, if `raw` is its start."""
    if max(size, len(raw)) > MAIL_LIMIT:
        return MinistryMail((), False, f"courriel de {max(size, len(raw))} octets, trop volumineux")
    cuts = cut(raw)
    if len(cuts.rest) > PARSED_LIMIT:
        return MinistryMail((), False, f"courriel de {len(raw)} octets, dont trop ne sont pas des pièces jointes")
    if any(match.end() - match.start() > _HEADER_LIMIT for match in _PART_HEADER.finditer(cuts.rest)):
        return MinistryMail((), False, "courriel à l'en-tête trop long")
    try:
        # the older policy of the library: the newer one raises on headers that it cannot make sense of
        message = message_from_bytes(cuts.rest)
        leaves = list(_leaves(message))
    except RecursionError:
        return MinistryMail((), False, "courriel aux parties trop imbriquées")
    if len(leaves) > PARTS_LIMIT:
        return MinistryMail((), False, f"courriel de {len(leaves)} parties")
    attachments, damaged = [], []
    multicanal = False
    last = _cut_leaf(message, leaves)
    for number, part in enumerate(leaves, start=1):
        data, sound = _payload(part, cuts)
        name = _file_name(part)
        if name or _looks_like_xml(part, data):
            if not sound or (part is last and not _looks_like_xml(part, data)):
                damaged.append(name or f"sans-nom-{number}.xml")
            elif not _is_logo(part, name):
                attachments.append(Attachment(name or f"sans-nom-{number}.xml", data))
        elif part.get_content_maintype() == "text":
            multicanal = multicanal or _says_multicanal(data, part)
    return MinistryMail(tuple(attachments), multicanal, "", tuple(damaged))


def _leaves(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _cut_leaf(message: Message, leaves: list[Message]) -> Message | None:
    """The last part of a mail that ends before its closing boundary: it may have been cut. XML tells that by itself."""
    cut = any(isinstance(defect, CloseBoundaryNotFoundDefect) for part in message.walk() for defect in part.defects)
    return leaves[-1] if cut and leaves else None


def _payload(part: Message, cuts: Cuts) -> tuple[bytes, bool]:
    """The bytes of a part, and whether they are sound: base64 that lacks nothing and holds nothing else."""
    if cuts.runs and str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64":
        try:
            text = part.get_payload()
        except (ValueError, LookupError):  # 8-bit characters, in a charset that is none
            return b"", False
        if isinstance(text, str) and cuts.mark in text:
            whole = cuts.decode(text)
            return whole or b"", whole is not None
    data = part.get_payload(decode=True)
    sound = not any(isinstance(defect, _BAD_BASE64) for defect in part.defects)
    return cuts.restore(data) if isinstance(data, bytes) else b"", sound


def _file_name(part: Message) -> str:
    """Name of the file by RFC 2231 or, against the RFC but as many do, by RFC 2047; without any path."""
    try:
        # get_filename looks in Content-Disposition, then in the name of Content-Type
        name = str(part.get_filename(""))
        name = str(make_header(decode_header(name)))
        # a name in bare 8-bit characters: the library keeps its bytes as surrogates
        name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except (MessageError, LookupError, ValueError, TypeError, AttributeError):
        name = "sans-nom"
    name = re.split(r"[/\\]", name)[-1]
    name = re.sub(r"[\x00-\x1f\x7f]", "", name).strip()
    return "" if name in (".", "..") else name[-_NAME_LENGTH:]


def _is_logo(part: Message, name: str) -> bool:
    """The picture of the HTML body; a picture named by the norm is a document."""
    if part.get_content_maintype() != "image" or read_document_name(name):
        return False
    return part.get_content_disposition() != "attachment" or name.lower().startswith("logo.")


def _looks_like_xml(part: Message, data: bytes) -> bool:
    return part.get_content_type() in ("text/xml", "application/xml") or data.lstrip()[:5] == b"<?xml"


def _says_multicanal(data: bytes, part: Message) -> bool:
    declared = part.get_content_charset("utf-8")
    try:
        text = data[:_HTML_LIMIT].decode(declared if declared in _CHARSETS else "utf-8")
    except ValueError:
        text = data[:_HTML_LIMIT].decode("windows-1252", "replace")
    words = html.unescape(re.sub(r"<[^<>]*>", " ", text)).replace("’", "'").casefold()
    return _MULTICANAL in " ".join(words.split())
