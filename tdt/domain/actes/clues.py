"""For whom a mail probably is that could be given to nobody: what its files and their names say of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tdt.domain.actes.answers import Return
from tdt.domain.actes.mail import MinistryMail
from tdt.domain.actes.naming import read_document_name, read_message_name, read_unique_id, unique_id_of

_SIREN_IN_NAME = re.compile(r"(?<![0-9])[0-9]{9}(?![0-9])", re.ASCII)
# read by hand: the XML may be what is damaged
_SIREN_IN_XML = re.compile(rb"\bSIREN\s*=\s*[\"']([0-9]{9})[\"']")
_ACT_IN_XML = re.compile(rb"\bIDActe\s*=\s*[\"']([0-9A-Za-z_-]{1,80})[\"']")
_XML_LIMIT = 16 * 1024 * 1024
_MOST = 20


@dataclass(frozen=True, slots=True)
class Clues:
    """The IDActe and the SIREN found, the surest first, each once."""

    acts: tuple[str, ...]
    sirens: tuple[str, ...]


def find_clues(mail: MinistryMail, answers: Sequence[Return]) -> Clues:
    """What a mail says of its addressee; nothing of it is proof, it only spares an operator the search."""
    acts = list(_acts(mail, answers))
    sirens = [parts.siren for act in acts if (parts := read_unique_id(act)) is not None]
    sirens = [*_sirens_of_answers(answers), *sirens, *_sirens_of_files(mail)]
    return Clues(tuple(dict.fromkeys(acts))[:_MOST], tuple(dict.fromkeys(sirens))[:_MOST])


def _acts(mail: MinistryMail, answers: Sequence[Return]) -> Iterator[str]:
    for answer in answers:
        if act := getattr(answer, "unique_id", ""):
            yield str(act)
    for data in _xml_files(mail):
        yield from (found.decode("ascii") for found in _ACT_IN_XML.findall(data))
    for name in _names(mail):
        document, message = read_document_name(name), read_message_name(name)
        if document is not None:
            yield document.unique_id
        elif message is not None and message.number:
            yield unique_id_of(message)


def _sirens_of_answers(answers: Sequence[Return]) -> Iterator[str]:
    for answer in answers:
        if siren := getattr(answer, "siren", None):
            yield str(siren)


def _sirens_of_files(mail: MinistryMail) -> Iterator[str]:
    for data in _xml_files(mail):
        yield from (found.decode("ascii") for found in _SIREN_IN_XML.findall(data))
    for name in _names(mail):
        yield from _SIREN_IN_NAME.findall(name)


def _xml_files(mail: MinistryMail) -> Iterator[bytes]:
    return (one.data for one in mail.attachments if one.name.lower().endswith(".xml") and len(one.data) <= _XML_LIMIT)


def _names(mail: MinistryMail) -> Iterator[str]:
    yield from (one.name for one in mail.attachments)
    yield from mail.damaged
